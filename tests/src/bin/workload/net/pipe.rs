//! Pipes and files in memory, which sendfile(2) and splice(2) move bytes out of and into.

use std::{
    io::{Read as _, Write as _},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

use super::socket::{moved, owned};
use crate::child::text;

/// What a pipe holds unless it is asked to hold more.
pub const PIPE_BYTES: usize = 65_536;

pub struct Pipe {
    reader: std::fs::File,
    writer: std::fs::File,
}

impl Pipe {
    pub fn open() -> Self {
        let mut ends = [-1; 2];
        // SAFETY: an array of two descriptors.
        let error = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
        moved("pipe", error as isize);
        Self {
            reader: owned("pipe", ends[0]).into(),
            writer: owned("pipe", ends[1]).into(),
        }
    }

    pub fn reader(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    pub fn writer(&self) -> RawFd {
        self.writer.as_raw_fd()
    }

    /// Puts as many of the bytes into the empty pipe as it holds, and says how many.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let piece = &bytes[..bytes.len().min(PIPE_BYTES)];
        self.writer.write_all(piece).expect("writing into a pipe");
        piece.len()
    }

    /// Takes so many bytes out.
    pub fn drain(&mut self, bytes: u64) {
        let mut buffer = vec![0; bytes as usize];
        self.reader.read_exact(&mut buffer).expect("reading a pipe");
    }
}

/// One splice(2).
pub fn splice(from: RawFd, to: RawFd, bytes: usize) -> u64 {
    let null = std::ptr::null_mut();
    // SAFETY: neither end has an offset.
    let result = unsafe { libc::splice(from, null, to, null, bytes, 0) };
    moved("splice", result)
}

/// A file in memory with these bytes, at its beginning.
pub fn file(bytes: &[u8]) -> OwnedFd {
    let name = text("traffic");
    // SAFETY: a NUL-ended name.
    let fd = owned("memfd", unsafe {
        libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC)
    });
    // SAFETY: a descriptor that is ours; the file is leaked below, so it is closed once.
    let mut file = unsafe { std::fs::File::from_raw_fd(fd.as_raw_fd()) };
    file.write_all(bytes).expect("writing into memory");
    std::mem::forget(file);
    fd
}
