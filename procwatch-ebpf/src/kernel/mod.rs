//! Typed views of kernel structures, one method per member, read at the offsets in [`LAYOUT`].
//!
//! Members are loaded directly: for pointers that the verifier knows the type of it checks each load
//! against BTF, and a page that is gone reads as zero instead of faulting.

pub mod bio;
mod mm;
pub mod sock;
mod task;

use core::{ffi::c_void, ptr::read_volatile};

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use procwatch_common::layout::KernelLayout;

pub use self::{
    bio::Bio,
    mm::Mm,
    sock::Sock,
    task::{CurrentProcess, EXIT_DEAD, Signal, Task, TaskIterContext},
};

/// Set by the agent before loading; frozen and known to the verifier.
#[unsafe(no_mangle)]
pub static LAYOUT: KernelLayout = KernelLayout::UNKNOWN;

/// Reads a field of [`LAYOUT`]. Volatile, for the value is not the one the compiler sees.
#[inline(always)]
pub fn known(field: &'static u32) -> u32 {
    // SAFETY: a valid reference.
    unsafe { read_volatile(field) }
}

macro_rules! layout {
    ($field:ident) => {
        $crate::kernel::known(&$crate::kernel::LAYOUT.$field)
    };
}
pub(crate) use layout;

/// Loads a member of a structure whose type the verifier knows.
macro_rules! member {
    ($base:expr, $field:ident, $type:ty) => {
        // SAFETY: the verifier has checked the offset against the structure's BTF.
        unsafe {
            core::ptr::read_volatile($base.byte_add(layout!($field) as usize).cast::<$type>())
        }
    };
}
pub(crate) use member;

/// Reads a value at an address of which the verifier knows nothing; zero when nothing is there.
#[inline(always)]
pub fn probe<T: Copy + Default>(base: u64, offset: u32) -> T {
    let mut value = T::default();
    // SAFETY: the helper checks the source.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast(),
            size_of::<T>() as u32,
            (base + u64::from(offset)) as *const c_void,
        );
    }
    value
}
