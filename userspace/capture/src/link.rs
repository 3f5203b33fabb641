//! The calls of bpf(2) that aya has not: take a link from its pin, put another program into it,
//! and ask what became of it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

const BPF_OBJ_GET: libc::c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_LINK_UPDATE: libc::c_int = 29;
const BPF_LINK_DETACH: libc::c_int = 34;
/// `BPF_LINK_TYPE_CGROUP`
const LINK_TYPE_CGROUP: u32 = 3;

/// `bpf_attr` of BPF_OBJ_GET.
#[repr(C, align(8))]
struct ObjectAttr {
    path: u64,
    fd: u32,
    flags: u32,
}

/// `bpf_attr` of BPF_LINK_UPDATE.
#[repr(C, align(8))]
struct UpdateAttr {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}

/// `bpf_attr` of BPF_LINK_DETACH.
#[repr(C, align(8))]
struct DetachAttr {
    link: u32,
    pad: u32,
}

/// `bpf_attr` of BPF_OBJ_GET_INFO_BY_FD.
#[repr(C, align(8))]
struct InfoAttr {
    fd: u32,
    length: u32,
    info: u64,
}

/// The start of `bpf_link_info`; for a cgroup link the union starts with the cgroup's id.
#[repr(C, align(8))]
#[derive(Default)]
struct RawInfo {
    kind: u32,
    id: u32,
    program: u32,
    pad: u32,
    cgroup: u64,
    rest: [u64; 8],
}

/// What the kernel says of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkState {
    /// Id of the link.
    pub(crate) id: u32,
    /// Id of the program in it.
    pub(crate) program: u32,
    /// Whether it still acts: a cgroup link that somebody detached by force has no cgroup.
    pub(crate) attached: bool,
}

/// Takes the object that is pinned at `path`.
pub(crate) fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let attr = ObjectAttr {
        path: path.as_ptr() as u64,
        fd: 0,
        flags: 0,
    };
    let fd = call(BPF_OBJ_GET, &attr)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts `program` into a cgroup link, in one step.
pub(crate) fn update(link: &OwnedFd, program: BorrowedFd<'_>) -> io::Result<()> {
    let attr = UpdateAttr {
        link: raw(link.as_raw_fd())?,
        program: raw(program.as_raw_fd())?,
        flags: 0,
        old_program: 0,
    };
    call(BPF_LINK_UPDATE, &attr).map(drop)
}

/// Detaches a cgroup link at once; to drop its last reference detaches it some time later.
pub(crate) fn detach(link: &OwnedFd) -> io::Result<()> {
    let attr = DetachAttr {
        link: raw(link.as_raw_fd())?,
        pad: 0,
    };
    call(BPF_LINK_DETACH, &attr).map(drop)
}

/// Asks the kernel about a link.
pub(crate) fn state(link: &OwnedFd) -> io::Result<LinkState> {
    let mut info = RawInfo::default();
    let attr = InfoAttr {
        fd: raw(link.as_raw_fd())?,
        length: u32::try_from(size_of::<RawInfo>()).unwrap_or(u32::MAX),
        info: (&raw mut info) as u64,
    };
    call(BPF_OBJ_GET_INFO_BY_FD, &attr)?;
    let attached = info.kind != LINK_TYPE_CGROUP || info.cgroup != 0;
    Ok(LinkState {
        id: info.id,
        program: info.program,
        attached,
    })
}

fn call<T>(command: libc::c_int, attr: &T) -> io::Result<RawFd> {
    // SAFETY: each attr type above is the start of bpf_attr for its command, and its pointers
    // outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attr),
            size_of::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}

fn raw(fd: RawFd) -> io::Result<u32> {
    u32::try_from(fd).map_err(io::Error::other)
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}
