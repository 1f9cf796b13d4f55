//! Every way to send.

use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use super::{
    aio,
    pipe::{self, Pipe},
    requests,
    socket::{self, Address, Transport, moved},
    uring::{self, Ring, op},
    zerocopy,
};

const UDP_SEGMENT: i32 = 103;
/// Of which a datagram may have 64 on every kernel.
const SEGMENT_BYTES: i32 = 1_472;

/// One way to send; `send` moves at least one of the bytes, and says how many.
pub struct Way {
    pub name: &'static str,
    pub is_for: fn(Transport) -> bool,
    /// The io_uring operation that the kernel must have.
    pub needs: Option<u8>,
    ring: Option<u32>,
    prepare: fn(&OwnedFd),
    send: fn(&mut Sender, &[u8]) -> u64,
}

const PLAIN: Way = Way {
    name: "send",
    is_for: |_| true,
    needs: None,
    ring: None,
    prepare: |_| (),
    send: |sender, bytes| socket::send(&sender.fd, bytes, 0),
};

pub const WAYS: &[Way] = &[
    PLAIN,
    Way {
        name: "sendto",
        is_for: |transport| transport != Transport::UnixStream,
        send: |it, bytes| socket::send_to(&it.fd, bytes, &it.peer),
        ..PLAIN
    },
    Way {
        name: "sendmsg",
        send: sendmsg,
        ..PLAIN
    },
    Way {
        name: "sendmmsg",
        send: sendmmsg,
        ..PLAIN
    },
    Way {
        name: "write",
        send: write,
        ..PLAIN
    },
    Way {
        name: "writev",
        send: writev,
        ..PLAIN
    },
    Way {
        name: "sendfile",
        send: sendfile,
        ..PLAIN
    },
    Way {
        name: "splice",
        send: splice,
        ..PLAIN
    },
    Way {
        name: "aio",
        send: |sender, bytes| aio::write(&sender.fd, bytes),
        ..PLAIN
    },
    Way {
        name: "MSG_MORE",
        send: corked,
        ..PLAIN
    },
    Way {
        name: "MSG_DONTWAIT",
        is_for: Transport::is_stream,
        send: nonblocking,
        ..PLAIN
    },
    Way {
        name: "MSG_ZEROCOPY",
        is_for: can_lend,
        prepare: |fd| socket::option(fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1),
        send: zerocopy,
        ..PLAIN
    },
    Way {
        name: "UDP_SEGMENT",
        is_for: |transport| transport == Transport::Udp,
        prepare: |fd| socket::option(fd, libc::SOL_UDP, UDP_SEGMENT, SEGMENT_BYTES),
        ..PLAIN
    },
    Way {
        name: "io_uring SEND",
        needs: Some(op::SEND),
        ring: Some(0),
        send: |it, bytes| uring(it, bytes, op::SEND, 0),
        ..PLAIN
    },
    Way {
        name: "io_uring SEND by a worker",
        needs: Some(op::SEND),
        ring: Some(0),
        send: |it, bytes| uring(it, bytes, op::SEND, uring::ASYNC),
        ..PLAIN
    },
    Way {
        name: "io_uring SEND by the polling thread",
        needs: Some(op::SEND),
        ring: Some(uring::SETUP_SQPOLL),
        send: |it, bytes| uring(it, bytes, op::SEND, 0),
        ..PLAIN
    },
    Way {
        name: "io_uring SENDMSG",
        needs: Some(op::SENDMSG),
        ring: Some(0),
        send: |it, bytes| uring_message(it, bytes, op::SENDMSG),
        ..PLAIN
    },
    Way {
        name: "io_uring WRITE",
        needs: Some(op::WRITE),
        ring: Some(0),
        send: |it, bytes| uring(it, bytes, op::WRITE, 0),
        ..PLAIN
    },
    Way {
        name: "io_uring SEND_ZC",
        is_for: can_lend,
        needs: Some(op::SEND_ZC),
        ring: Some(0),
        send: |it, bytes| uring(it, bytes, op::SEND_ZC, 0),
        ..PLAIN
    },
    Way {
        name: "io_uring SENDMSG_ZC",
        is_for: can_lend,
        needs: Some(op::SENDMSG_ZC),
        ring: Some(0),
        send: |it, bytes| uring_message(it, bytes, op::SENDMSG_ZC),
        ..PLAIN
    },
    Way {
        name: "io_uring SPLICE",
        needs: Some(op::SPLICE),
        ring: Some(0),
        send: uring_splice,
        ..PLAIN
    },
];

/// Whether the transport can send out of the sender's own memory.
fn can_lend(transport: Transport) -> bool {
    matches!(transport, Transport::Tcp | Transport::Udp)
}

/// The way of that name.
pub fn by(name: &str) -> &'static Way {
    let found = WAYS.iter().find(|way| way.name == name);
    found.unwrap_or_else(|| panic!("no way to send is called {name}"))
}

/// One end, and what its way of sending needs.
pub struct Sender {
    fd: OwnedFd,
    peer: Address,
    way: &'static Way,
    pipe: Pipe,
    ring: Option<Ring>,
    zerocopy_calls: u32,
}

impl Sender {
    /// `fd` is connected, or sends to `peer` with every call.
    pub fn new(fd: OwnedFd, peer: Address, way: &'static Way) -> Self {
        (way.prepare)(&fd);
        let ring = way.ring.map(|flags| Ring::open(flags).expect("a ring"));
        Self {
            fd,
            peer,
            way,
            pipe: Pipe::open(),
            ring,
            zerocopy_calls: 0,
        }
    }

    /// Sends all of it, and says how much the calls say they have sent.
    pub fn send(&mut self, bytes: &[u8]) -> u64 {
        let mut sent = 0;
        while sent < bytes.len() {
            let piece = (self.way.send)(self, &bytes[sent..]);
            assert_ne!(piece, 0, "{} sent nothing", self.way.name);
            sent += piece as usize;
        }
        sent as u64
    }

    /// Waits until the kernel needs none of the sent bytes any more.
    pub fn finish(self) {
        zerocopy::await_completions(&self.fd, self.zerocopy_calls);
    }

    fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Three parts of unlike length, the last of which may be empty.
fn parts(bytes: &[u8]) -> [libc::iovec; 3] {
    let first = bytes.len().div_ceil(3);
    let second = (bytes.len() - first).div_ceil(2);
    let (head, rest) = bytes.split_at(first);
    let (middle, tail) = rest.split_at(second);
    [head, middle, tail].map(|part| libc::iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    })
}

fn message(parts: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: plain data, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    message
}

fn sendmsg(sender: &mut Sender, bytes: &[u8]) -> u64 {
    let mut parts = parts(bytes);
    let message = message(&mut parts);
    // SAFETY: a message whose parts live.
    moved("sendmsg", unsafe {
        libc::sendmsg(sender.raw(), &raw const message, 0)
    })
}

/// Three messages; of a stream the last may go partly, which is seen in the next call's bytes.
fn sendmmsg(sender: &mut Sender, bytes: &[u8]) -> u64 {
    let mut parts = parts(bytes);
    let count = parts.iter().filter(|part| part.iov_len > 0).count();
    let mut messages: Vec<_> = parts
        .chunks_mut(1)
        .take(count)
        .map(|part| libc::mmsghdr {
            msg_hdr: message(part),
            msg_len: 0,
        })
        .collect();
    // SAFETY: as many messages, whose parts live.
    let sent = unsafe {
        libc::sendmmsg(
            sender.raw(),
            messages.as_mut_ptr(),
            count as libc::c_uint,
            0,
        )
    };
    let sent = moved("sendmmsg", sent as isize) as usize;
    messages[..sent]
        .iter()
        .map(|message| u64::from(message.msg_len))
        .sum()
}

fn write(sender: &mut Sender, bytes: &[u8]) -> u64 {
    // SAFETY: the pointer is to as many bytes.
    moved("write", unsafe {
        libc::write(sender.raw(), bytes.as_ptr().cast(), bytes.len())
    })
}

fn writev(sender: &mut Sender, bytes: &[u8]) -> u64 {
    let parts = parts(bytes);
    // SAFETY: parts that live.
    moved("writev", unsafe {
        libc::writev(sender.raw(), parts.as_ptr(), parts.len() as i32)
    })
}

fn sendfile(sender: &mut Sender, bytes: &[u8]) -> u64 {
    let file = pipe::file(bytes);
    let mut offset = 0;
    // SAFETY: an offset of ours.
    moved("sendfile", unsafe {
        libc::sendfile(sender.raw(), file.as_raw_fd(), &raw mut offset, bytes.len())
    })
}

fn splice(sender: &mut Sender, bytes: &[u8]) -> u64 {
    let filled = sender.pipe.fill(bytes) as u64;
    let mut sent = 0;
    while sent < filled {
        sent += pipe::splice(sender.pipe.reader(), sender.raw(), (filled - sent) as usize);
    }
    sent
}

/// Two calls, the first of which says that more follows: one datagram.
fn corked(sender: &mut Sender, bytes: &[u8]) -> u64 {
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let mut sent = 0;
    if !head.is_empty() {
        sent += socket::send(&sender.fd, head, libc::MSG_MORE);
    }
    if sent == head.len() as u64 {
        sent += socket::send(&sender.fd, tail, 0);
    }
    sent
}

fn nonblocking(sender: &mut Sender, bytes: &[u8]) -> u64 {
    loop {
        // SAFETY: the pointer is to as many bytes.
        let sent = unsafe {
            libc::send(
                sender.raw(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT,
            )
        };
        let error = std::io::Error::last_os_error();
        if sent >= 0 || error.kind() != std::io::ErrorKind::WouldBlock {
            return moved("send without waiting", sent);
        }
        socket::poll(&sender.fd, libc::POLLOUT);
    }
}

fn zerocopy(sender: &mut Sender, bytes: &[u8]) -> u64 {
    sender.zerocopy_calls += 1;
    socket::send(&sender.fd, bytes, libc::MSG_ZEROCOPY)
}

fn uring(sender: &mut Sender, bytes: &[u8], opcode: u8, flags: u8) -> u64 {
    let mut request = requests::on(opcode, &sender.fd, bytes);
    request.flags = flags;
    requests::run(sender.ring.as_mut().expect("a ring"), request)
}

fn uring_message(sender: &mut Sender, bytes: &[u8], opcode: u8) -> u64 {
    let ring = sender.ring.as_mut().expect("a ring");
    requests::run_message(ring, opcode, &sender.fd, &mut parts(bytes))
}

fn uring_splice(sender: &mut Sender, bytes: &[u8]) -> u64 {
    let filled = sender.pipe.fill(bytes) as u64;
    let (from, to) = (sender.pipe.reader(), sender.raw());
    let ring = sender.ring.as_mut().expect("a ring");
    let mut sent = 0;
    while sent < filled {
        sent += requests::run(ring, requests::splice(from, to, (filled - sent) as usize));
    }
    sent
}
