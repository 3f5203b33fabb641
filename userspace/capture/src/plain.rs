//! Types of `sluice-abi` as values of maps and of the ring buffer.

use std::mem::{MaybeUninit, size_of};

use aya::Pod;
use sluice_abi::{
    AdoptedEvent, EventHead, ExecEvent, ExitEvent, FlowKey, ForkEvent, HandedIn, Origin,
    ProcessKey, ProcessTag, RefusedEvent, Runner, State,
};

/// Integers only, without padding: any bytes are a value.
///
/// # Safety
/// Must hold for the type.
pub(crate) unsafe trait Integers: Copy + 'static {}

/// A value of a map; the orphan rule keeps aya's trait off foreign types.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain<T>(pub(crate) T);

// SAFETY: `Integers` promises what `Pod` asks for; the wrapper is transparent.
unsafe impl<T: Integers> Pod for Plain<T> {}

// table: the types of sluice-abi.
macro_rules! integers {
    ($($name:ty),* $(,)?) => {
        // SAFETY: each is repr(C), made of integers, and its size is asserted in sluice-abi to be
        // the sum of its fields.
        $(unsafe impl Integers for $name {})*
    };
}

integers!(
    AdoptedEvent,
    EventHead,
    ExecEvent,
    ExitEvent,
    FlowKey,
    ForkEvent,
    HandedIn,
    Origin,
    ProcessKey,
    ProcessTag,
    RefusedEvent,
    Runner,
    State,
);

/// Takes a value off the front of `bytes`.
pub(crate) fn take<T: Integers>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (front, rest) = bytes.split_at_checked(size_of::<T>())?;
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `front` has the size of T, the two do not overlap, and any bytes are a T.
    let value = unsafe {
        std::ptr::copy_nonoverlapping(front.as_ptr(), value.as_mut_ptr().cast(), front.len());
        value.assume_init()
    };
    Some((value, rest))
}
