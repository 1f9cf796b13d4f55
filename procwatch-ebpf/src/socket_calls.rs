//! Bytes through sockets where the kernel has no tracepoint for them (before 6.3): at the return of the
//! functions that socket calls end up in, one for each family and kind.
//!
//! The `sendpage` functions, which `sendfile` and `splice` use, went away in 6.5; the tracepoint tells of them
//! from then on. Unix sockets for datagrams never had one of their own.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::{
    kernel::{
        Sock, layout, member,
        sock::{IPPROTO_TCP, IPPROTO_UDP},
    },
    sockets::{received, sent},
};

/// Every one of these functions takes the `struct socket` first.
#[inline(always)]
fn socket(context: &FExitContext) -> Option<Sock> {
    let socket = context.arg::<*const u8>(0);
    if socket.is_null() {
        return None;
    }
    Sock::new(member!(socket, socket_sk, *const u8))
}

macro_rules! counts_sent {
    ($program:ident, $function:literal, $result:literal) => {
        #[fexit(function = $function)]
        pub fn $program(context: FExitContext) -> i32 {
            if let Some(sock) = socket(&context) {
                sent(sock, context.arg::<i32>($result));
            }
            0
        }
    };
}

/// Of protocols without a `sendpage` of their own, as MPTCP, it goes on to `inet_sendmsg`, which tells of it.
#[fexit(function = "inet_sendpage")]
pub fn pw_sent_page(context: FExitContext) -> i32 {
    if let Some(sock) = socket(&context)
        && matches!(sock.protocol(), IPPROTO_TCP | IPPROTO_UDP)
    {
        sent(sock, context.arg::<i32>(5));
    }
    0
}

/// `recvmsg` functions take socket, message, size and flags.
macro_rules! counts_received {
    ($program:ident, $function:literal) => {
        #[fexit(function = $function)]
        pub fn $program(context: FExitContext) -> i32 {
            if let Some(sock) = socket(&context) {
                received(sock, context.arg::<i32>(4), context.arg::<i32>(3));
            }
            0
        }
    };
}

counts_sent!(pw_sent_inet, "inet_sendmsg", 3);
counts_sent!(pw_sent_inet6, "inet6_sendmsg", 3);
counts_sent!(pw_sent_stream, "unix_stream_sendmsg", 3);
counts_sent!(pw_stream_page, "unix_stream_sendpage", 5);
counts_sent!(pw_sent_dgram, "unix_dgram_sendmsg", 3);
counts_received!(pw_recv_inet, "inet_recvmsg");
counts_received!(pw_recv_inet6, "inet6_recvmsg");
counts_received!(pw_recv_stream, "unix_stream_recvmsg");
counts_received!(pw_recv_dgram, "unix_dgram_recvmsg");
