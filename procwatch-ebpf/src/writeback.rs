//! Whose the pages are that kernel threads write back.
//!
//! A page does not say who dirtied it; its file is remembered with its dirtier instead. A file that two
//! processes have dirtied since it was last clean is nobody's: a guess would be worse.

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::LruHashMap,
    programs::BtfTracePointContext,
};
use procwatch_common::totals::RawProcessId;

use crate::{
    added_up,
    atomic::add_to,
    kernel::{
        CurrentProcess,
        bio::{FileId, has_dirty_pages, inode_of_mapping, regular_file},
    },
    quiet,
};

/// Files with dirty pages that are told apart; the one that was dirtied longest ago gives way.
const FILES_MAX: u32 = 65_536;

#[map]
static DIRTIERS: LruHashMap<FileId, Dirtier> = LruHashMap::with_max_entries(FILES_MAX, 0);

#[repr(C)]
#[derive(Clone, Copy)]
struct Dirtier {
    process: RawProcessId,
    /// Not 0: another process has dirtied the file too.
    is_shared: u64,
}

/// Fires when a clean page becomes dirty.
#[btf_tracepoint(function = "writeback_dirty_folio")]
pub fn pw_dirty(context: BtfTracePointContext) -> i32 {
    try_dirty(context.arg::<u64>(1));
    0
}

#[inline(always)]
fn try_dirty(mapping: u64) -> Option<()> {
    if mapping == 0 {
        return None;
    }
    let file = inode_of_mapping(mapping)?;
    let process = CurrentProcess::get()?.id;
    if let Some(dirtier) = DIRTIERS.get_ptr_mut(file) {
        // SAFETY: alive; whoever comes second finds somebody else's name or its own.
        unsafe {
            if (*dirtier).process != process {
                (*dirtier).is_shared = 1;
            }
        }
        return None;
    }
    // So that there is somewhere to charge the write-back to.
    added_up::open(&process);
    let dirtier = Dirtier {
        process,
        is_shared: 0,
    };
    let _ = DIRTIERS.insert(file, dirtier, 0);
    Some(())
}

/// Fires when an inode has been written back.
#[btf_tracepoint(function = "writeback_single_inode")]
pub fn pw_clean(context: BtfTracePointContext) -> i32 {
    let inode = context.arg::<u64>(0);
    if let Some(file) = regular_file(inode)
        && !has_dirty_pages(inode)
    {
        let _ = DIRTIERS.remove(file);
    }
    0
}

/// Charges the dirtier of a file with bytes that a kernel thread writes. False when that is not known, or
/// the process is not there any more.
#[inline(always)]
pub fn charge(file: FileId, bytes: u64) -> bool {
    let Some(dirtier) = DIRTIERS.get_ptr(file) else {
        return false;
    };
    // SAFETY: alive, and not changed but for the mark.
    let dirtier = unsafe { *dirtier };
    if dirtier.is_shared != 0 {
        return false;
    }
    let Some(entry) = added_up::of(&dirtier.process) else {
        return false;
    };
    // SAFETY: alive, and changed by atomic operations only.
    unsafe { add_to(&raw mut (*entry).block.writeback_bytes, bytes) };
    quiet::disturb(&dirtier.process);
    true
}
