//! The kernel's layout, as the programs need it, from its BTF.

use procwatch_common::layout::{ABSENT, CPUS_MAX, KernelLayout};
use thiserror::Error;

use super::btf::Btf;

/// Every name that [`resolve`] asks for.
pub const NAMES: &[&str] = &[
    "task_struct",
    "signal_struct",
    "mm_struct",
    "percpu_counter",
    "file",
    "dentry",
    "vfsmount",
    "mount",
    "cred",
    "css_set",
    "cgroup",
    "kernfs_node",
    "bpf_array",
    "sighand_struct",
    "socket",
    "sock",
    "net",
    "inet_sock",
    "inet_connection_sock",
    "tcp_sock",
    "bio",
    "block_device",
    "gendisk",
    "block_device_operations",
    "request",
    "page",
    "folio",
    "address_space",
    "inode",
    "files_struct",
    "fdtable",
    "super_block",
    "linux_binprm",
    "pt_regs",
    "inode_state_flags_t",
    "inode_state_flags_enum",
    "bpf_sk_storage_get_tracing",
    "bpf_get_current_task_btf",
    "btf_trace_sched_process_exit",
    "btf_trace_mark_victim",
    "btf_trace_block_bio_queue",
    "btf_trace_block_rq_issue",
    "btf_trace_sched_switch",
];

/// The kernel lacks something that no figure can do without.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("this kernel's type information has no {structure}.{path}")]
pub struct LayoutError {
    structure: &'static str,
    path: &'static str,
}

/// Looks up every offset. Members that some kernels lack become [`ABSENT`].
///
/// # Errors
/// When this kernel lacks a member that no account can do without.
pub fn resolve(
    btf: &Btf,
    cpus: usize,
    wakeup_backlog: u32,
    wanted: Wanted,
) -> Result<KernelLayout, LayoutError> {
    let needed = |structure, path| {
        btf.member(structure, path)
            .map(|member| member.offset)
            .ok_or(LayoutError { structure, path })
    };
    let optional = |structure, path| needed(structure, path).unwrap_or(ABSENT);
    let task = |path| needed("task_struct", path);
    let signal = |path| needed("signal_struct", path);
    let mm = |path| needed("mm_struct", path);
    let sock = |path| optional("sock", path);
    let bio = |path| optional("bio", path);
    // As the calling conventions of x86-64 and of arm64 have it.
    let argument = |place: usize| {
        let register = ["di", "si", "dx", "r10", "r8", "r9"][place];
        let listed = optional("pt_regs", "regs");
        needed("pt_regs", register).unwrap_or(match listed {
            ABSENT => ABSENT,
            first => first + 8 * place as u32,
        })
    };

    let rss_stat = btf.member("mm_struct", "rss_stat");
    let per_cpu_counters = rss_stat.and_then(|member| btf.array_element(member));
    let rss = match per_cpu_counters {
        // 6.2 and later: an array of percpu_counter.
        Some((size, true)) => RssCounters {
            array: mm("rss_stat")?,
            size,
            count: needed("percpu_counter", "count")?,
            percpu: needed("percpu_counter", "counters")?,
        },
        // Before: a struct that holds an array of longs.
        _ => RssCounters {
            array: mm("rss_stat.count")?,
            size: 8,
            count: 0,
            percpu: ABSENT,
        },
    };

    Ok(KernelLayout {
        task_tgid: task("tgid")?,
        task_pid: task("pid")?,
        task_flags: task("flags")?,
        task_state: task("__state").or_else(|_| task("state"))?,
        task_exit_state: task("exit_state")?,
        task_exit_code: task("exit_code")?,
        task_group_leader: task("group_leader")?,
        task_real_parent: task("real_parent")?,
        task_signal: task("signal")?,
        task_mm: task("mm")?,
        task_cred: task("cred")?,
        task_cgroups: optional("task_struct", "cgroups"),
        task_comm: task("comm")?,
        task_start_boottime: task("start_boottime")?,
        task_sum_exec_runtime: task("se.sum_exec_runtime")?,
        task_run_delay: optional("task_struct", "sched_info.run_delay"),
        task_nvcsw: task("nvcsw")?,
        task_nivcsw: task("nivcsw")?,
        task_min_flt: task("min_flt")?,
        task_maj_flt: task("maj_flt")?,
        task_rchar: optional("task_struct", "ioac.rchar"),
        task_wchar: optional("task_struct", "ioac.wchar"),
        task_read_bytes: optional("task_struct", "ioac.read_bytes"),
        task_write_bytes: optional("task_struct", "ioac.write_bytes"),
        task_cancelled_write_bytes: optional("task_struct", "ioac.cancelled_write_bytes"),
        task_sighand: task("sighand")?,
        task_blocked: task("blocked")?,
        sighand_action: needed("sighand_struct", "action")?,
        sigaction_size: btf
            .member("sighand_struct", "action")
            .and_then(|member| btf.array_element(member))
            .map_or(ABSENT, |(size, _)| size),
        signal_live: signal("live.counter")?,
        signal_nr_threads: signal("nr_threads")?,
        signal_flags: signal("flags")?,
        signal_group_exit_code: signal("group_exit_code")?,
        signal_sum_sched_runtime: signal("sum_sched_runtime")?,
        signal_nvcsw: signal("nvcsw")?,
        signal_nivcsw: signal("nivcsw")?,
        signal_min_flt: signal("min_flt")?,
        signal_maj_flt: signal("maj_flt")?,
        signal_maxrss: signal("maxrss")?,
        signal_oom_score_adj: signal("oom_score_adj")?,
        mm_hiwater_rss: mm("hiwater_rss")?,
        mm_arg_start: mm("arg_start")?,
        mm_arg_end: mm("arg_end")?,
        mm_exe_file: mm("exe_file")?,
        mm_rss_stat: rss.array,
        rss_counter_size: rss.size,
        rss_counter_count: rss.count,
        rss_counter_percpu: rss.percpu,
        file_path_mnt: needed("file", "f_path.mnt")?,
        file_path_dentry: needed("file", "f_path.dentry")?,
        dentry_parent: needed("dentry", "d_parent")?,
        dentry_name: needed("dentry", "d_name.name")?,
        dentry_hash_pprev: optional("dentry", "d_hash.pprev"),
        vfsmount_root: needed("vfsmount", "mnt_root")?,
        mount_vfsmount: needed("mount", "mnt")?,
        mount_parent: needed("mount", "mnt_parent")?,
        mount_mountpoint: needed("mount", "mnt_mountpoint")?,
        cred_uid: needed("cred", "uid.val")?,
        css_set_dfl_cgrp: optional("css_set", "dfl_cgrp"),
        cgroup_kn: optional("cgroup", "kn"),
        kernfs_node_id: optional("kernfs_node", "id"),
        bpf_array_pptrs: optional("bpf_array", "pptrs"),
        socket_sk: optional("socket", "sk"),
        sock_family: sock("__sk_common.skc_family"),
        sock_protocol: sock("sk_protocol"),
        sock_state: sock("__sk_common.skc_state"),
        sock_err: sock("sk_err"),
        sock_flags: sock("__sk_common.skc_flags"),
        sock_lock_owned: sock("sk_lock.owned"),
        sock_daddr: sock("__sk_common.skc_daddr"),
        sock_rcv_saddr: sock("__sk_common.skc_rcv_saddr"),
        sock_v6_daddr: sock("__sk_common.skc_v6_daddr"),
        sock_v6_rcv_saddr: sock("__sk_common.skc_v6_rcv_saddr"),
        sock_dport: sock("__sk_common.skc_dport"),
        sock_num: sock("__sk_common.skc_num"),
        sock_net: sock("__sk_common.skc_net.net"),
        inet_sport: optional("inet_sock", "inet_sport"),
        net_inum: optional("net", "ns.inum"),
        icsk_ulp_ops: optional("inet_connection_sock", "icsk_ulp_ops"),
        tcp_copied_seq: optional("tcp_sock", "copied_seq"),
        tcp_rcv_nxt: optional("tcp_sock", "rcv_nxt"),
        tcp_bytes_received: optional("tcp_sock", "bytes_received"),
        tcp_bytes_acked: optional("tcp_sock", "bytes_acked"),
        tcp_write_seq: optional("tcp_sock", "write_seq"),
        tcp_snd_una: optional("tcp_sock", "snd_una"),
        tcp_srtt_us: optional("tcp_sock", "srtt_us"),
        tcp_total_retrans: optional("tcp_sock", "total_retrans"),
        bio_bdev: bio("bi_bdev"),
        bio_disk: bio("bi_disk"),
        bio_opf: bio("bi_opf"),
        bio_size: bio("bi_iter.bi_size"),
        bio_idx: bio("bi_iter.bi_idx"),
        bio_next: bio("bi_next"),
        bio_io_vec: bio("bi_io_vec"),
        bio_private: bio("bi_private"),
        bdev_disk: optional("block_device", "bd_disk"),
        disk_major: optional("gendisk", "major"),
        disk_first_minor: optional("gendisk", "first_minor"),
        disk_fops: optional("gendisk", "fops"),
        fops_submit_bio: optional("block_device_operations", "submit_bio"),
        request_bio: optional("request", "bio"),
        request_flags: optional("request", "cmd_flags"),
        page_mapping: needed("page", "mapping").unwrap_or_else(|_| optional("folio", "mapping")),
        page_compound_head: optional("page", "compound_head"),
        mapping_host: optional("address_space", "host"),
        inode_ino: optional("inode", "i_ino"),
        inode_generation: optional("inode", "i_generation"),
        inode_mode: optional("inode", "i_mode"),
        inode_state: optional("inode", "i_state"),
        inode_dirty_pages: dirty_pages_bit(btf),
        task_files: optional("task_struct", "files"),
        task_in_iowait_bit: btf.bit("task_struct", "in_iowait").unwrap_or(ABSENT),
        files_fdt: optional("files_struct", "fdt"),
        fdt_max_fds: optional("fdtable", "max_fds"),
        fdt_fd: optional("fdtable", "fd"),
        file_inode: optional("file", "f_inode"),
        file_private_data: optional("file", "private_data"),
        inode_sb: optional("inode", "i_sb"),
        sb_dev: optional("super_block", "s_dev"),
        binprm_filename: optional("linux_binprm", "filename"),
        bio_sector: bio("bi_iter.bi_sector"),
        bio_status: bio("bi_status"),
        regs_argument_0: argument(0),
        regs_argument_1: argument(1),
        regs_argument_2: argument(2),
        regs_argument_3: argument(3),
        regs_argument_4: argument(4),
        regs_argument_5: argument(5),
        regs_number: optional("pt_regs", "orig_ax"),
        switch_passes_state: u32::from(btf.tracepoint_arguments("sched_switch") > Some(3)),
        mark_victim_passes_task: u32::from(btf.tracepoint_arguments("mark_victim") > Some(1)),
        bio_queue_bio_argument: u32::from(btf.tracepoint_arguments("block_bio_queue") > Some(1)),
        rq_issue_request_argument: u32::from(btf.tracepoint_arguments("block_rq_issue") > Some(1)),
        has_socket_storage: u32::from(btf.has_function("bpf_sk_storage_get_tracing")),
        has_task_storage: u32::from(wanted.task_storage),
        has_current_task: u32::from(btf.has_function("bpf_get_current_task_btf")),
        wants_connections: u32::from(wanted.connections),
        exit_has_group_dead: u32::from(btf.tracepoint_arguments("sched_process_exit") > Some(1)),
        cpus: if cpus <= CPUS_MAX { cpus as u32 } else { 0 },
        wakeup_backlog,
    })
}

/// What the agent has decided on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What threads move is kept with the task, and not in a hash table.
    pub task_storage: bool,
    /// Records of connects, accepts and closes: some listeners would only throw them away.
    pub connections: bool,
}

/// `I_DIRTY_PAGES`: an enumerator since 6.10, a macro of this value before.
fn dirty_pages_bit(btf: &Btf) -> u32 {
    const BEFORE: u32 = 1 << 2;
    ["inode_state_flags_t", "inode_state_flags_enum"]
        .iter()
        .find_map(|name| btf.enumerator(name, "I_DIRTY_PAGES"))
        .unwrap_or(BEFORE)
}

struct RssCounters {
    array: u32,
    size: u32,
    count: u32,
    percpu: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernels_layout_is_complete() {
        let Ok(data) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            eprintln!("skipped: this kernel has no BTF");
            return;
        };
        let btf = Btf::parse(data, NAMES).unwrap();
        let layout = resolve(&btf, 4, 0, Wanted::default()).unwrap();
        assert_ne!(layout.task_tgid, layout.task_pid);
    }
}
