//! System calls that a monitor never makes, refused with EPERM for every thread: seccomp(2).
//!
//! A list of what is refused, and not of what is allowed: libraries and the C library change what they use,
//! and a figure that is missing after an update is worse than a call too many. What it keeps from whoever takes
//! procwatch over is to leave it: no other program, no look into or hand on other processes, no new BPF
//! program, no module, mount, namespace or key, and no connection to the outside. Nor is anything written but
//! what is open already: user id 0 owns the host's files, and needs no capability for /proc/PID/mem,
//! /proc/sys/kernel/core_pattern or a cron table.

mod arguments;

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter, sock_fprog,
};
use rustix::io::Errno;

use super::Exemption;

/// Refused whatever the command.
const NEVER: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // The file system's shape, and ways around its rights.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    // Namespaces, keys, identity.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
    // The kernel itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    // What other attacks are built on, and what would go around this filter.
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Refused unless the command needs them.
const EXEMPTED_BY: &[(Exemption, &[libc::c_long])] = &[
    (Exemption::Exec, &[libc::SYS_execve, libc::SYS_execveat]),
    (
        Exemption::Signals,
        &[
            libc::SYS_kill,
            libc::SYS_tkill,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_rt_tgsigqueueinfo,
            libc::SYS_pidfd_send_signal,
        ],
    ),
    (
        Exemption::Priorities,
        &[
            libc::SYS_setpriority,
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setattr,
        ],
    ),
    (Exemption::Writing, CHANGES),
    (Exemption::Sockets, &[libc::SYS_socket]),
    (Exemption::Attaching, &[libc::SYS_perf_event_open]),
];

/// What changes files and directories without opening them to write. A file that is open to read can be given
/// another mode too.
const CHANGES: &[libc::c_long] = &[
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
];

/// The commands of bpf(2) that reading takes: maps' entries, one by one and in batches, what a descriptor is,
/// and starting a pass.
const BPF_COMMANDS: &[u32] = &[
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
    21, // BPF_MAP_LOOKUP_AND_DELETE_ELEM
    24, // BPF_MAP_LOOKUP_BATCH
    25, // BPF_MAP_LOOKUP_AND_DELETE_BATCH
    28, // BPF_LINK_CREATE
    33, // BPF_ITER_CREATE
];

/// `struct seccomp_data`.
const OFFSET_OF_NUMBER: u32 = 0;
const OFFSET_OF_ARCHITECTURE: u32 = 4;
const OFFSET_OF_FIRST_ARGUMENT: u32 = 16;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Numbers from here on are of the x32 ABI, by which every call has a second number.
const X32: u32 = 0x4000_0000;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// Refuses them in every thread there is, and those to come.
pub(super) fn refuse(exemptions: &[Exemption]) -> Result<(), Errno> {
    let mut filter = filter(exemptions);
    let program = sock_fprog {
        // A few hundred.
        len: u16::try_from(filter.len()).map_err(|_| Errno::TOOBIG)?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its instructions live until the call returns; the kernel copies them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::PERM)),
        // A thread that has gone another way.
        _ => Err(Errno::SRCH),
    }
}

fn filter(exemptions: &[Exemption]) -> Vec<sock_filter> {
    let is_exempt = |exemption: &Exemption| exemptions.contains(exemption);
    let mut filter = vec![
        load(OFFSET_OF_ARCHITECTURE),
        skip_if(BPF_JEQ, ARCHITECTURE, 1, 0),
        ends(REFUSE),
        load(OFFSET_OF_NUMBER),
        skip_if(BPF_JGE, X32, 0, 1),
        ends(REFUSE),
    ];
    let conditional = EXEMPTED_BY
        .iter()
        .filter(|(exemption, _)| !is_exempt(exemption))
        .flat_map(|(_, calls)| *calls);
    for call in NEVER.iter().chain(conditional) {
        filter.extend([skip_if(BPF_JEQ, number(*call), 0, 1), ends(REFUSE)]);
    }
    filter.extend(arguments::decisions(exemptions));
    if !is_exempt(&Exemption::Attaching) {
        let mut of_commands = vec![load(OFFSET_OF_FIRST_ARGUMENT)];
        for command in BPF_COMMANDS {
            of_commands.extend([skip_if(BPF_JEQ, *command, 0, 1), ends(ALLOW)]);
        }
        of_commands.push(ends(REFUSE));
        filter.extend(only_for(libc::SYS_bpf, of_commands));
    }
    if is_exempt(&Exemption::Sockets) {
        let of_families = vec![
            load(OFFSET_OF_FIRST_ARGUMENT),
            skip_if(BPF_JEQ, libc::AF_PACKET.cast_unsigned(), 0, 1),
            ends(REFUSE),
            ends(ALLOW),
        ];
        filter.extend(only_for(libc::SYS_socket, of_families));
    }
    filter.push(ends(ALLOW));
    filter
}

/// What comes to a decision of its own for one call, and is passed over for all others. The number is in the
/// accumulator before it, and after it where it was passed over.
fn only_for(call: libc::c_long, decision: Vec<sock_filter>) -> Vec<sock_filter> {
    // A few dozen.
    let length = decision.len() as u8;
    let mut filter = vec![skip_if(BPF_JEQ, number(call), 0, length)];
    filter.extend(decision);
    filter
}

/// System calls' numbers are small.
fn number(call: libc::c_long) -> u32 {
    call as u32
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

/// Passes over so many instructions when the comparison holds, and so many when not.
fn skip_if(comparison: u32, operand: u32, holds: u8, fails: u8) -> sock_filter {
    instruction(BPF_JMP | comparison | BPF_K, operand, holds, fails)
}

fn ends(verdict: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, verdict, 0, 0)
}

fn instruction(code: u32, operand: u32, holds: u8, fails: u8) -> sock_filter {
    sock_filter {
        // Codes are 16 bits wide.
        code: code as u16,
        jt: holds,
        jf: fails,
        k: operand,
    }
}

#[cfg(test)]
mod tests;
