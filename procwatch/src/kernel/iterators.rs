//! Passes: a program that the kernel runs for each thing of a kind, and that writes records for us to read.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya::{
    Ebpf,
    programs::{Iter, ProgramError},
};

/// What the kernel buffers for one read of an iterator; asking for less would only add calls.
const PASS_BUFFER: usize = 64 * 1024;

/// Over what a pass goes.
#[derive(Clone, Copy)]
pub(super) enum Over<'a> {
    /// Everything of the program's kind.
    All,
    /// What this map holds.
    Map(BorrowedFd<'a>),
}

/// Runs a pass, and lets `take` have the bytes as they come. It returns how many it has used: the rest is
/// the start of a record, and comes again with what follows it.
///
/// # Errors
/// When the pass could not be started or broke off, or ended in the middle of a record.
pub(super) fn run(
    ebpf: &mut Ebpf,
    program: &str,
    over: Over<'_>,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]) -> usize,
) -> io::Result<()> {
    let mut file = start(ebpf, program, over)?;
    buffer.clear();
    loop {
        let kept = buffer.len();
        buffer.resize(kept + PASS_BUFFER, 0);
        let read = match file.read(&mut buffer[kept..]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                buffer.truncate(kept);
                continue;
            }
            Err(error) => return Err(error),
        };
        buffer.truncate(kept + read);
        if read == 0 {
            break;
        }
        let taken = take(buffer);
        buffer.drain(..taken);
    }
    if buffer.is_empty() {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the last record of a pass is cut off",
        ))
    }
}

fn start(ebpf: &mut Ebpf, program: &str, over: Over<'_>) -> io::Result<File> {
    let iterator = ebpf.program_mut(program).ok_or(ProgramError::NotLoaded);
    let iterator: &mut Iter = iterator
        .and_then(TryInto::try_into)
        .map_err(io::Error::other)?;
    match over {
        Over::All => {
            let link = iterator.attach().map_err(io::Error::other)?;
            let link = iterator.take_link(link).map_err(io::Error::other)?;
            link.into_file().map_err(io::Error::other)
        }
        Over::Map(map) => {
            let program = iterator.fd().map_err(io::Error::other)?;
            let link = link_to_map(program.as_fd(), map)?;
            open(link.as_fd())
        }
    }
}

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

/// aya starts iterators over everything only.
fn link_to_map(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
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
    bpf(BPF_LINK_CREATE, &attributes)
}

fn open(link: BorrowedFd<'_>) -> io::Result<File> {
    let attributes = IterCreate {
        link_fd: link.as_raw_fd().cast_unsigned(),
        flags: 0,
    };
    bpf(BPF_ITER_CREATE, &attributes).map(File::from)
}

/// A command of `bpf(2)` that yields a descriptor.
fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes, and what they point to, live until the call returns; the kernel reads no
    // more of them than their size.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            &raw const *attributes,
            size_of::<T>(),
        )
    };
    match i32::try_from(fd) {
        Ok(fd) if fd >= 0 => {
            // SAFETY: just opened, and nobody else's.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        }
        _ => Err(io::Error::last_os_error()),
    }
}
