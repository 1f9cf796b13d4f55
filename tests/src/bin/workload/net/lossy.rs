//! A connection on which segments are lost, for sure and no more than so many.

use std::os::fd::{AsRawFd as _, OwnedFd};

use serde_json::{Value, json};

use super::{
    party::{Flow, Party, await_at_least},
    socket::{self, Family, Transport, moved},
    tcp_info::{TcpInfo, unacknowledged},
};
use crate::child::{Shared, until};

/// Longer than any TCP header: those segments have data.
const HEADER_MAX: u32 = 60;

/// The receiver's socket drops every segment that has data until the sender has sent some of it this
/// many times again. Both then tell what the kernel tells them of the connection.
pub fn retransmits(at_least: u64) -> Value {
    const BYTES: usize = 100_003;
    let shared = Shared::new(6);
    let listener = socket::listening(Family::V4, Transport::Tcp);
    let port = socket::local_port(&listener);
    let receiver = Party::start("receiver", |counts| {
        let fd = socket::accept(&listener);
        drop_data(&fd);
        shared.set(0, 1);
        await_at_least(&shared, 1, 1);
        socket::option(&fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0);
        counts.add(Flow::NetReceived, socket::receive_exact(&fd, BYTES as u64));
        shared.set(2, TcpInfo::of(&fd).retransmits.into());
        assert_eq!(socket::receive_all(&fd), 0);
    });
    let sender = Party::start("sender", |counts| {
        let fd = socket::connected(Family::V4, Transport::Tcp, port);
        await_at_least(&shared, 0, 1);
        shared.set(5, socket::local_port(&fd).into());
        counts.add(Flow::NetSent, socket::send_all(&fd, &[7; BYTES]));
        until("retransmissions", || {
            u64::from(TcpInfo::of(&fd).retransmits) >= at_least
        });
        shared.set(1, 1);
        until("everything to be acknowledged", || unacknowledged(&fd) == 0);
        let info = TcpInfo::of(&fd);
        shared.set(3, info.retransmits.into());
        shared.set(4, info.rtt_us.into());
    });
    let (server_pid, client_pid) = (receiver.pid, sender.pid);
    json!({
        "parties": [sender.ended(), receiver.ended()],
        "client": client_pid,
        "server": server_pid,
        "port": port,
        "client_ports": [shared.get(5)],
        "retransmits": shared.get(3),
        "server_retransmits": shared.get(2),
        "rtt_us": shared.get(4),
    })
}

/// A filter of the classic kind: load the length; longer than a header takes nothing, else all.
fn drop_data(fd: &OwnedFd) {
    let instruction = |code: u32, on_true: u8, on_false: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt: on_true,
        jf: on_false,
        k,
    };
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0),
        instruction(
            libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K,
            0,
            1,
            HEADER_MAX,
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ];
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    // SAFETY: a program of ours, which the kernel copies.
    let error = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const program).cast(),
            length,
        )
    };
    moved("SO_ATTACH_FILTER", error as isize);
}
