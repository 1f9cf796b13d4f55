//! Sockets.

use core::ptr::read_volatile;

use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;
use procwatch_common::{connections::Ends, layout::ABSENT};

use super::{layout, member, probe};

pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const IPPROTO_TCP: u16 = 6;
pub const IPPROTO_UDP: u16 = 17;

/// A `struct sock`.
#[derive(Clone, Copy)]
pub struct Sock(*const u8);

impl Sock {
    /// `None` for a null pointer.
    #[inline(always)]
    pub fn new(sock: *const u8) -> Option<Self> {
        if sock.is_null() {
            None
        } else {
            Some(Self(sock))
        }
    }

    #[inline(always)]
    pub fn as_ptr(self) -> *const u8 {
        self.0
    }

    #[inline(always)]
    pub fn family(self) -> u16 {
        member!(self.0, sock_family, u16)
    }

    #[inline(always)]
    pub fn is_inet(self) -> bool {
        let family = self.family();
        family == AF_INET || family == AF_INET6
    }

    #[inline(always)]
    pub fn protocol(self) -> u16 {
        member!(self.0, sock_protocol, u16)
    }

    /// Nobody can read or write any more.
    #[inline(always)]
    pub fn is_shut(self) -> bool {
        const SHUTDOWN_MASK: u8 = 3;
        layout!(sock_shutdown) != ABSENT && member!(self.0, sock_shutdown, u8) == SHUTDOWN_MASK
    }

    /// The other end has sent its last.
    #[inline(always)]
    fn is_done(self) -> bool {
        const SOCK_DONE: u64 = 1 << 1;
        member!(self.0, sock_flags, u64) & SOCK_DONE != 0
    }

    /// The errno that is waiting to be told, positive.
    #[inline(always)]
    pub fn error(self) -> u32 {
        member!(self.0, sock_err, u32)
    }

    /// `None` for what is no TCP socket.
    #[inline(always)]
    pub fn tcp(self) -> Option<TcpSock> {
        // SAFETY: the verifier knows it for a socket.
        let tcp = unsafe { bpf_skc_to_tcp_sock(self.0.cast_mut().cast()) };
        if tcp.is_null() {
            None
        } else {
            Some(TcpSock {
                sock: self,
                tcp: tcp.cast(),
            })
        }
    }

    #[inline(always)]
    pub fn ends(self) -> Ends {
        let mut ends = Ends {
            local_port: member!(self.0, sock_num, u16),
            remote_port: u16::from_be(member!(self.0, sock_dport, u16)),
            family: self.family(),
            protocol: self.protocol(),
            state: u32::from(member!(self.0, sock_state, u8)),
            ..Ends::UNKNOWN
        };
        if ends.family == AF_INET {
            let local = member!(self.0, sock_rcv_saddr, [u8; 4]);
            let remote = member!(self.0, sock_daddr, [u8; 4]);
            ends.local_address = [
                local[0], local[1], local[2], local[3], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ];
            ends.remote_address = [
                remote[0], remote[1], remote[2], remote[3], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ];
        } else {
            ends.local_address = member!(self.0, sock_v6_rcv_saddr, [u8; 16]);
            ends.remote_address = member!(self.0, sock_v6_daddr, [u8; 16]);
        }
        if ends.local_port == 0 {
            let port: u16 = probe(self.0 as u64, layout!(inet_sport));
            ends.local_port = u16::from_be(port);
        }
        let net = member!(self.0, sock_net, *const u8);
        if !net.is_null() {
            ends.network_namespace = member!(net, net_inum, u32);
        }
        ends
    }
}

/// A `struct tcp_sock`.
#[derive(Clone, Copy)]
pub struct TcpSock {
    sock: Sock,
    tcp: *const u8,
}

impl TcpSock {
    /// How many bytes have been read off the stream, by whichever call.
    #[inline(always)]
    pub fn read_bytes(self) -> u64 {
        let rcv_nxt = member!(self.tcp, tcp_rcv_nxt, u32);
        let copied_seq = member!(self.tcp, tcp_copied_seq, u32);
        let waiting = u64::from(rcv_nxt.wrapping_sub(copied_seq));
        let received = member!(self.tcp, tcp_bytes_received, u64);
        // The end of the stream counts as a byte, once it has been read too.
        let end = u64::from(waiting == 0 && self.sock.is_done());
        received.saturating_sub(waiting + end)
    }

    /// Smoothed round-trip time, microseconds; 0 when none was measured.
    #[inline(always)]
    pub fn rtt_us(self) -> u32 {
        member!(self.tcp, tcp_srtt_us, u32) >> 3
    }

    /// Segments sent again.
    #[inline(always)]
    pub fn retransmits(self) -> u32 {
        member!(self.tcp, tcp_total_retrans, u32)
    }

    /// Another protocol (TLS, MPTCP) reads the bytes before the application does.
    #[inline(always)]
    pub fn has_upper_layer(self) -> bool {
        !member!(self.tcp, icsk_ulp_ops, *const u8).is_null()
    }
}
