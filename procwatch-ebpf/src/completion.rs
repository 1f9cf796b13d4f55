//! What of a request is over.

use aya_ebpf::programs::BtfTracePointContext;

use crate::kernel::{layout, probe};

/// Bios of a request that are looked at: as many as 1280 KiB, what requests are merged to, has pages.
const BIOS_MAX: usize = 320;

/// A request, or the first part of it, that `block_rq_complete` passes.
pub struct Completion {
    request: u64,
    bytes: u32,
    pub has_failed: bool,
}

impl Completion {
    #[inline(always)]
    pub fn argument(context: &BtfTracePointContext) -> Self {
        Self {
            request: context.arg(0),
            // An error number before 5.16, and a status since.
            has_failed: context.arg::<u64>(1) as u32 != 0,
            bytes: context.arg::<u64>(2) as u32,
        }
    }

    /// Lets `each` have the address of every bio that is over with it. False when there were more than that.
    #[inline(always)]
    pub fn each_bio(&self, mut each: impl FnMut(u64)) -> bool {
        let mut bio: u64 = probe(self.request, layout!(request_bio));
        let mut left = self.bytes;
        for _ in 0..BIOS_MAX {
            if bio == 0 {
                return true;
            }
            let bytes: u32 = probe(bio, layout!(bio_size));
            if bytes > left {
                return true;
            }
            left -= bytes;
            let next = probe(bio, layout!(bio_next));
            each(bio);
            bio = next;
        }
        bio == 0
    }
}
