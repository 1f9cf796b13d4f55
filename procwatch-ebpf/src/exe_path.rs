//! The path of an executable, as `/proc/PID/exe` shows it: from the file up to the root of its mount
//! namespace, across mount points. `bpf_d_path` is refused at this hook.

use core::{
    ffi::c_void,
    ptr::{read_volatile, write_volatile},
};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use procwatch_common::{
    layout::ABSENT,
    lifecycle::{COMPONENT_MAX, EXE_COMPONENTS_MAX, EXE_MAX, ExecRecord},
};

use crate::kernel::layout;

/// Bytes that [`write`] may touch.
pub const BUFFER: usize = EXE_MAX + COMPONENT_MAX;

/// Where the walk keeps its results. It lies in a map, and is read back each time: the verifier then
/// forgets what it knows of them, and does not explore the walk once for each possible length.
#[repr(C)]
pub struct Path {
    /// Bytes written, at most [`BUFFER`].
    pub len: u64,
    /// Flags of an exec record: `EXE_TRUNCATED`, `EXE_DELETED`.
    pub flags: u64,
    pub bytes: [u8; BUFFER],
}

#[inline(always)]
fn pointer_at(base: u64, offset: u32) -> u64 {
    let mut value = 0u64;
    // SAFETY: the helper checks the source.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast(),
            8,
            (base + u64::from(offset)) as *const c_void,
        );
    }
    value
}

/// Writes the components of `file`'s path from the last to the first, each ended by a NUL.
///
/// # Safety
/// `path` must be an element of a map.
#[inline(always)]
pub unsafe fn write(file: u64, path: *mut Path) {
    // SAFETY: the caller's promise.
    let (len, flags, bytes) = unsafe {
        (
            &raw mut (*path).len,
            &raw mut (*path).flags,
            (&raw mut (*path).bytes).cast::<u8>(),
        )
    };
    // SAFETY: as above.
    unsafe {
        write_volatile(len, 0);
        write_volatile(flags, 0);
    }
    if file == 0 {
        return;
    }
    let mut vfsmount = pointer_at(file, layout!(file_path_mnt));
    let mut dentry = pointer_at(file, layout!(file_path_dentry));
    if layout!(dentry_hash_pprev) != ABSENT && pointer_at(dentry, layout!(dentry_hash_pprev)) == 0 {
        // SAFETY: as above.
        unsafe { write_volatile(flags, u64::from(ExecRecord::EXE_DELETED)) };
    }
    for _ in 0..EXE_COMPONENTS_MAX {
        if dentry == pointer_at(vfsmount, layout!(vfsmount_root)) {
            let mount = vfsmount - u64::from(layout!(mount_vfsmount));
            let parent = pointer_at(mount, layout!(mount_parent));
            if parent == mount || parent == 0 {
                return;
            }
            dentry = pointer_at(mount, layout!(mount_mountpoint));
            vfsmount = parent + u64::from(layout!(mount_vfsmount));
            continue;
        }
        // SAFETY: as above.
        let at = unsafe { read_volatile(len) };
        if at >= EXE_MAX as u64 {
            break;
        }
        let name = pointer_at(dentry, layout!(dentry_name));
        // SAFETY: `at` is below EXE_MAX, and COMPONENT_MAX bytes of slack follow.
        let written = unsafe {
            bpf_probe_read_kernel_str(
                bytes.add(at as usize).cast(),
                COMPONENT_MAX as u32,
                name as *const c_void,
            )
        };
        if written <= 0 {
            break;
        }
        // SAFETY: as above.
        unsafe { write_volatile(len, at + written as u64) };
        let parent = pointer_at(dentry, layout!(dentry_parent));
        // A file without a place in any tree, such as a memfd, is its own parent.
        if parent == dentry || parent == 0 {
            return;
        }
        dentry = parent;
    }
    // SAFETY: as above.
    unsafe {
        write_volatile(
            flags,
            read_volatile(flags) | u64::from(ExecRecord::EXE_TRUNCATED),
        )
    };
}
