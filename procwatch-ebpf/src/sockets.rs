//! Bytes through sockets, at the two tracepoints that every send and receive passes, whichever system call
//! it came from.
//!
//! What is read off a TCP stream by `splice`, or by mapping it, passes neither; how far the application has
//! come in the stream tells of it, and the passes over sockets and the end of each connection charge it.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    atomic::add_to,
    connections, flows,
    kernel::{
        Sock, layout,
        sock::{AF_UNIX, IPPROTO_TCP, IPPROTO_UDP},
    },
};

/// `MSG_PEEK`, after which the same bytes come again, and `MSG_ERRQUEUE`, which hands a process its own
/// packets back.
const NOT_FROM_THE_STREAM: i32 = 0x2 | 0x2000;

#[inline(always)]
fn socket(context: &BtfTracePointContext) -> Option<Sock> {
    Sock::new(context.arg::<*const u8>(0))
}

#[btf_tracepoint(function = "sock_send_length")]
pub fn pw_sent(context: BtfTracePointContext) -> i32 {
    if let Some(sock) = socket(&context) {
        sent(sock, context.arg::<i32>(1));
    }
    0
}

/// A call has sent so many bytes; a negative number is an error.
#[inline(always)]
pub fn sent(sock: Sock, result: i32) -> Option<()> {
    if result <= 0 {
        return None;
    }
    let bytes = result as u64;
    if !sock.is_inet() {
        if sock.family() == AF_UNIX {
            // SAFETY: the entry of this thread.
            flows::count(|flows| unsafe { (*flows).unix_sent_bytes += bytes });
        }
        return None;
    }
    // SAFETY: the entry of this thread.
    flows::count(|flows| unsafe { (*flows).net_sent_bytes += bytes });
    // What goes over a TCP connection the kernel counts itself.
    if layout!(has_socket_storage) == 1 && sock.protocol() == IPPROTO_UDP {
        let connection = connections::used(sock, 0)?;
        // SAFETY: alive, and changed by atomic operations only: threads may send at once.
        unsafe { add_to(&raw mut (*connection).sent_bytes, bytes) };
    }
    None
}

#[btf_tracepoint(function = "sock_recv_length")]
pub fn pw_received(context: BtfTracePointContext) -> i32 {
    if let Some(sock) = socket(&context) {
        received(sock, context.arg::<i32>(1), context.arg::<i32>(2));
    }
    0
}

/// A call has received so many bytes; a negative number is an error.
#[inline(always)]
pub fn received(sock: Sock, result: i32, call_flags: i32) -> Option<()> {
    if call_flags & NOT_FROM_THE_STREAM != 0 {
        return None;
    }
    if result <= 0 {
        if layout!(has_socket_storage) == 1 && sock.is_inet() {
            connections::touched(sock);
        }
        return None;
    }
    let bytes = result as u64;
    if !sock.is_inet() {
        if sock.family() == AF_UNIX {
            // SAFETY: the entry of this thread.
            flows::count(|flows| unsafe { (*flows).unix_received_bytes += bytes });
        }
        return None;
    }
    // SAFETY: the entry of this thread.
    flows::count(|flows| unsafe { (*flows).net_received_bytes += bytes });
    let protocol = sock.protocol();
    if layout!(has_socket_storage) == 1 && (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
        let connection = connections::used(sock, bytes)?;
        // SAFETY: alive, and changed by atomic operations only: threads may receive at once.
        unsafe { add_to(&raw mut (*connection).received_bytes, bytes) };
    }
    None
}
