//! Passes over sockets: all that something is kept with, and all that processes have open.

use core::{ffi::c_void, ptr::read_volatile};

use aya_ebpf::{
    bindings::seq_file,
    helpers::generated::{bpf_seq_write, bpf_sock_from_file},
    macros::map,
    maps::PerCpuArray,
};
use procwatch_common::{
    COMM_LEN,
    connections::{Connection, ConnectionRecord},
    lifecycle::RecordKind,
};

use crate::{
    connections::{self, Settle},
    kernel::{
        Sock, Task, layout, member,
        sock::{IPPROTO_TCP, IPPROTO_UDP, TcpSock},
    },
};

const TCP_LISTEN: u32 = 10;

#[map]
static SOCKET_SCRATCH: PerCpuArray<ConnectionRecord> = PerCpuArray::with_max_entries(1, 0);

/// `struct bpf_iter__bpf_sk_storage_map`.
#[repr(C)]
pub struct StorageIterContext {
    meta: *const *mut seq_file,
    map: *const u8,
    sock: *const u8,
    value: *mut Connection,
}

/// Hands over every socket that something is kept with, in every network namespace.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_sk_storage_map")]
pub extern "C" fn pw_sockets(context: *const StorageIterContext) -> i32 {
    try_sockets(context);
    0
}

#[inline(always)]
fn try_sockets(context: *const StorageIterContext) -> Option<()> {
    // SAFETY: the kernel passes this structure to iterator programs.
    let sock = Sock::new(unsafe { read_volatile(&raw const (*context).sock) })?;
    // SAFETY: as above.
    let value = unsafe { read_volatile(&raw const (*context).value) };
    if value.is_null() {
        return None;
    }
    let record = SOCKET_SCRATCH.get_ptr_mut(0)?;
    // SAFETY: an element of a map, written whole; the value is the socket's.
    unsafe {
        connections::write(record, sock, value, RecordKind::Close, 0);
        let sequence = read_volatile(read_volatile(&raw const (*context).meta));
        bpf_seq_write(
            sequence,
            record.cast(),
            size_of::<ConnectionRecord>() as u32,
        );
    }
    Some(())
}

/// Charges what was read off streams without a call that tells.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_sk_storage_map")]
pub extern "C" fn pw_settle(context: *const StorageIterContext) -> i32 {
    // SAFETY: the kernel passes this structure to iterator programs.
    let sock = Sock::new(unsafe { read_volatile(&raw const (*context).sock) });
    if let Some(sock) = sock
        && let Some(connection) = connections::of(sock)
    {
        connections::settle(sock, connection, Settle::Old);
    }
    0
}

/// `struct bpf_iter__task_file`.
#[repr(C)]
pub struct TaskFileIterContext {
    meta: *const *mut seq_file,
    task: *const u8,
    fd: u32,
    file: *const u8,
}

/// Begins to keep something with every socket that a process has open, and names that process its owner
/// where none is known: of sockets that are older than collection, and of what was accepted and not used.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub extern "C" fn pw_socket_files(context: *const TaskFileIterContext) -> i32 {
    try_socket_files(context);
    0
}

#[inline(always)]
fn try_socket_files(context: *const TaskFileIterContext) -> Option<()> {
    // SAFETY: the kernel passes this structure to iterator programs.
    let file = unsafe { read_volatile(&raw const (*context).file) };
    // SAFETY: as above.
    let task = Task::new(unsafe { read_volatile(&raw const (*context).task) })?;
    if file.is_null() {
        return None;
    }
    // SAFETY: the verifier knows it for a file.
    let socket = unsafe { bpf_sock_from_file(file.cast_mut().cast::<c_void>().cast()) };
    if socket.is_null() {
        return None;
    }
    let sock = Sock::new(member!(socket.cast::<u8>(), socket_sk, *const u8))?;
    if !sock.is_inet() {
        return None;
    }
    let protocol = sock.protocol();
    if protocol != IPPROTO_TCP && protocol != IPPROTO_UDP {
        return None;
    }
    let connection = match connections::of(sock) {
        Some(connection) => connection,
        None => {
            let connection = connections::open(sock)?;
            // SAFETY: alive.
            unsafe {
                (*connection).read_before_bytes = sock.tcp().map_or(0, TcpSock::read_bytes);
                (*connection).written_before_bytes = sock.tcp().map_or(0, TcpSock::written_bytes);
                if sock.state() == TCP_LISTEN {
                    (*connection).flags = Connection::LISTENER;
                }
            }
            connection
        }
    };
    let mut comm = [0; COMM_LEN];
    task.comm(&mut comm);
    connections::found_open(connection, task.process(), &comm);
    Some(())
}
