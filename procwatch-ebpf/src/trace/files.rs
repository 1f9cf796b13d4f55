//! What descriptors stand for.

use aya_ebpf::helpers::generated::bpf_get_current_task;
use procwatch_common::{connections::Ends, layout::ABSENT, trace::FileRef};

use crate::kernel::{
    layout, probe,
    sock::{AF_INET, AF_INET6},
};

const TYPE_MASK: u32 = 0o170_000;
const SOCKET: u32 = 0o140_000;
/// Bytes of a `struct file *`.
const POINTER: u32 = 8;

/// The address of the `struct file` of one of the calling thread's descriptors; 0 for none.
#[inline(always)]
pub fn of_descriptor(descriptor: u64) -> u64 {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let files: u64 = probe(task, layout!(task_files));
    let table: u64 = probe(files, layout!(files_fdt));
    let max: u32 = probe(table, layout!(fdt_max_fds));
    let descriptor = descriptor as u32;
    if descriptor >= max {
        return 0;
    }
    let all: u64 = probe(table, layout!(fdt_fd));
    probe(all + u64::from(descriptor) * u64::from(POINTER), 0)
}

/// What names a file for the agent.
#[inline(always)]
pub fn name(file: u64) -> FileRef {
    if file == 0 {
        return FileRef {
            inode: 0,
            device: 0,
            mode: 0,
        };
    }
    let inode: u64 = probe(file, layout!(file_inode));
    let super_block: u64 = probe(inode, layout!(inode_sb));
    FileRef {
        inode: probe(inode, layout!(inode_ino)),
        device: probe(super_block, layout!(sb_dev)),
        mode: u32::from(probe::<u16>(inode, layout!(inode_mode))),
    }
}

#[inline(always)]
pub fn is_socket(file: &FileRef) -> bool {
    file.mode & TYPE_MASK == SOCKET
}

/// Writes both ends of a socket's connection. What has none, and what is not of the internet, has a family and zeros.
///
/// # Safety
/// There must be room for them, and the file must be a socket's.
#[inline(always)]
pub unsafe fn write_ends(file: u64, ends: *mut Ends) {
    let socket: u64 = probe(file, layout!(file_private_data));
    let sock: u64 = probe(socket, layout!(socket_sk));
    let family: u16 = probe(sock, layout!(sock_family));
    let net: u64 = probe(sock, layout!(sock_net));
    // SAFETY: the caller's promise.
    unsafe {
        ends.write_bytes(0, 1);
        (*ends).family = family;
        (*ends).protocol = probe(sock, layout!(sock_protocol));
        (*ends).state = u32::from(probe::<u8>(sock, layout!(sock_state)));
        if net != 0 && layout!(net_inum) != ABSENT {
            (*ends).network_namespace = probe(net, layout!(net_inum));
        }
        if family != AF_INET && family != AF_INET6 {
            return;
        }
        (*ends).local_port = probe(sock, layout!(sock_num));
        (*ends).remote_port = u16::from_be(probe(sock, layout!(sock_dport)));
        let (local, remote) = (
            (&raw mut (*ends).local_address).cast::<[u32; 4]>(),
            (&raw mut (*ends).remote_address).cast::<[u32; 4]>(),
        );
        if family == AF_INET {
            local
                .cast::<u32>()
                .write(probe(sock, layout!(sock_rcv_saddr)));
            remote.cast::<u32>().write(probe(sock, layout!(sock_daddr)));
        } else {
            local.write(probe(sock, layout!(sock_v6_rcv_saddr)));
            remote.write(probe(sock, layout!(sock_v6_daddr)));
        }
    }
}
