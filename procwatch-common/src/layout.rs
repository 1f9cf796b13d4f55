//! Where this kernel keeps what we read.
//!
//! The agent looks the offsets up in the kernel's BTF and sets them as a read-only global before the
//! programs are loaded; the verifier then knows each value and checks every access. One object thus
//! serves every kernel. [`ABSENT`] marks what a kernel does not have: the programs branch on it, and
//! the verifier drops the branch that is dead on this kernel.

/// The offset of a member that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// CPUs whose share of a per-CPU counter the programs can add up.
pub const CPUS_MAX: usize = 512;

macro_rules! kernel_layout {
    ($($(#[$meta:meta])* $field:ident),+ $(,)?) => {
        /// Byte offsets into kernel structures, and a few facts of the same kind.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct KernelLayout { $($(#[$meta])* pub $field: u32),+ }

        impl KernelLayout {
            /// A layout of which nothing is known.
            pub const UNKNOWN: Self = Self { $($field: ABSENT),+ };
        }
    };
}

kernel_layout! {
    task_tgid,
    task_pid,
    task_flags,
    /// `__state`, or `state` before 5.14.
    task_state,
    task_exit_state,
    task_exit_code,
    task_group_leader,
    task_real_parent,
    task_signal,
    task_mm,
    task_cred,
    task_cgroups,
    task_comm,
    task_start_boottime,
    task_sum_exec_runtime,
    task_run_delay,
    task_nvcsw,
    task_nivcsw,
    task_min_flt,
    task_maj_flt,
    /// The `ioac` members are [`ABSENT`] without `CONFIG_TASK_IO_ACCOUNTING`.
    task_rchar,
    task_wchar,
    task_read_bytes,
    task_write_bytes,
    task_cancelled_write_bytes,
    task_sighand,
    /// The set of blocked signals.
    task_blocked,
    sighand_action,
    /// Bytes from one signal's action to the next.
    sigaction_size,
    signal_live,
    signal_nr_threads,
    signal_flags,
    signal_group_exit_code,
    signal_sum_sched_runtime,
    signal_nvcsw,
    signal_nivcsw,
    signal_min_flt,
    signal_maj_flt,
    signal_maxrss,
    signal_oom_score_adj,
    mm_hiwater_rss,
    mm_arg_start,
    mm_arg_end,
    mm_exe_file,
    /// An array of counters, one per kind of page.
    mm_rss_stat,
    /// Bytes from one counter to the next.
    rss_counter_size,
    /// The counter's shared value, relative to the counter.
    rss_counter_count,
    /// The counter's per-CPU part, relative to the counter; [`ABSENT`] before 6.2.
    rss_counter_percpu,
    file_path_mnt,
    file_path_dentry,
    dentry_parent,
    dentry_name,
    /// `d_hash.pprev`: null while the name is in no directory.
    dentry_hash_pprev,
    vfsmount_root,
    /// The `struct vfsmount` inside a `struct mount`.
    mount_vfsmount,
    mount_parent,
    mount_mountpoint,
    cred_uid,
    css_set_dfl_cgrp,
    cgroup_kn,
    kernfs_node_id,
    bpf_array_pptrs,
    socket_sk,
    sock_family,
    sock_protocol,
    sock_state,
    sock_err,
    sock_flags,
    /// Not 0 while a call has the socket locked, and not an interrupt.
    sock_lock_owned,
    sock_daddr,
    sock_rcv_saddr,
    sock_v6_daddr,
    sock_v6_rcv_saddr,
    sock_dport,
    sock_num,
    sock_net,
    /// The local port that stays when the socket has given it back.
    inet_sport,
    net_inum,
    icsk_ulp_ops,
    tcp_copied_seq,
    tcp_rcv_nxt,
    tcp_bytes_received,
    tcp_bytes_acked,
    tcp_write_seq,
    tcp_snd_una,
    tcp_srtt_us,
    tcp_total_retrans,
    /// [`ABSENT`] before 5.12, where the bio names the disk itself.
    bio_bdev,
    bio_disk,
    bio_opf,
    bio_size,
    bio_idx,
    bio_next,
    bio_io_vec,
    bio_private,
    bdev_disk,
    disk_major,
    disk_first_minor,
    disk_fops,
    /// A function of those disks that have no request queue; null for others.
    fops_submit_bio,
    request_bio,
    request_flags,
    page_mapping,
    page_compound_head,
    mapping_host,
    inode_ino,
    inode_generation,
    inode_mode,
    inode_state,
    /// The bit of `inode_state` that says that it has dirty pages.
    inode_dirty_pages,
    task_files,
    /// Bits, not bytes: a bit field.
    task_in_iowait_bit,
    files_fdt,
    fdt_max_fds,
    fdt_fd,
    file_inode,
    file_private_data,
    inode_sb,
    sb_dev,
    binprm_filename,
    bio_sector,
    bio_status,
    /// The arguments of a system call, in the registers that it was entered with.
    regs_argument_0,
    regs_argument_1,
    regs_argument_2,
    regs_argument_3,
    regs_argument_4,
    regs_argument_5,
    /// The number of the system call; [`ABSENT`] where it is not kept there.
    regs_number,
    /// 1 when `sched_switch` passes the state of the task that leaves (5.18).
    switch_passes_state,
    /// 1 when `sched_process_exit` passes `group_dead`, else 0.
    exit_has_group_dead,
    /// 1 when `mark_victim` passes the victim, 0 when it passes a pid (before 6.9).
    mark_victim_passes_task,
    /// Where `block_bio_queue` and `block_split` pass the bio: 1 before 5.12, where a queue comes first.
    bio_queue_bio_argument,
    /// Where `block_rq_issue` passes the request: 1 before 5.11, where a queue comes first.
    rq_issue_request_argument,
    /// 1 when programs at tracepoints can keep something with a socket (5.11).
    has_socket_storage,
    /// 1 when programs at tracepoints can keep something with a task (5.13).
    has_task_storage,
    /// 1 when programs can have the running task as a pointer that the verifier knows (5.11).
    has_current_task,
    /// 1 when records of connects, accepts and closes are wanted.
    wants_connections,
    /// Possible CPUs, at most [`CPUS_MAX`]; 0 when there are more.
    cpus,
    /// Bytes in the ring buffer past which a record wakes the agent at once.
    wakeup_backlog,
}

const _: () = assert!(size_of::<KernelLayout>().is_multiple_of(4));

// SAFETY: a repr(C) struct of u32 only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for KernelLayout {}
