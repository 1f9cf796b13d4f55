//! What is asked of io_uring.

use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use super::uring::{self, Request, Ring, completed, op};

const BUFFER_GROUP: u16 = 3;
const BUFFERS: usize = 8;
/// As large as any datagram.
const BUFFER_BYTES: usize = 65_536;
const PROVIDED: u64 = 99;

/// A request on a socket and some bytes of ours.
pub fn on(opcode: u8, fd: &OwnedFd, bytes: &[u8]) -> Request {
    Request {
        opcode,
        fd: fd.as_raw_fd(),
        address: bytes.as_ptr() as u64,
        length: bytes.len() as u32,
        ..Request::default()
    }
}

pub fn splice(from: RawFd, to: RawFd, bytes: usize) -> Request {
    Request {
        opcode: op::SPLICE,
        fd: to,
        splice_fd_in: from,
        address: u64::MAX,
        offset: u64::MAX,
        length: bytes as u32,
        ..Request::default()
    }
}

/// What a request moved. One that sends without a copy completes a second time, when its bytes are free
/// again.
pub fn run(ring: &mut Ring, request: Request) -> u64 {
    let first = ring.run(request);
    if first.flags & uring::CQE_MORE != 0 {
        ring.completion();
    }
    completed(&format!("io_uring operation {}", request.opcode), first)
}

pub fn run_message(ring: &mut Ring, opcode: u8, fd: &OwnedFd, parts: &mut [libc::iovec]) -> u64 {
    // SAFETY: plain data, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    let request = Request {
        opcode,
        fd: fd.as_raw_fd(),
        address: (&raw mut message) as u64,
        length: 1,
        ..Request::default()
    };
    run(ring, request)
}

/// One request that completes again and again, each time into another buffer.
pub struct Many {
    memory: Vec<u8>,
    is_armed: bool,
}

impl Many {
    pub const fn new() -> Self {
        Self {
            memory: Vec::new(),
            is_armed: false,
        }
    }

    pub fn receive(&mut self, ring: &mut Ring, fd: &OwnedFd) -> u64 {
        if self.memory.is_empty() {
            self.memory = vec![0; BUFFERS * BUFFER_BYTES];
            ring.submit(self.provide(0, BUFFERS));
        }
        loop {
            if !self.is_armed {
                ring.submit(Request {
                    opcode: op::RECV,
                    flags: uring::BUFFER_SELECT,
                    ioprio: uring::RECV_MULTISHOT,
                    fd: fd.as_raw_fd(),
                    buffer_group: BUFFER_GROUP,
                    ..Request::default()
                });
                self.is_armed = true;
            }
            let completion = ring.completion();
            if completion.user_data == PROVIDED {
                completed("io_uring PROVIDE_BUFFERS", completion);
                continue;
            }
            self.is_armed = completion.flags & uring::CQE_MORE != 0;
            if completion.result == -libc::ENOBUFS {
                continue;
            }
            let received = completed("io_uring RECV of many", completion);
            if received > 0 {
                let buffer = completion.flags >> uring::CQE_BUFFER_SHIFT;
                ring.submit(self.provide(buffer as usize, 1));
            }
            return received;
        }
    }

    /// Gives the kernel these buffers.
    fn provide(&mut self, first: usize, count: usize) -> Request {
        Request {
            opcode: op::PROVIDE_BUFFERS,
            fd: count as i32,
            offset: first as u64,
            address: self.memory[first * BUFFER_BYTES..].as_mut_ptr() as u64,
            length: BUFFER_BYTES as u32,
            user_data: PROVIDED,
            buffer_group: BUFFER_GROUP,
            ..Request::default()
        }
    }
}
