//! What looks like traffic of an application over the network, and what looks like none and is.

use std::os::fd::{AsRawFd as _, OwnedFd};

use serde_json::{Value, json};

use super::{
    party::{Flow, Party, await_at_least},
    socket::{self, Address, Family, Transport, moved, owned},
    zerocopy::error_queue,
};
use crate::child::Shared;

/// Bytes over sockets that are neither of the Internet nor of Unix: a question to the kernel and its
/// answer.
pub fn netlink() -> Value {
    let party = Party::start("netlink", |_| {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: has no preconditions.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
        let fd = owned("netlink", fd);
        // `struct nlmsghdr` and `struct rtgenmsg`: 17 bytes, of RTM_GETLINK, asking for all.
        let mut question = [0_u8; 20];
        question[..4].copy_from_slice(&17_u32.to_ne_bytes());
        question[4..6].copy_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        question[6..8].copy_from_slice(&flags.to_ne_bytes());
        socket::send(&fd, &question, 0);
        assert!(socket::receive(&fd, &mut [0; 65_536], 0) > 0);
    });
    json!({"parties": [party.ended()]})
}

/// An echo request to ourselves over a raw socket, which hears both it and the kernel's reply, each with
/// its IP header.
pub fn echo() -> Value {
    const PAYLOAD: usize = 1_001;
    let party = Party::start("ping", |counts| {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: has no preconditions.
        let fd = owned("raw socket", unsafe {
            libc::socket(libc::AF_INET, kind, libc::IPPROTO_ICMP)
        });
        socket::connect(&fd, &Address::loopback(Family::V4, 0));
        let mut request = [0_u8; 8 + PAYLOAD];
        request[0] = 8;
        request[2..4].copy_from_slice(&(!0x0800_u16).to_be_bytes());
        counts.add(Flow::NetSent, socket::send(&fd, &request, 0));
        for _ in 0..2 {
            let received = socket::receive(&fd, &mut [0; 2_000], 0);
            counts.add(Flow::NetReceived, received);
        }
    });
    json!({"parties": [party.ended()]})
}

/// A datagram to a port at which nobody is: the error queue hands its bytes back, which nobody has sent
/// us. The same with one whose time of leaving is asked for.
pub fn error_queues() -> Value {
    let holder = socket::bound(Family::V4, Transport::Tcp);
    let port = socket::local_port(&holder);
    let unreachable = Party::start("sender to nobody", |counts| {
        let fd = socket::open(Family::V4, Transport::Udp);
        socket::connect(&fd, &Address::loopback(Family::V4, port));
        socket::option(&fd, libc::SOL_IP, libc::IP_RECVERR, 1);
        counts.add(Flow::NetSent, socket::send(&fd, &[7; 513], 0));
        let (bytes, report) = from_error_queue(&fd);
        assert_eq!((bytes, report.ee_errno), (513, libc::ECONNREFUSED as u32));
    });
    let timed = Party::start("sender who asks for the time", |counts| {
        let peer = socket::bound(Family::V4, Transport::Udp);
        let fd = socket::open(Family::V4, Transport::Udp);
        socket::connect(&fd, &Address::of_socket(&peer));
        let flags = libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
        socket::option(&fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags as i32);
        counts.add(Flow::NetSent, socket::send(&fd, &[7; 771], 0));
        let (bytes, report) = from_error_queue(&fd);
        assert!(bytes >= 771, "the whole packet comes back: {bytes}");
        assert_eq!(report.ee_errno, libc::ENOMSG as u32);
    });
    json!({"parties": [unreachable.ended(), timed.ended()]})
}

fn from_error_queue(fd: &OwnedFd) -> (u64, libc::sock_extended_err) {
    while socket::poll(fd, 0) & libc::POLLERR == 0 {}
    error_queue(fd, &mut [0; 2_000], &mut [0; 32])
}

/// An urgent byte in the middle of a stream, which is received on its own and left out of the stream.
pub fn urgent() -> Value {
    let shared = Shared::new(1);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let receiver = Party::start("receiver of an urgent byte", |counts| {
        let fd = socket::accept(&listener);
        while socket::poll(&fd, libc::POLLPRI) & libc::POLLPRI == 0 {}
        let urgent = socket::receive(&fd, &mut [0], libc::MSG_OOB);
        counts.add(Flow::NetReceived, urgent);
        shared.set(0, 1);
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    let sender = Party::start("sender of an urgent byte", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 1_001]));
        counts.add(Flow::NetSent, socket::send(&fd, &[8], libc::MSG_OOB));
        await_at_least(&shared, 0, 1);
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 2_003]));
    });
    let parties = [sender.ended(), receiver.ended()];
    assert_eq!(
        parties[0]["net_sent_bytes"],
        parties[1]["net_received_bytes"]
    );
    json!({"parties": parties})
}

/// Calls that fail at once, and calls that fail on the way, at a page that is not there.
pub fn failures() -> Value {
    let shared = Shared::new(2);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let receiver = Party::start("receiver that fails", |counts| {
        let fd = socket::accept(&listener);
        assert_eq!(Edge::new().receive(&fd, 100), Err(libc::EAGAIN));
        shared.set(0, 1);
        await_at_least(&shared, 1, 1);
        let received = Edge::new().receive(&fd, 3_001);
        counts.add(Flow::NetReceived, received.unwrap_or(0));
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    let sender = Party::start("sender that fails", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        await_at_least(&shared, 0, 1);
        let sent = Edge::new().send(&fd, 2_003, 1_000);
        counts.add(Flow::NetSent, sent.unwrap_or(0));
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 10_007]));
        shared.set(1, 1);
        socket::shutdown(&fd, libc::SHUT_WR);
        assert_eq!(Edge::new().send(&fd, 9, 0), Err(libc::EPIPE));
        let datagrams = socket::bound(Family::V4, Transport::Udp);
        socket::connect(&datagrams, &Address::of_socket(&datagrams));
        assert_eq!(Edge::new().send(&datagrams, 9, 70_000), Err(libc::EMSGSIZE));
        // To itself; the copy fails, and the datagram is gone.
        counts.add(Flow::NetSent, socket::send(&datagrams, &[7; 5_003], 0));
        assert_eq!(Edge::new().receive(&datagrams, 1), Err(libc::EFAULT));
    });
    json!({"parties": [sender.ended(), receiver.ended()]})
}

/// A page before one that is not there.
struct Edge(*mut u8);

const PAGE: usize = 4_096;

impl Edge {
    fn new() -> Self {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping, of which the second half is taken away.
        let memory = unsafe {
            let memory = libc::mmap(std::ptr::null_mut(), 2 * PAGE, protection, flags, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            moved("munmap", libc::munmap(memory.add(PAGE), PAGE) as isize);
            memory
        };
        Self(memory.cast())
    }

    /// So many bytes before the edge and so many beyond it.
    fn send(&self, fd: &OwnedFd, before: usize, beyond: usize) -> Result<u64, i32> {
        let flags = libc::MSG_NOSIGNAL;
        // SAFETY: what is not there the kernel finds out.
        result(unsafe {
            let start = self.0.add(PAGE - before).cast();
            libc::send(fd.as_raw_fd(), start, before + beyond, flags)
        })
    }

    /// Without waiting, into so many bytes before the edge and more beyond it.
    fn receive(&self, fd: &OwnedFd, before: usize) -> Result<u64, i32> {
        // SAFETY: what is not there the kernel finds out.
        result(unsafe {
            let start = self.0.add(PAGE - before).cast();
            libc::recv(fd.as_raw_fd(), start, before + PAGE, libc::MSG_DONTWAIT)
        })
    }
}

fn result(bytes: isize) -> Result<u64, i32> {
    if bytes >= 0 {
        return Ok(bytes as u64);
    }
    let error = std::io::Error::last_os_error();
    Err(error.raw_os_error().expect("an error of the system"))
}
