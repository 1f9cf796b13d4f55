//! What bpf(2) does and aya has no call for.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_TRACE_ITER: u32 = 28;

/// `union bpf_attr`, as `BPF_LINK_CREATE` reads it for an iterator.
#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    iter_info: u64,
    iter_info_len: u32,
    reserved: u32,
}

/// `union bpf_iter_link_info`, of an iterator over a map.
#[repr(C)]
struct IterLinkInfo {
    map_fd: u32,
}

/// `union bpf_attr`, as `BPF_ITER_CREATE` reads it.
#[repr(C)]
struct IterCreate {
    link_fd: u32,
    flags: u32,
}

/// `union bpf_attr`, as `BPF_MAP_GET_NEXT_KEY` reads it.
#[repr(C)]
struct NextKey {
    map_fd: u32,
    reserved: u32,
    key: u64,
    next_key: u64,
}

/// Links an iterator to a map; aya starts iterators over everything only.
pub(super) fn link_to_map(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let info = IterLinkInfo {
        map_fd: map.as_raw_fd().cast_unsigned(),
    };
    let attributes = LinkCreate {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        target_fd: 0,
        attach_type: BPF_TRACE_ITER,
        flags: 0,
        iter_info: (&raw const info) as u64,
        iter_info_len: size_of::<IterLinkInfo>() as u32,
        reserved: 0,
    };
    open(BPF_LINK_CREATE, &attributes)
}

/// Starts a pass of a linked iterator.
pub(super) fn start_iterator(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attributes = IterCreate {
        link_fd: link.as_raw_fd().cast_unsigned(),
        flags: 0,
    };
    open(BPF_ITER_CREATE, &attributes)
}

/// How many entries a table has. Those that come and go meanwhile may be in it or not.
///
/// # Errors
/// When the map has no keys to go through.
pub(super) fn count_entries(map: BorrowedFd<'_>, key_size: usize) -> io::Result<u64> {
    /// An entry that goes away under us sends us back to the first: no count is worth more rounds.
    const STEPS_MAX: u64 = 1 << 20;
    let mut key = vec![0_u8; key_size];
    let mut next = vec![0_u8; key_size];
    let mut entries = 0;
    while entries < STEPS_MAX {
        let attributes = NextKey {
            map_fd: map.as_raw_fd().cast_unsigned(),
            reserved: 0,
            key: if entries == 0 { 0 } else { key.as_ptr() as u64 },
            next_key: next.as_mut_ptr() as u64,
        };
        match bpf(BPF_MAP_GET_NEXT_KEY, &attributes) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
            Err(error) => return Err(error),
        }
        std::mem::swap(&mut key, &mut next);
        entries += 1;
    }
    Ok(entries)
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<i32> {
    // SAFETY: the attributes, and what they point to, live until the call returns; the kernel reads and writes no
    // more of them than their sizes.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            &raw const *attributes,
            size_of::<T>(),
        )
    };
    i32::try_from(result)
        .ok()
        .filter(|result| *result >= 0)
        .ok_or_else(io::Error::last_os_error)
}

/// Of a command that opens a descriptor.
fn open<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    let fd = bpf(command, attributes)?;
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
