//! What is kept with each socket, and the records of connects, accepts and closes.
//!
//! A socket's storage lives and dies with the socket, in whichever network namespace it is, so that nothing
//! has to be bounded or cleaned up. No tracepoint tells of `accept`: the owner of an accepted connection is
//! whoever uses it first, and before that whoever has the listener.

use core::{
    ffi::c_void,
    ptr::{null, null_mut},
};

use aya_ebpf::{
    helpers::generated::{bpf_get_current_comm, bpf_sk_storage_get},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use procwatch_common::{
    COMM_LEN,
    connections::{Connection, ConnectionRecord},
    lifecycle::RecordKind,
    loss::LossKind,
    switches::Switches,
    totals::{FlowTotals, RawProcessId},
};

use crate::{
    added_up,
    atomic::add_to,
    kernel::{
        CurrentProcess, Sock, layout,
        sock::{IPPROTO_TCP, TcpSock},
    },
    ring, switches,
};

const BPF_MAP_TYPE_SK_STORAGE: usize = 24;
const BPF_F_NO_PREALLOC: usize = 1;
/// What a listener accepts begins as a copy of it.
const BPF_F_CLONE: usize = 1 << 9;
const BPF_SK_STORAGE_GET_F_CREATE: u64 = 1;

const TCP_ESTABLISHED: i32 = 1;
const TCP_SYN_SENT: i32 = 2;
const TCP_FIN_WAIT1: i32 = 4;
const TCP_CLOSE: i32 = 7;
const TCP_LAST_ACK: i32 = 9;
const TCP_LISTEN: i32 = 10;

/// A map definition as loaders read it off the type information: numbers are lengths of arrays.
#[repr(C)]
pub struct SocketStorage {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE],
    key: *const i32,
    value: *const Connection,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC | BPF_F_CLONE],
}

// SAFETY: never dereferenced; the loader puts a map in its place.
unsafe impl Sync for SocketStorage {}

#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "CONNECTIONS")]
static CONNECTIONS: SocketStorage = SocketStorage {
    r#type: null(),
    key: null(),
    value: null(),
    max_entries: null(),
    map_flags: null(),
};

#[inline(always)]
fn storage(sock: Sock, flags: u64) -> Option<*mut Connection> {
    // SAFETY: the verifier knows the socket for one. What is made begins as zeros.
    let connection = unsafe {
        bpf_sk_storage_get(
            (&raw const CONNECTIONS).cast_mut().cast(),
            sock.as_ptr().cast_mut().cast(),
            null_mut::<c_void>(),
            flags,
        )
    };
    if connection.is_null() {
        None
    } else {
        Some(connection.cast())
    }
}

/// What is kept with the socket. `None` when it is new to us.
#[inline(always)]
pub fn of(sock: Sock) -> Option<*mut Connection> {
    storage(sock, 0)
}

/// The same, made now if need be.
#[inline(always)]
pub fn open(sock: Sock) -> Option<*mut Connection> {
    let connection = storage(sock, BPF_SK_STORAGE_GET_F_CREATE);
    if connection.is_none() {
        ring::count_loss(LossKind::Connection);
    }
    connection
}

/// A process is using the socket in a call: it is the owner, unless another one came first. The call has
/// read so many bytes.
#[inline(always)]
pub fn used(sock: Sock, received_bytes: u64) -> Option<*mut Connection> {
    let connection = match of(sock) {
        Some(connection) => connection,
        None => {
            let connection = open(sock)?;
            let read_bytes = sock.tcp().map_or(0, TcpSock::read_bytes);
            // SAFETY: alive.
            unsafe {
                (*connection).read_before_bytes = read_bytes.saturating_sub(received_bytes);
                (*connection).written_before_bytes = sock.tcp().map_or(0, TcpSock::written_bytes);
            }
            connection
        }
    };
    claim(sock, connection);
    Some(connection)
}

/// A call on the socket has moved nothing: it failed, would have blocked, or was at the end of the stream.
#[inline(always)]
pub fn touched(sock: Sock) -> Option<()> {
    claim(sock, of(sock)?);
    None
}

/// When to charge what was read and no call has told of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// What there was the last time too: the rest may belong to a call that is just ending.
    Old,
    /// All of it: nobody reads any more.
    All,
}

/// Charges the owner with what was read off a TCP stream without a call that tells: by `splice`, or by
/// mapping it.
#[inline(always)]
pub fn settle(sock: Sock, connection: *mut Connection, which: Settle) -> Option<()> {
    let tcp = sock.tcp()?;
    if tcp.has_upper_layer() {
        return None;
    }
    let read_bytes = tcp.read_bytes();
    // SAFETY: alive.
    unsafe {
        let told = (*connection).read_before_bytes + (*connection).received_bytes;
        let untold = read_bytes.saturating_sub(told);
        let untold_before = (*connection).untold_bytes;
        let charged = if which == Settle::All || untold < untold_before {
            untold
        } else {
            untold_before
        };
        (*connection).untold_bytes = untold - charged;
        if charged == 0 {
            return None;
        }
        add_to(&raw mut (*connection).received_bytes, charged);
        let owner = (*connection).owner;
        let flows = FlowTotals {
            net_received_bytes: charged,
            ..FlowTotals::ZERO
        };
        added_up::add_flows(added_up::of(&owner)?, &flows);
    }
    Some(())
}

/// Makes the calling process the owner, unless there is one.
#[inline(always)]
fn claim(sock: Sock, connection: *mut Connection) {
    // SAFETY: alive.
    let flags = unsafe { (*connection).flags };
    if flags & Connection::CLAIMED != 0 {
        return;
    }
    let Some(process) = CurrentProcess::get() else {
        return;
    };
    // So that there is somewhere to charge what it reads without a call that tells.
    added_up::open(&process.id);
    // SAFETY: alive. Two processes that come at once are both right.
    unsafe {
        (*connection).flags = flags | Connection::CLAIMED;
        (*connection).owner = process.id;
        own_comm(connection);
    }
    if flags & Connection::INCOMING != 0 {
        emit(sock, connection, RecordKind::Accept, 0);
    } else if flags & Connection::OUTGOING != 0 {
        emit(sock, connection, RecordKind::Connect, 0);
    }
}

/// # Safety
/// The connection must be alive.
#[inline(always)]
unsafe fn own_comm(connection: *mut Connection) {
    // SAFETY: the caller's promise.
    unsafe {
        bpf_get_current_comm((&raw mut (*connection).comm).cast(), COMM_LEN as u32);
    }
}

/// Fires at every change of state.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn pw_tcp_state(context: BtfTracePointContext) -> i32 {
    try_tcp_state(&context);
    0
}

#[inline(always)]
fn try_tcp_state(context: &BtfTracePointContext) -> Option<()> {
    let sock = Sock::new(context.arg::<*const u8>(0))?;
    if !sock.is_inet() || sock.protocol() != IPPROTO_TCP {
        return None;
    }
    let (old, new) = (context.arg::<i32>(1), context.arg::<i32>(2));
    match new {
        TCP_SYN_SENT => begin(sock, Connection::OUTGOING | Connection::CLAIMED),
        TCP_LISTEN => begin(sock, Connection::LISTENER),
        TCP_ESTABLISHED => established(sock, old),
        TCP_CLOSE => closed(sock, old),
        _ => None,
    };
    // Only a `close` or `shutdown`, or the end of the process, does this; nobody reads meanwhile.
    if new == TCP_FIN_WAIT1 || new == TCP_LAST_ACK || new == old {
        let connection = of(sock)?;
        if new == TCP_FIN_WAIT1 || new == TCP_LAST_ACK {
            // SAFETY: alive.
            unsafe { (*connection).flags |= Connection::ENDED };
        }
        claim(sock, connection);
        settle(sock, connection, Settle::All);
    }
    Some(())
}

/// In a `connect` or `listen` call.
#[inline(always)]
fn begin(sock: Sock, flags: u32) -> Option<()> {
    let process = CurrentProcess::get()?.id;
    added_up::open(&process);
    let connection = open(sock)?;
    // SAFETY: alive. A socket can be connected, or made to listen, again.
    unsafe {
        connection.write_bytes(0, 1);
        (*connection).owner = process;
        (*connection).flags = flags;
        if flags & Connection::OUTGOING != 0 {
            (*connection).connecting_ns = ring::now_ns();
        }
        own_comm(connection);
    }
    None
}

#[inline(always)]
fn established(sock: Sock, old: i32) -> Option<()> {
    let connection = match of(sock) {
        Some(connection) => connection,
        // Begun, or its listener was, before anyone watched.
        None => open(sock)?,
    };
    // SAFETY: alive.
    unsafe {
        (*connection).opened_ns = ring::now_ns();
        sock.write_ends(&raw mut (*connection).ends);
        // Two ends that connect to each other at the same time come by another state.
        let is_outgoing = old == TCP_SYN_SENT || (*connection).flags & Connection::OUTGOING != 0;
        if is_outgoing {
            (*connection).flags |= Connection::OUTGOING;
            // The SYN.
            (*connection).written_before_bytes = 1;
            // Else it is told when its owner shows.
            if (*connection).flags & Connection::CLAIMED != 0 {
                emit(sock, connection, RecordKind::Connect, 0);
            }
        } else {
            (*connection).flags =
                (*connection).flags & !Connection::LISTENER | Connection::INCOMING;
        }
    }
    None
}

#[inline(always)]
fn closed(sock: Sock, old: i32) -> Option<()> {
    let connection = of(sock)?;
    // SAFETY: alive.
    unsafe {
        (*connection).closed_ns = ring::now_ns();
        if (*connection).ends.family == 0 {
            sock.write_ends(&raw mut (*connection).ends);
        }
        // Some ways to close a socket clear the kernel's account of it next.
        (*connection).sent_bytes = written_bytes(sock, connection);
        // A call that breaks it off, and not a reset from the other end.
        if sock.is_locked_by_a_call() {
            claim(sock, connection);
        }
        if old == TCP_SYN_SENT {
            (*connection).flags |= Connection::FAILED;
            emit(sock, connection, RecordKind::Connect, sock.error());
        }
    }
    None
}

/// What applications have written to the stream since it was first seen.
///
/// # Safety
/// The connection must be alive.
#[inline(always)]
unsafe fn written_bytes(sock: Sock, connection: *const Connection) -> u64 {
    let Some(tcp) = sock.tcp() else {
        return 0;
    };
    // SAFETY: the caller's promise.
    let (before, flags) = unsafe { ((*connection).written_before_bytes, (*connection).flags) };
    let end = u64::from(flags & Connection::ENDED != 0);
    tcp.written_bytes().saturating_sub(before + end)
}

/// Fires when the kernel lets go of a TCP socket.
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub fn pw_tcp_gone(context: BtfTracePointContext) -> i32 {
    try_tcp_gone(&context);
    0
}

#[inline(always)]
fn try_tcp_gone(context: &BtfTracePointContext) -> Option<()> {
    let sock = Sock::new(context.arg::<*const u8>(0))?;
    let connection = of(sock)?;
    // What was reset before anybody accepted it is accepted all the same, and closed without another change
    // of state.
    if sock.is_locked_by_a_call() {
        claim(sock, connection);
    }
    settle(sock, connection, Settle::All);
    // SAFETY: alive.
    let flags = unsafe { (*connection).flags };
    if flags & (Connection::LISTENER | Connection::FAILED) != 0 {
        return None;
    }
    // One that nobody has accepted is told by its end alone, as its listener's.
    emit(sock, connection, RecordKind::Close, 0);
    None
}

#[inline(always)]
fn emit(sock: Sock, connection: *mut Connection, kind: RecordKind, error: u32) {
    if layout!(wants_connections) == 0 || switches::is_set(Switches::NO_CONNECTION_RECORDS) {
        return;
    }
    ring::emit(
        LossKind::ConnectionRecord,
        |record: *mut ConnectionRecord| {
            // SAFETY: reserved, aligned to 8 bytes, and written whole; the connection is alive.
            unsafe { write(record, sock, connection, kind, error) }
        },
    );
}

/// # Safety
/// There must be room for the record, and the connection must be alive.
#[inline(always)]
pub unsafe fn write(
    record: *mut ConnectionRecord,
    sock: Sock,
    connection: *const Connection,
    kind: RecordKind,
    error: u32,
) {
    let (retransmits, rtt_us) = match sock.tcp() {
        Some(tcp) => (tcp.retransmits(), tcp.rtt_us()),
        None => (0, 0),
    };
    // SAFETY: the caller's promise. Piece by piece: the stack has no room for it all.
    unsafe {
        (&raw mut (*record).header).write(ring::header(kind, (*connection).owner));
        (&raw mut (*record).socket).write(sock.as_ptr() as u64);
        if (*connection).ends.family == 0 {
            sock.write_ends(&raw mut (*record).ends);
        } else {
            (&raw mut (*record).ends).copy_from_nonoverlapping(&raw const (*connection).ends, 1);
            (*record).ends.state = sock.state();
        }
        (&raw mut (*record).connection).copy_from_nonoverlapping(connection, 1);
        if sock.protocol() == IPPROTO_TCP && (*connection).closed_ns == 0 {
            (*record).connection.sent_bytes = written_bytes(sock, connection);
        }
        (&raw mut (*record).retransmits).write(retransmits);
        (&raw mut (*record).rtt_us).write(rtt_us);
        (&raw mut (*record).error).write(error);
        (&raw mut (*record).reserved).write(0);
    }
}

/// A process has the socket open: it is the owner, as long as none is known.
#[inline(always)]
pub fn found_open(connection: *mut Connection, process: RawProcessId, comm: &[u8; COMM_LEN]) {
    // SAFETY: alive.
    unsafe {
        if (*connection).owner.tgid == 0 {
            added_up::open(&process);
            (*connection).owner = process;
            (*connection).comm = *comm;
        }
    }
}
