//! What the kernel tells a process of its own connection: `struct tcp_info`, see tcp(7).

use std::os::fd::{AsRawFd as _, OwnedFd};

use super::socket::moved;

#[derive(Clone, Copy, Debug)]
pub struct TcpInfo {
    pub rtt_us: u32,
    pub retransmits: u32,
}

impl TcpInfo {
    pub fn of(fd: &OwnedFd) -> Self {
        // Its fields from the ninth byte on are words.
        const RTT: usize = 68 / 4;
        const TOTAL_RETRANS: usize = 100 / 4;
        let mut words = [0_u32; 64];
        let mut length = size_of_val(&words) as libc::socklen_t;
        // SAFETY: an array of that length.
        let error = unsafe {
            libc::getsockopt(
                fd.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                words.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        moved("TCP_INFO", error as isize);
        Self {
            rtt_us: words[RTT],
            retransmits: words[TOTAL_RETRANS],
        }
    }
}

/// Bytes that the other end has not acknowledged, of which some may not have been sent.
pub fn unacknowledged(fd: &OwnedFd) -> i32 {
    let mut bytes = 0_i32;
    // SAFETY: an int of ours. TIOCOUTQ is called SIOCOUTQ for sockets.
    let error = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    moved("SIOCOUTQ", error as isize);
    bytes
}
