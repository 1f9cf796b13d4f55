//! Block I/O, and the files that its pages belong to.

use core::arch::asm;

use aya_ebpf::{EbpfContext as _, programs::BtfTracePointContext};
use procwatch_common::layout::ABSENT;

use super::{layout, member, probe};

const OP_MASK: u32 = 0xff;
const OP_READ: u32 = 0;
const OP_WRITE: u32 = 1;
const OP_ZONE_APPEND: u32 = 7;

const MINOR_BITS: u32 = 20;
const INODE_TYPE_MASK: u32 = 0o170_000;
const REGULAR_FILE: u32 = 0o100_000;
/// Low bits of `page->mapping` that say it is not a file's.
const MAPPING_FLAGS: u64 = 3;
/// Low bit of `page->compound_head`: the rest is the address of the head.
const TAIL_PAGE: u64 = 1;
const BIO_VEC_SIZE: u32 = 16;

/// A `struct bio`: a contiguous piece of block I/O.
#[derive(Clone, Copy)]
pub struct Bio(*const u8);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

impl Bio {
    /// `None` for a null pointer.
    #[inline(always)]
    pub fn new(bio: *const u8) -> Option<Self> {
        if bio.is_null() { None } else { Some(Self(bio)) }
    }

    /// The bio that a tracepoint passes: first, and after a queue before 5.12.
    #[inline(always)]
    pub fn argument(context: &BtfTracePointContext) -> Option<Self> {
        let context = context.as_ptr();
        let bio: *const u8;
        // By instructions that differ: the compiler would choose the address and load once, and a context is
        // only to be read at fixed offsets.
        if layout!(bio_queue_bio_argument) == 1 {
            // SAFETY: the verifier has checked that there are two arguments.
            unsafe {
                asm!("{bio} = *(u64 *)({context} + 8)", bio = out(reg) bio, context = in(reg) context)
            };
        } else {
            // SAFETY: there is always one.
            unsafe {
                asm!("{bio} = *(u64 *)({context} + 0)", bio = out(reg) bio, context = in(reg) context)
            };
        }
        Self::new(bio)
    }

    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// `None` for what moves no data: flushes, discards, zeroes that the device writes by itself.
    #[inline(always)]
    pub fn direction(self) -> Option<Direction> {
        direction_of(member!(self.0, bio_opf, u32))
    }

    /// The address of the bio that this one was split off.
    #[inline(always)]
    pub fn parent(self) -> u64 {
        member!(self.0, bio_private, u64)
    }

    #[inline(always)]
    pub fn bytes(self) -> u32 {
        member!(self.0, bio_size, u32)
    }

    /// The first of its sectors, of 512 bytes.
    #[inline(always)]
    pub fn sector(self) -> u64 {
        member!(self.0, bio_sector, u64)
    }

    /// `REQ_OP_*` and flags.
    #[inline(always)]
    pub fn operation(self) -> u32 {
        member!(self.0, bio_opf, u32)
    }

    /// `blk_status_t`; 0 for success.
    #[inline(always)]
    pub fn status(self) -> u8 {
        member!(self.0, bio_status, u8)
    }

    /// The disk's number, as `MAJOR << 20 | MINOR`. `None` for a disk that hands bios on to others
    /// instead of queueing requests.
    #[inline(always)]
    pub fn request_disk(self) -> Option<u32> {
        let disk = if layout!(bio_bdev) == ABSENT {
            member!(self.0, bio_disk, *const u8)
        } else {
            let device = member!(self.0, bio_bdev, *const u8);
            if device.is_null() {
                return None;
            }
            member!(device, bdev_disk, *const u8)
        };
        if disk.is_null() {
            return None;
        }
        let operations = member!(disk, disk_fops, *const u8);
        if operations.is_null() || member!(operations, fops_submit_bio, u64) != 0 {
            return None;
        }
        Some(member!(disk, disk_major, u32) << MINOR_BITS | member!(disk, disk_first_minor, u32))
    }

    /// The regular file whose page is the first. `None` when the page is no file's.
    #[inline(always)]
    pub fn file(self) -> Option<FileId> {
        let vectors = member!(self.0, bio_io_vec, u64);
        let index = member!(self.0, bio_idx, u32);
        let mut page: u64 = probe(vectors, index.wrapping_mul(BIO_VEC_SIZE));
        if layout!(page_compound_head) != ABSENT {
            let head: u64 = probe(page, layout!(page_compound_head));
            if head & TAIL_PAGE != 0 {
                page = head - TAIL_PAGE;
            }
        }
        let mapping: u64 = probe(page, layout!(page_mapping));
        if mapping == 0 || mapping & MAPPING_FLAGS != 0 {
            return None;
        }
        inode_of_mapping(mapping)
    }
}

/// What the operation in the flags of a bio or a request moves.
#[inline(always)]
pub fn direction_of(flags: u32) -> Option<Direction> {
    match flags & OP_MASK {
        OP_READ => Some(Direction::Read),
        OP_WRITE | OP_ZONE_APPEND => Some(Direction::Write),
        _ => None,
    }
}

/// Names a file for as long as its inode is in memory. The next file in the same place may well have the
/// same number; file systems that give numbers out again count their holders.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FileId {
    pub inode: u64,
    pub number: u64,
    pub generation: u64,
}

/// The regular file that a `struct address_space` belongs to.
#[inline(always)]
pub fn inode_of_mapping(mapping: u64) -> Option<FileId> {
    regular_file(probe(mapping, layout!(mapping_host)))
}

/// The file of a `struct inode`. `None` when it is no regular one.
#[inline(always)]
pub fn regular_file(inode: u64) -> Option<FileId> {
    if inode == 0 {
        return None;
    }
    let mode: u16 = probe(inode, layout!(inode_mode));
    if u32::from(mode) & INODE_TYPE_MASK != REGULAR_FILE {
        return None;
    }
    Some(FileId {
        inode,
        number: probe(inode, layout!(inode_ino)),
        generation: u64::from(probe::<u32>(inode, layout!(inode_generation))),
    })
}

/// Whether an inode has dirty pages.
#[inline(always)]
pub fn has_dirty_pages(inode: u64) -> bool {
    probe::<u32>(inode, layout!(inode_state)) & layout!(inode_dirty_pages) != 0
}
