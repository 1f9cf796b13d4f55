//! Passes: a program that the kernel runs for each thing of a kind, and that writes records for us to read.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::{
    Ebpf,
    programs::{Iter, ProgramError},
};

use super::syscall;

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
            let link = syscall::link_to_map(program.as_fd(), map)?;
            syscall::start_iterator(link.as_fd()).map(File::from)
        }
    }
}
