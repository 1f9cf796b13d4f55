//! Sockets of several threads, and of several processes.

use std::{
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::Barrier,
};

use serde_json::{Value, json};

use super::{
    party::{Counts, Flow, Party, ended_well, fork},
    socket::{self, Family, Transport, moved},
};
use crate::child::{Shared, execute, own_program, until};

const AFTER_EXEC: usize = 30_011;

fn listener() -> (OwnedFd, u16) {
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    (listener, port)
}

fn connected(port: u16) -> OwnedFd {
    socket::connected(Family::V4, Transport::Tcp, port)
}

fn receiver(listener: &OwnedFd) -> Party {
    Party::start("receiver", |counts| {
        let fd = socket::accept(listener);
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    })
}

/// Threads that send over one socket at once, and threads that receive from one.
pub fn threads() -> Value {
    let (listener, port) = listener();
    let receiver = Party::start("receiver of three threads", |counts| {
        let fd = socket::accept(&listener);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| counts.add(Flow::NetReceived, socket::receive_all(&fd)));
            }
        });
    });
    let sender = Party::start("sender of five threads", |counts| {
        let fd = connected(port);
        let start = Barrier::new(5);
        std::thread::scope(|scope| {
            for number in 1..=5 {
                let (fd, start) = (&fd, &start);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..20 {
                        let sent = socket::send_all(fd, &vec![7; 1_009 * number]);
                        counts.add(Flow::NetSent, sent);
                    }
                });
            }
        });
    });
    json!({"parties": [sender.ended(), receiver.ended()]})
}

/// A thread sends and ends long before its process; the main one leaves, and a third sends after it.
pub fn ended_threads() -> Value {
    let (listener, port) = listener();
    let receiver = receiver(&listener);
    let sender = Party::start("sender whose threads end first", |counts| {
        let fd: &'static OwnedFd = Box::leak(Box::new(connected(port)));
        let send = move |bytes: usize| {
            counts.add(Flow::NetSent, socket::send_all(fd, &vec![7; bytes]));
        };
        std::thread::spawn(move || send(10_007))
            .join()
            .expect("a thread");
        send(2_003);
        std::thread::spawn(move || {
            until("the main thread to be gone", || {
                std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| stat.contains(") Z "))
            });
            send(50_021);
            // SAFETY: ends the last thread.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
        // SAFETY: ends the main thread alone; nothing of its stack is used by the other.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    json!({"parties": [sender.ended(), receiver.ended()]})
}

/// The leader sends, another thread sends and executes a program, which sends over the same socket.
pub fn executed() -> Value {
    let (listener, port) = listener();
    let receiver = receiver(&listener);
    let sender = Party::start("sender whose thread executes", |counts| {
        let fd = connected(port);
        // The copy stays open across the exec.
        // SAFETY: has no preconditions.
        let kept = socket::owned("dup", unsafe { libc::dup(fd.as_raw_fd()) });
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 10_007]));
        std::thread::spawn(move || {
            counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 20_011]));
            // By the program, whose memory is another.
            counts.add(Flow::NetSent, AFTER_EXEC as u64);
            let kept = kept.as_raw_fd().to_string();
            execute(&own_program(), &["executed", "net", "after-exec", &kept]);
        });
        loop {
            std::thread::park();
        }
    });
    let parties = [sender.ended(), receiver.ended()];
    assert_eq!(
        parties[0]["net_sent_bytes"],
        parties[1]["net_received_bytes"]
    );
    json!({"parties": parties})
}

/// The program of [`executed`].
pub fn after_exec(fd: i32) -> ! {
    // SAFETY: the descriptor that we were given.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    socket::send_all(&fd, &[7; AFTER_EXEC]);
    drop(fd);
    std::process::exit(0);
}

/// Both ends fork, and parents and children each move bytes of their own over the same connection.
pub fn forked() -> Value {
    let (listener, port) = listener();
    let children: [&'static Counts; 2] = [(); 2].map(|()| &*Box::leak(Box::new(Counts::new())));
    let shared = Shared::new(3);
    let server = Party::start("server", |counts| {
        let fd = socket::accept(&listener);
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, 1_001));
        let child = fork(|| {
            children[1].add(Flow::NetReceived, socket::receive_exact(&fd, 2_003));
            children[1].add(Flow::NetSent, socket::send_all(&fd, &[7; 4_007]));
        });
        shared.set(1, child as u64);
        ended_well("the server's child", child);
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, 8_009));
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 16_033]));
    });
    let client = Party::start("client", |counts| {
        let fd = connected(port);
        shared.set(2, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 1_001]));
        let child = fork(|| {
            children[0].add(Flow::NetSent, socket::send_all(&fd, &[7; 2_003]));
            children[0].add(Flow::NetReceived, socket::receive_exact(&fd, 4_007));
        });
        shared.set(0, child as u64);
        ended_well("the client's child", child);
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 8_009]));
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    let ended = [client.ended(), server.ended()];
    let [first, second] = ended;
    json!({
        "parties": [
            first,
            second,
            children[0].json("client's child", shared.get(0) as i32),
            children[1].json("server's child", shared.get(1) as i32),
        ],
        "client": client_pid,
        "server": server_pid,
        "port": port,
        "client_ports": [shared.get(2)],
    })
}

/// A server that accepts, and leaves the connection to a child without having touched it, as inetd does.
pub fn handed_down() -> Value {
    let (listener, port) = listener();
    let of_child: &'static Counts = Box::leak(Box::new(Counts::new()));
    let shared = Shared::new(2);
    let server = Party::start("accepting server", |_| {
        let fd = socket::accept(&listener);
        let child = fork(|| {
            of_child.add(Flow::NetReceived, socket::receive_exact(&fd, 3_001));
            of_child.add(Flow::NetSent, socket::send_all(&fd, &[7; 7_001]));
        });
        shared.set(0, child as u64);
        drop(fd);
        ended_well("the server's child", child);
    });
    let client = Party::start("client", |counts| {
        let fd = connected(port);
        shared.set(1, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 3_001]));
        counts.add(Flow::NetReceived, socket::receive_all(&fd));
    });
    let (server_pid, client_pid) = (server.pid, client.pid);
    let child_pid = || shared.get(0) as i32;
    let ended = [client.ended(), server.ended()];
    let [first, second] = ended;
    json!({
        "parties": [first, second, of_child.json("server's child", child_pid())],
        "client": client_pid,
        "server": server_pid,
        "child": child_pid(),
        "port": port,
        "client_ports": [shared.get(1)],
    })
}

/// A connection that is passed to another process over a Unix socket, with one byte.
pub fn passed() -> Value {
    let (listener, port) = listener();
    let receiver = receiver(&listener);
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().expect("a pair of sockets");
    let shared = Shared::new(1);
    let opener = Party::start("opener", |counts| {
        let fd = connected(port);
        shared.set(0, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 1_003]));
        pass(ours.as_raw_fd(), fd.as_raw_fd());
        counts.add(Flow::UnixSent, 1);
    });
    let taker = Party::start("taker", |counts| {
        let fd = take(theirs.as_raw_fd());
        counts.add(Flow::UnixReceived, 1);
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; 2_011]));
    });
    let (server_pid, client_pid) = (receiver.pid, opener.pid);
    json!({
        "parties": [opener.ended(), taker.ended(), receiver.ended()],
        "client": client_pid,
        "server": server_pid,
        "port": port,
        "client_ports": [shared.get(0)],
    })
}

/// A message of one byte with room for one descriptor.
struct Envelope {
    byte: [u8; 1],
    control: [u64; 4],
}

impl Envelope {
    fn message(&mut self, part: &mut libc::iovec) -> libc::msghdr {
        part.iov_base = self.byte.as_mut_ptr().cast();
        part.iov_len = 1;
        // SAFETY: plain data, for which zero is a value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = part;
        message.msg_iovlen = 1;
        message.msg_control = self.control.as_mut_ptr().cast();
        // SAFETY: arithmetic.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as usize;
        message
    }

    const fn new() -> (Self, libc::iovec) {
        let part = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        let envelope = Self {
            byte: [1],
            control: [0; 4],
        };
        (envelope, part)
    }
}

fn pass(over: i32, fd: i32) {
    let (mut envelope, mut part) = Envelope::new();
    let message = envelope.message(&mut part);
    // SAFETY: the control buffer has room for one header and one descriptor.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(fd);
        libc::sendmsg(over, &raw const message, 0)
    };
    assert_eq!(moved("passing a descriptor", sent), 1);
}

fn take(over: i32) -> OwnedFd {
    let (mut envelope, mut part) = Envelope::new();
    let mut message = envelope.message(&mut part);
    // SAFETY: as above; the kernel fills it.
    let fd = unsafe {
        let received = libc::recvmsg(over, &raw mut message, 0);
        assert_eq!(moved("taking a descriptor", received), 1);
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        assert!(!header.is_null(), "a descriptor came with it");
        libc::CMSG_DATA(header).cast::<i32>().read_unaligned()
    };
    socket::owned("a passed descriptor", fd)
}
