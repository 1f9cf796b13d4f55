//! Every way to receive.

use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use super::{
    aio,
    pipe::{self, PIPE_BYTES, Pipe},
    requests::{self, Many},
    socket::{self, Transport, moved},
    uring::{self, Ring, op},
    zerocopy::Window,
};

const UDP_GRO: i32 = 104;
/// What the ways that cut datagrams off have room for.
pub const CUT_BYTES: usize = 1_000;

/// One way to receive; `receive` says how many bytes its call says it has received, 0 at the end.
pub struct Way {
    pub name: &'static str,
    pub is_for: fn(Transport) -> bool,
    /// The way to send that makes the most of it.
    pub partner: &'static str,
    /// The io_uring operation that the kernel must have.
    pub needs: Option<u8>,
    /// Datagrams are cut to [`CUT_BYTES`], and no more is said to be received.
    pub cuts: bool,
    ring: Option<u32>,
    prepare: fn(&OwnedFd),
    receive: fn(&mut Receiver) -> u64,
}

const PLAIN: Way = Way {
    name: "recv",
    is_for: |_| true,
    partner: "send",
    needs: None,
    cuts: false,
    ring: None,
    prepare: |_| (),
    receive: |receiver| flagged(receiver, 0),
};

pub const WAYS: &[Way] = &[
    PLAIN,
    Way {
        name: "recvfrom",
        receive: recvfrom,
        ..PLAIN
    },
    Way {
        name: "recvmsg",
        receive: recvmsg,
        ..PLAIN
    },
    Way {
        name: "recvmmsg",
        partner: "sendmmsg",
        receive: recvmmsg,
        ..PLAIN
    },
    Way {
        name: "read",
        receive: read,
        ..PLAIN
    },
    Way {
        name: "readv",
        receive: readv,
        ..PLAIN
    },
    Way {
        name: "splice",
        receive: splice,
        ..PLAIN
    },
    Way {
        name: "aio",
        receive: |it| aio::read(&it.fd, &mut it.buffer),
        ..PLAIN
    },
    Way {
        name: "MSG_PEEK first",
        receive: peek,
        ..PLAIN
    },
    Way {
        name: "MSG_WAITALL",
        is_for: Transport::is_stream,
        receive: |receiver| flagged(receiver, libc::MSG_WAITALL),
        ..PLAIN
    },
    Way {
        name: "MSG_DONTWAIT",
        receive: nonblocking,
        ..PLAIN
    },
    // A stream throws the bytes away; a datagram's whole length is told, however much of it fits.
    Way {
        name: "MSG_TRUNC",
        is_for: |transport| transport == Transport::Tcp || !transport.is_stream(),
        receive: truncated,
        ..PLAIN
    },
    Way {
        name: "recv that cuts off",
        is_for: |transport| !transport.is_stream(),
        cuts: true,
        receive: |receiver| socket::receive(&receiver.fd, &mut receiver.buffer[..CUT_BYTES], 0),
        ..PLAIN
    },
    Way {
        name: "UDP_GRO",
        is_for: |transport| transport == Transport::Udp,
        partner: "UDP_SEGMENT",
        prepare: |fd| socket::option(fd, libc::SOL_UDP, UDP_GRO, 1),
        ..PLAIN
    },
    Way {
        name: "zerocopy",
        is_for: |transport| transport == Transport::Tcp,
        partner: "splice",
        receive: |it| it.window.as_mut().expect("a window").receive(&it.fd, None),
        ..PLAIN
    },
    Way {
        name: "zerocopy with a copy of the rest",
        is_for: |transport| transport == Transport::Tcp,
        partner: "splice",
        receive: |it| {
            it.window
                .as_mut()
                .expect("a window")
                .receive(&it.fd, Some(&mut it.buffer))
        },
        ..PLAIN
    },
    Way {
        name: "io_uring RECV",
        needs: Some(op::RECV),
        ring: Some(0),
        receive: |it| uring(it, 0),
        ..PLAIN
    },
    Way {
        name: "io_uring RECV by a worker",
        needs: Some(op::RECV),
        ring: Some(0),
        receive: |it| uring(it, uring::ASYNC),
        ..PLAIN
    },
    Way {
        name: "io_uring RECV by the polling thread",
        needs: Some(op::RECV),
        ring: Some(uring::SETUP_SQPOLL),
        receive: |it| uring(it, 0),
        ..PLAIN
    },
    Way {
        name: "io_uring RECV deferred",
        needs: Some(op::SENDMSG_ZC),
        ring: Some(uring::SETUP_DEFERRED),
        receive: |it| uring(it, 0),
        ..PLAIN
    },
    Way {
        name: "io_uring RECV of many at once",
        needs: Some(op::SEND_ZC),
        ring: Some(0),
        receive: |it| it.many.receive(it.ring.as_mut().expect("a ring"), &it.fd),
        ..PLAIN
    },
    Way {
        name: "io_uring RECV, peeking first",
        needs: Some(op::RECV),
        ring: Some(0),
        receive: uring_peek,
        ..PLAIN
    },
    Way {
        name: "io_uring RECVMSG",
        needs: Some(op::RECVMSG),
        ring: Some(0),
        receive: |it| {
            requests::run_message(
                it.ring.as_mut().expect("a ring"),
                op::RECVMSG,
                &it.fd,
                &mut parts(&mut it.buffer),
            )
        },
        ..PLAIN
    },
    Way {
        name: "io_uring READ",
        needs: Some(op::READ),
        ring: Some(0),
        receive: |it| {
            requests::run(
                it.ring.as_mut().expect("a ring"),
                requests::on(op::READ, &it.fd, &it.buffer),
            )
        },
        ..PLAIN
    },
    Way {
        name: "io_uring SPLICE",
        needs: Some(op::SPLICE),
        ring: Some(0),
        receive: uring_splice,
        ..PLAIN
    },
];

/// The way of that name.
pub fn by(name: &str) -> &'static Way {
    let found = WAYS.iter().find(|way| way.name == name);
    found.unwrap_or_else(|| panic!("no way to receive is called {name}"))
}

/// One end, and what its way of receiving needs.
pub struct Receiver {
    fd: OwnedFd,
    way: &'static Way,
    buffer: Vec<u8>,
    pipe: Pipe,
    ring: Option<Ring>,
    pub window: Option<Window>,
    is_stream: bool,
    many: Many,
}

impl Receiver {
    pub fn new(fd: OwnedFd, transport: Transport, way: &'static Way) -> Self {
        (way.prepare)(&fd);
        let is_stream = transport.is_stream();
        Self {
            window: way.name.starts_with("zerocopy").then(|| Window::of(&fd)),
            ring: way.ring.map(|flags| Ring::open(flags).expect("a ring")),
            // A stream comes in odd pieces, a datagram has to fit.
            buffer: vec![0; if is_stream { 50_021 } else { 65_536 }],
            pipe: Pipe::open(),
            fd,
            way,
            is_stream,
            many: Many::new(),
        }
    }

    /// Receives to the end of the stream, or until so many bytes of datagrams have come.
    pub fn receive(&mut self, bytes: u64) -> u64 {
        let mut received = 0;
        while self.is_stream || received < bytes {
            let piece = self.receive_once();
            if piece == 0 && self.is_stream {
                break;
            }
            received += piece;
        }
        received
    }

    pub fn receive_once(&mut self) -> u64 {
        (self.way.receive)(self)
    }

    fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

fn flagged(receiver: &mut Receiver, flags: i32) -> u64 {
    socket::receive(&receiver.fd, &mut receiver.buffer, flags)
}

fn recvfrom(receiver: &mut Receiver) -> u64 {
    // SAFETY: plain data, for which zero is a value.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the buffer is as long, and so is the address.
    let received = unsafe {
        libc::recvfrom(
            receiver.raw(),
            receiver.buffer.as_mut_ptr().cast(),
            receiver.buffer.len(),
            0,
            (&raw mut address).cast(),
            &raw mut length,
        )
    };
    moved("recvfrom", received)
}

/// Three parts of the buffer.
fn parts(buffer: &mut [u8]) -> [libc::iovec; 3] {
    let (head, rest) = buffer.split_at_mut(13);
    let (middle, tail) = rest.split_at_mut(1_001);
    [head, middle, tail].map(|part| libc::iovec {
        iov_base: part.as_mut_ptr().cast(),
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

fn recvmsg(receiver: &mut Receiver) -> u64 {
    let fd = receiver.raw();
    let mut parts = parts(&mut receiver.buffer);
    let mut message = message(&mut parts);
    // SAFETY: a message whose parts live.
    moved("recvmsg", unsafe { libc::recvmsg(fd, &raw mut message, 0) })
}

/// Up to four messages; 0 when the first is the end of the stream.
fn recvmmsg(receiver: &mut Receiver) -> u64 {
    let mut buffers = vec![vec![0_u8; receiver.buffer.len()]; 4];
    let mut parts: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        })
        .collect();
    let mut messages: Vec<_> = parts
        .chunks_mut(1)
        .map(|part| libc::mmsghdr {
            msg_hdr: message(part),
            msg_len: 0,
        })
        .collect();
    let null = std::ptr::null_mut();
    // SAFETY: as many messages, whose parts live.
    let received = unsafe {
        libc::recvmmsg(
            receiver.raw(),
            messages.as_mut_ptr(),
            messages.len() as libc::c_uint,
            libc::MSG_WAITFORONE,
            null,
        )
    };
    let received = moved("recvmmsg", received as isize) as usize;
    messages[..received]
        .iter()
        .map(|message| u64::from(message.msg_len))
        .sum()
}

fn read(receiver: &mut Receiver) -> u64 {
    let (fd, buffer) = (receiver.raw(), &mut receiver.buffer);
    // SAFETY: the buffer is as long.
    moved("read", unsafe {
        libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len())
    })
}

fn readv(receiver: &mut Receiver) -> u64 {
    let fd = receiver.raw();
    let parts = parts(&mut receiver.buffer);
    // SAFETY: parts that live.
    moved("readv", unsafe {
        libc::readv(fd, parts.as_ptr(), parts.len() as i32)
    })
}

fn splice(receiver: &mut Receiver) -> u64 {
    let received = pipe::splice(receiver.raw(), receiver.pipe.writer(), PIPE_BYTES);
    receiver.pipe.drain(received);
    received
}

/// Looks three times before it takes; the last look asks a datagram for its length.
fn peek(receiver: &mut Receiver) -> u64 {
    flagged(receiver, libc::MSG_PEEK);
    socket::receive(&receiver.fd, &mut receiver.buffer[..7], libc::MSG_PEEK);
    if !receiver.is_stream {
        let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
        socket::receive(&receiver.fd, &mut receiver.buffer[..1], flags);
    }
    flagged(receiver, 0)
}

fn nonblocking(receiver: &mut Receiver) -> u64 {
    loop {
        // SAFETY: the buffer is as long.
        let received = unsafe {
            libc::recv(
                receiver.raw(),
                receiver.buffer.as_mut_ptr().cast(),
                receiver.buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        let error = std::io::Error::last_os_error();
        if received >= 0 || error.kind() != std::io::ErrorKind::WouldBlock {
            return moved("recv without waiting", received);
        }
        socket::poll(&receiver.fd, libc::POLLIN);
    }
}

fn truncated(receiver: &mut Receiver) -> u64 {
    let room = if receiver.is_stream {
        50_021
    } else {
        CUT_BYTES
    };
    let buffer = &mut receiver.buffer[..room];
    socket::receive(&receiver.fd, buffer, libc::MSG_TRUNC)
}

fn uring(receiver: &mut Receiver, flags: u8) -> u64 {
    let mut request = requests::on(op::RECV, &receiver.fd, &receiver.buffer);
    request.flags = flags;
    requests::run(receiver.ring.as_mut().expect("a ring"), request)
}

fn uring_peek(receiver: &mut Receiver) -> u64 {
    let mut request = requests::on(op::RECV, &receiver.fd, &receiver.buffer);
    request.op_flags = libc::MSG_PEEK.unsigned_abs();
    requests::run(receiver.ring.as_mut().expect("a ring"), request);
    uring(receiver, 0)
}

fn uring_splice(receiver: &mut Receiver) -> u64 {
    let (from, to) = (receiver.raw(), receiver.pipe.writer());
    let ring = receiver.ring.as_mut().expect("a ring");
    let received = requests::run(ring, requests::splice(from, to, PIPE_BYTES));
    receiver.pipe.drain(received);
    received
}
