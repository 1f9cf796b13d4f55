//! Address spaces.

use super::{layout, member};

/// A `struct mm_struct`: an address space.
#[derive(Clone, Copy)]
pub struct Mm(*const u8);

impl Mm {
    /// `None` for a null pointer.
    #[inline(always)]
    pub fn new(mm: *const u8) -> Option<Self> {
        if mm.is_null() { None } else { Some(Self(mm)) }
    }

    #[inline(always)]
    pub fn hiwater_rss_pages(self) -> u64 {
        member!(self.0, mm_hiwater_rss, u64)
    }

    #[inline(always)]
    pub fn arg_start(self) -> u64 {
        member!(self.0, mm_arg_start, u64)
    }

    #[inline(always)]
    pub fn arg_end(self) -> u64 {
        member!(self.0, mm_arg_end, u64)
    }

    #[inline(always)]
    pub fn as_ptr(self) -> *const u8 {
        self.0
    }

    /// The address of the `struct file` that was executed; 0 when it is gone.
    #[inline(always)]
    pub fn exe_file(self) -> u64 {
        member!(self.0, mm_exe_file, u64)
    }
}
