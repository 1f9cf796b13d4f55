//! Sockets.

use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;
use procwatch_common::connections::Ends;

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

    /// A call, and not an interrupt, has the socket locked.
    #[inline(always)]
    pub fn is_locked_by_a_call(self) -> bool {
        member!(self.0, sock_lock_owned, u32) != 0
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

    /// A `TCP_*` state.
    #[inline(always)]
    pub fn state(self) -> u32 {
        u32::from(member!(self.0, sock_state, u8))
    }

    /// Writes both ends in place: programs have little stack.
    ///
    /// # Safety
    /// There must be room for them.
    #[inline(always)]
    pub unsafe fn write_ends(self, ends: *mut Ends) {
        let family = self.family();
        let mut local_port = member!(self.0, sock_num, u16);
        if local_port == 0 {
            local_port = u16::from_be(probe(self.0 as u64, layout!(inet_sport)));
        }
        let remote_port = u16::from_be(member!(self.0, sock_dport, u16));
        let net = member!(self.0, sock_net, *const u8);
        let network_namespace = if net.is_null() {
            0
        } else {
            member!(net, net_inum, u32)
        };
        // SAFETY: the caller's promise.
        let (local, remote) = unsafe {
            ends.write_bytes(0, 1);
            (*ends).local_port = local_port;
            (*ends).remote_port = remote_port;
            (*ends).family = family;
            (*ends).protocol = self.protocol();
            (*ends).state = self.state();
            (*ends).network_namespace = network_namespace;
            (
                (&raw mut (*ends).local_address).cast::<[u32; 4]>(),
                (&raw mut (*ends).remote_address).cast::<[u32; 4]>(),
            )
        };
        let (local_address, remote_address) = if family == AF_INET {
            let local = member!(self.0, sock_rcv_saddr, u32);
            let remote = member!(self.0, sock_daddr, u32);
            ([local, 0, 0, 0], [remote, 0, 0, 0])
        } else {
            (
                member!(self.0, sock_v6_rcv_saddr, [u32; 4]),
                member!(self.0, sock_v6_daddr, [u32; 4]),
            )
        };
        // SAFETY: as above; addresses are aligned to four bytes.
        unsafe {
            local.write(local_address);
            remote.write(remote_address);
        }
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

    /// How many bytes have been written to the stream, whether or not they have left yet. The first SYN of
    /// who connects, and the end of the stream, count as a byte each.
    #[inline(always)]
    pub fn written_bytes(self) -> u64 {
        let write_seq = member!(self.tcp, tcp_write_seq, u32);
        let snd_una = member!(self.tcp, tcp_snd_una, u32);
        member!(self.tcp, tcp_bytes_acked, u64) + u64::from(write_seq.wrapping_sub(snd_una))
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
