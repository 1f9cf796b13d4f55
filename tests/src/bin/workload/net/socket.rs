//! Sockets on loopback, by family and transport.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
    Mptcp,
    UnixStream,
    UnixDatagram,
    UnixPacket,
}

impl Transport {
    /// Without borders between messages.
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Mptcp | Self::UnixStream)
    }

    pub const fn is_unix(self) -> bool {
        matches!(
            self,
            Self::UnixStream | Self::UnixDatagram | Self::UnixPacket
        )
    }

    /// One end listens and accepts.
    pub const fn is_accepted(self) -> bool {
        !matches!(self, Self::Udp | Self::UnixDatagram)
    }

    const fn kind(self) -> i32 {
        match self {
            Self::Tcp | Self::Mptcp | Self::UnixStream => libc::SOCK_STREAM,
            Self::Udp | Self::UnixDatagram => libc::SOCK_DGRAM,
            Self::UnixPacket => libc::SOCK_SEQPACKET,
        }
    }

    const fn number(self) -> i32 {
        match self {
            Self::Tcp => libc::IPPROTO_TCP,
            Self::Udp => libc::IPPROTO_UDP,
            Self::Mptcp => libc::IPPROTO_MPTCP,
            Self::UnixStream | Self::UnixDatagram | Self::UnixPacket => 0,
        }
    }
}

/// A transport's name, which ends with that of the family where there are two.
pub fn parse(name: &str) -> (Family, Transport) {
    let transport = match name.trim_end_matches(['4', '6']) {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        "mptcp" => Transport::Mptcp,
        "unix-stream" => Transport::UnixStream,
        "unix-datagram" => Transport::UnixDatagram,
        "unix-packet" => Transport::UnixPacket,
        other => panic!("unknown transport {other:?}"),
    };
    let family = if name.ends_with('6') {
        Family::V6
    } else {
        Family::V4
    };
    (family, transport)
}

/// A socket address.
#[derive(Clone, Copy)]
pub struct Address {
    storage: libc::sockaddr_storage,
    pub length: libc::socklen_t,
}

impl Address {
    pub fn v4(address: Ipv4Addr, port: u16) -> Self {
        let inner = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes(address.octets()),
            },
            sin_zero: [0; 8],
        };
        Self::of(inner)
    }

    pub fn v6(address: Ipv6Addr, port: u16) -> Self {
        let inner = libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as u16,
            sin6_port: port.to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr {
                s6_addr: address.octets(),
            },
            sin6_scope_id: 0,
        };
        Self::of(inner)
    }

    pub fn loopback(family: Family, port: u16) -> Self {
        match family {
            Family::V4 => Self::v4(Ipv4Addr::LOCALHOST, port),
            Family::V6 => Self::v6(Ipv6Addr::LOCALHOST, port),
        }
    }

    /// Connecting to it takes a connection apart.
    pub fn unspecified() -> Self {
        let mut nowhere = Self::v4(Ipv4Addr::UNSPECIFIED, 0);
        nowhere.storage.ss_family = libc::AF_UNSPEC as libc::sa_family_t;
        nowhere
    }

    fn of<T>(inner: T) -> Self {
        // SAFETY: plain data, for which zero is a value.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        // SAFETY: a storage is as large and as aligned as any address.
        unsafe { (&raw mut storage).cast::<T>().write(inner) };
        Self {
            storage,
            length: size_of::<T>() as libc::socklen_t,
        }
    }

    /// Where a socket is bound.
    pub fn of_socket(fd: &OwnedFd) -> Self {
        // SAFETY: plain data, for which zero is a value.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        let pointer = (&raw mut storage).cast();
        // SAFETY: an object of that length.
        let error = unsafe { libc::getsockname(fd.as_raw_fd(), pointer, &raw mut length) };
        moved("getsockname", error as isize);
        Self { storage, length }
    }

    /// The port, which is at the same place in both families.
    pub fn port(&self) -> u16 {
        // SAFETY: a storage is as large as any address.
        let address: libc::sockaddr_in =
            unsafe { (&raw const self.storage).cast::<libc::sockaddr_in>().read() };
        u16::from_be(address.sin_port)
    }

    pub const fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }
}

/// What a call says it has moved.
///
/// # Panics
/// When it says that it failed.
pub fn moved(what: &str, result: isize) -> u64 {
    assert!(result >= 0, "{what}: {}", io::Error::last_os_error());
    result as u64
}

pub fn owned(what: &str, fd: RawFd) -> OwnedFd {
    moved(what, fd as isize);
    // SAFETY: a descriptor that the kernel has just given us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

pub fn open(family: Family, transport: Transport) -> OwnedFd {
    let domain = match family {
        _ if transport.is_unix() => libc::AF_UNIX,
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    let kind = transport.kind() | libc::SOCK_CLOEXEC;
    // SAFETY: has no preconditions.
    let fd = unsafe { libc::socket(domain, kind, transport.number()) };
    owned("socket", fd)
}

pub fn bind(fd: &OwnedFd, address: &Address) {
    option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
    // SAFETY: an address of that length.
    let error = unsafe { libc::bind(fd.as_raw_fd(), address.pointer(), address.length) };
    moved("bind", error as isize);
}

/// A socket at a port or an abstract name of the kernel's choice.
pub fn bound(family: Family, transport: Transport) -> OwnedFd {
    let fd = open(family, transport);
    let address = if transport.is_unix() {
        Address::of(libc::AF_UNIX as libc::sa_family_t)
    } else {
        Address::loopback(family, 0)
    };
    bind(&fd, &address);
    fd
}

pub fn listen(fd: &OwnedFd, backlog: i32) {
    // SAFETY: has no preconditions.
    let error = unsafe { libc::listen(fd.as_raw_fd(), backlog) };
    moved("listen", error as isize);
}

pub fn listening(family: Family, transport: Transport) -> OwnedFd {
    let fd = bound(family, transport);
    listen(&fd, 4096);
    fd
}

pub fn try_connect(fd: &OwnedFd, address: &Address) -> io::Result<()> {
    // SAFETY: an address of that length.
    let error = unsafe { libc::connect(fd.as_raw_fd(), address.pointer(), address.length) };
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

pub fn connect(fd: &OwnedFd, address: &Address) {
    try_connect(fd, address).unwrap_or_else(|error| panic!("connect: {error}"));
}

pub fn connected(family: Family, transport: Transport, port: u16) -> OwnedFd {
    let fd = open(family, transport);
    connect(&fd, &Address::loopback(family, port));
    fd
}

pub fn accept(listener: &OwnedFd) -> OwnedFd {
    try_accept(listener).unwrap_or_else(|error| panic!("accept: {error}"))
}

pub fn try_accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let null = std::ptr::null_mut();
    let (raw, flags) = (listener.as_raw_fd(), libc::SOCK_CLOEXEC);
    // SAFETY: nobody asks for the address.
    let fd = unsafe { libc::accept4(raw, null, null.cast(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(owned("accept", fd))
}

pub fn local_port(fd: &OwnedFd) -> u16 {
    Address::of_socket(fd).port()
}

pub fn option(fd: &OwnedFd, level: i32, name: i32, value: i32) {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: an int of ours.
    let error = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            length,
        )
    };
    moved("setsockopt", error as isize);
}

pub fn set_nonblocking(fd: &OwnedFd) {
    // SAFETY: has no preconditions.
    let error = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    moved("fcntl", error as isize);
}

/// Closing it will then break the connection off.
pub fn reset_on_close(fd: &OwnedFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let length = size_of::<libc::linger>() as libc::socklen_t;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_LINGER);
    // SAFETY: an object of ours.
    let error = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const linger).cast(),
            length,
        )
    };
    moved("SO_LINGER", error as isize);
}

pub fn poll(fd: &OwnedFd, events: libc::c_short) -> libc::c_short {
    let mut polled = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one pollfd of ours.
    let ready = unsafe { libc::poll(&raw mut polled, 1, -1) };
    moved("poll", ready as isize);
    polled.revents
}

/// One send(2).
pub fn send(fd: &OwnedFd, bytes: &[u8], flags: i32) -> u64 {
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer is to as many bytes.
    let sent = unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    moved("send", sent)
}

pub fn send_to(fd: &OwnedFd, bytes: &[u8], address: &Address) -> u64 {
    let (pointer, length) = (address.pointer(), address.length);
    // SAFETY: the pointer is to as many bytes, and to an address of its length.
    let sent = unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            0,
            pointer,
            length,
        )
    };
    moved("sendto", sent)
}

/// Sends all of it with plain send(2)s.
pub fn send_all(fd: &OwnedFd, bytes: &[u8]) -> u64 {
    let mut sent = 0;
    while sent < bytes.len() {
        sent += send(fd, &bytes[sent..], 0) as usize;
    }
    sent as u64
}

/// One recv(2).
pub fn receive(fd: &OwnedFd, buffer: &mut [u8], flags: i32) -> u64 {
    // SAFETY: the buffer is as long.
    let result = unsafe {
        libc::recv(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            flags,
        )
    };
    moved("recv", result)
}

/// Receives to the end of the stream.
pub fn receive_all(fd: &OwnedFd) -> u64 {
    let mut buffer = vec![0; 50_021];
    let mut received = 0;
    loop {
        let piece = receive(fd, &mut buffer, 0);
        if piece == 0 {
            return received;
        }
        received += piece;
    }
}

/// Receives so many bytes, no more.
pub fn receive_exact(fd: &OwnedFd, bytes: u64) -> u64 {
    let mut buffer = vec![0; 50_021];
    let mut received = 0;
    while received < bytes {
        let wanted = (bytes - received).min(buffer.len() as u64) as usize;
        let piece = receive(fd, &mut buffer[..wanted], 0);
        assert_ne!(
            piece,
            0,
            "the stream ended {} bytes early",
            bytes - received
        );
        received += piece;
    }
    received
}

pub fn shutdown(fd: &OwnedFd, how: i32) {
    // SAFETY: has no preconditions.
    moved("shutdown", unsafe { libc::shutdown(fd.as_raw_fd(), how) }
        as isize);
}
