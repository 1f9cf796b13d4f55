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
    /// 1 when `sched_process_exit` passes `group_dead`, else 0.
    exit_has_group_dead,
    /// Possible CPUs, at most [`CPUS_MAX`]; 0 when there are more.
    cpus,
    /// Bytes in the ring buffer past which a record wakes the agent at once.
    wakeup_backlog,
}

const _: () = assert!(size_of::<KernelLayout>().is_multiple_of(4));

// SAFETY: a repr(C) struct of u32 only: no padding, every bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for KernelLayout {}
