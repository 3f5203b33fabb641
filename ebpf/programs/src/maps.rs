//! The maps. What is in them is described in `sluice-abi`.

use aya_ebpf::bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, bpf_map_type};
use aya_ebpf::btf_maps::{Array, HashMap, PerCpuArray, RingBuf};
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::macros::btf_map;
use core::ffi::c_void;
use core::ptr::{from_ref, null, null_mut};
use sluice_abi::{
    Counter, EVENTS_BYTES, EventHead, FLOWS_MAX, FlowKey, HANDED_IN_MAX, HandedIn, Origin,
    PROCESSES_MAX, ProcessKey, ProcessTag, RUNNERS_MAX, Runner, SocketTag, State,
};

/// Who is a member. Never LRU: an evicted entry would be a process that got away.
#[btf_map]
pub static PROCESSES: HashMap<ProcessKey, ProcessTag, { PROCESSES_MAX as usize }> = HashMap::new();

/// Cgroups (by id) whose processes, at any depth below, are members.
#[btf_map]
pub static RUNNERS: HashMap<u64, Runner, RUNNERS_MAX> = HashMap::new();

/// Flows between the client's connect and the proxy's accept.
#[btf_map]
pub static FLOWS: HashMap<FlowKey, Origin, FLOWS_MAX> = HashMap::new();

/// Streams that were handed in, by socket cookie, until the daemon ends them.
#[btf_map]
pub static HANDED_IN: HashMap<u64, HandedIn, HANDED_IN_MAX> = HashMap::new();

/// The switch between deny and redirect.
#[btf_map]
pub static STATE: Array<State, 1> = Array::new();

/// Counters, see [`Counter`].
#[btf_map]
pub static STATS: PerCpuArray<u64, { Counter::COUNT }> = PerCpuArray::new();

/// What happened.
#[btf_map]
pub static EVENTS: RingBuf<EventHead, EVENTS_BYTES> = RingBuf::new();

/// Where an exec event is put together: too large for the stack of 512 bytes.
#[btf_map]
pub static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();

/// Room for an exec event, twice as large as the longest one, so that masked offsets stay inside.
#[repr(C, align(8))]
pub struct Scratch {
    /// The event.
    pub bytes: [u8; 16_384],
    /// Bytes of the working directory so far. In memory, so that the verifier forgets its range:
    /// else every turn of the walk is a new state to it, and it gives up.
    pub walked: u64,
}

/// Members' sockets.
#[btf_map]
pub static SOCKETS: SocketStorage<SocketTag> = SocketStorage::new();

/// Socket storage that accepted children inherit: aya's own type has no `BPF_F_CLONE`, and takes
/// only one of the four contexts that this is used from.
#[repr(C)]
pub struct SocketStorage<T> {
    r#type: *const [i32; bpf_map_type::BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize],
}

// SAFETY: the fields are placeholders that the loader reads as types; they are never dereferenced.
unsafe impl<T> Sync for SocketStorage<T> {}

impl<T> SocketStorage<T> {
    const fn new() -> Self {
        Self {
            r#type: null(),
            key: null(),
            value: null(),
            max_entries: null(),
            map_flags: null(),
        }
    }

    /// What is known of a socket; null when nothing is.
    #[inline(always)]
    pub fn find(&self, sk: *mut c_void) -> *mut T {
        // SAFETY: the verifier checks that `sk` is a socket; the helper returns null or a value.
        unsafe { bpf_sk_storage_get(from_ref(self).cast_mut().cast(), sk, null_mut(), 0).cast() }
    }

    /// What is known of a socket, made zero where there is nothing; null when memory is short.
    #[inline(always)]
    pub fn make(&self, sk: *mut c_void) -> *mut T {
        const CREATE: u64 = 1;
        let map = from_ref(self).cast_mut().cast();
        // SAFETY: as in `find`.
        unsafe { bpf_sk_storage_get(map, sk, null_mut(), CREATE).cast() }
    }
}
