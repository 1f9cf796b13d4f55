//! Threads, and what the threads of one process share.

use core::ptr::read_volatile;

use aya_ebpf::{
    bindings::seq_file,
    helpers::generated::{bpf_get_current_task, bpf_get_current_task_btf},
};
use procwatch_common::{
    COMM_LEN,
    layout::ABSENT,
    totals::{RawProcessId, RawTotals},
};

use super::{Mm, layout, member, probe};

const PF_EXITING: u32 = 0x0000_0004;
const PF_KTHREAD: u32 = 0x0020_0000;
const SIGNAL_GROUP_EXIT: u32 = 0x0000_0004;
/// `exit_state` of a task that is about to be released, or already is.
pub const EXIT_DEAD: u32 = 0x10;

/// `struct bpf_iter__task`: what a pass over threads is at. The pointers are wrapped in unions of 8 bytes on every
/// architecture.
#[repr(C)]
pub struct TaskIterContext {
    meta: *const *mut seq_file,
    task: *const u8,
}

impl TaskIterContext {
    /// `None` after the last.
    ///
    /// # Safety
    /// The context must be the kernel's.
    #[inline(always)]
    pub unsafe fn task(context: *const Self) -> Option<Task> {
        // SAFETY: the caller's promise.
        Task::new(unsafe { read_volatile(&raw const (*context).task) })
    }

    /// Where the pass writes to.
    ///
    /// # Safety
    /// As above.
    #[inline(always)]
    pub unsafe fn sequence(context: *const Self) -> *mut seq_file {
        // SAFETY: the caller's promise.
        unsafe { read_volatile(read_volatile(&raw const (*context).meta)) }
    }
}

/// A `struct task_struct`: a thread, in the words of user space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Task(*const u8);

impl Task {
    /// `None` for a null pointer.
    #[inline(always)]
    pub fn new(task: *const u8) -> Option<Self> {
        if task.is_null() {
            None
        } else {
            Some(Self(task))
        }
    }

    /// The thread on whose behalf the program runs; in an interrupt, whichever was interrupted.
    #[inline(always)]
    pub fn current() -> Option<Self> {
        // SAFETY: a helper without arguments.
        Self::new(unsafe { bpf_get_current_task_btf() }.cast())
    }

    #[inline(always)]
    pub fn as_ptr(self) -> *const u8 {
        self.0
    }

    #[inline(always)]
    pub fn tgid(self) -> u32 {
        member!(self.0, task_tgid, u32)
    }

    #[inline(always)]
    pub fn tid(self) -> u32 {
        member!(self.0, task_pid, u32)
    }

    #[inline(always)]
    pub fn is_leader(self) -> bool {
        self.tid() == self.tgid()
    }

    #[inline(always)]
    fn flags(self) -> u32 {
        member!(self.0, task_flags, u32)
    }

    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        self.flags() & PF_KTHREAD != 0
    }

    #[inline(always)]
    pub fn is_exiting(self) -> bool {
        self.flags() & PF_EXITING != 0
    }

    #[inline(always)]
    pub fn state(self) -> u32 {
        member!(self.0, task_state, u32)
    }

    #[inline(always)]
    pub fn exit_state(self) -> u32 {
        member!(self.0, task_exit_state, u32)
    }

    #[inline(always)]
    fn exit_code(self) -> u32 {
        member!(self.0, task_exit_code, u32)
    }

    #[inline(always)]
    pub fn leader(self) -> Option<Self> {
        Self::new(member!(self.0, task_group_leader, *const u8))
    }

    #[inline(always)]
    pub fn real_parent(self) -> Option<Self> {
        Self::new(member!(self.0, task_real_parent, *const u8))
    }

    #[inline(always)]
    pub fn signal(self) -> Option<Signal> {
        let signal = member!(self.0, task_signal, *const u8);
        if signal.is_null() {
            None
        } else {
            Some(Signal(signal))
        }
    }

    /// `None` for kernel threads and once the address space is given up.
    #[inline(always)]
    pub fn mm(self) -> Option<Mm> {
        let mm = member!(self.0, task_mm, *const u8);
        Mm::new(mm)
    }

    #[inline(always)]
    pub fn uid(self) -> u32 {
        let cred = member!(self.0, task_cred, *const u8);
        if cred.is_null() {
            return 0;
        }
        member!(cred, cred_uid, u32)
    }

    /// The id of the task's cgroup in the unified hierarchy; 0 when the kernel has none.
    #[inline(always)]
    pub fn cgroup_id(self) -> u64 {
        if layout!(task_cgroups) == ABSENT {
            return 0;
        }
        let css_set = member!(self.0, task_cgroups, *const u8);
        if css_set.is_null() {
            return 0;
        }
        let cgroup = member!(css_set, css_set_dfl_cgrp, *const u8);
        if cgroup.is_null() {
            return 0;
        }
        let node = member!(cgroup, cgroup_kn, *const u8);
        if node.is_null() {
            return 0;
        }
        member!(node, kernfs_node_id, u64)
    }

    #[inline(always)]
    pub fn comm(self, into: &mut [u8; COMM_LEN]) {
        // SAFETY: the helper checks the source; the destination is 16 bytes.
        unsafe {
            aya_ebpf::helpers::generated::bpf_probe_read_kernel(
                into.as_mut_ptr().cast(),
                COMM_LEN as u32,
                self.0.byte_add(layout!(task_comm) as usize).cast(),
            );
        }
    }

    #[inline(always)]
    fn start_time_ns(self) -> u64 {
        member!(self.0, task_start_boottime, u64)
    }

    /// The identity of the process that this thread belongs to.
    #[inline(always)]
    pub fn process(self) -> RawProcessId {
        let start_time_ns = match self.leader() {
            Some(leader) => leader.start_time_ns(),
            None => 0,
        };
        RawProcessId {
            start_time_ns,
            tgid: self.tgid(),
            reserved: 0,
        }
    }

    /// The identity of the parent process: whoever `getppid` names.
    #[inline(always)]
    pub fn parent_process(self) -> RawProcessId {
        match self.real_parent() {
            Some(parent) => parent.process(),
            None => RawProcessId {
                start_time_ns: 0,
                tgid: 0,
                reserved: 0,
            },
        }
    }

    #[inline(always)]
    pub fn run_queue_wait_ns(self) -> u64 {
        if layout!(task_run_delay) == ABSENT {
            return 0;
        }
        member!(self.0, task_run_delay, u64)
    }

    /// A number that changes whenever the thread has run.
    #[inline(always)]
    pub fn activity(self) -> u64 {
        member!(self.0, task_sum_exec_runtime, u64)
            .wrapping_add(member!(self.0, task_nvcsw, u64))
            .wrapping_add(member!(self.0, task_nivcsw, u64))
    }

    /// This thread's own totals.
    #[inline(always)]
    pub fn totals(self) -> RawTotals {
        let mut totals = RawTotals {
            cpu_time_ns: member!(self.0, task_sum_exec_runtime, u64),
            run_queue_wait_ns: self.run_queue_wait_ns(),
            voluntary_switches: member!(self.0, task_nvcsw, u64),
            involuntary_switches: member!(self.0, task_nivcsw, u64),
            minor_faults: member!(self.0, task_min_flt, u64),
            major_faults: member!(self.0, task_maj_flt, u64),
            read_bytes: 0,
            write_bytes: 0,
            cancelled_write_bytes: 0,
            logical_read_bytes: 0,
            logical_write_bytes: 0,
        };
        if layout!(task_rchar) != ABSENT {
            totals.logical_read_bytes = member!(self.0, task_rchar, u64);
            totals.logical_write_bytes = member!(self.0, task_wchar, u64);
        }
        if layout!(task_read_bytes) != ABSENT {
            totals.read_bytes = member!(self.0, task_read_bytes, u64);
            totals.write_bytes = member!(self.0, task_write_bytes, u64);
            totals.cancelled_write_bytes = member!(self.0, task_cancelled_write_bytes, u64);
        }
        totals
    }

    /// Whether this signal is neither caught nor ignored.
    #[inline(always)]
    pub fn has_default_action(self, signal: u32) -> bool {
        let handlers = member!(self.0, task_sighand, *const u8);
        if handlers.is_null() {
            return false;
        }
        let number = u64::from(signal.wrapping_sub(1) & 63);
        let action = handlers as u64
            + u64::from(layout!(sighand_action))
            + number * u64::from(layout!(sigaction_size));
        // SIG_DFL is the null handler, which stands first.
        probe::<u64>(action, 0) == 0
    }

    /// Whether the thread has this signal blocked.
    #[inline(always)]
    pub fn has_blocked(self, signal: u32) -> bool {
        let blocked = member!(self.0, task_blocked, u64);
        blocked >> (signal.wrapping_sub(1) & 63) & 1 == 1
    }

    /// What `wait4` reports for the process of which this is the leader.
    #[inline(always)]
    pub fn wait_status(self, signal: Signal) -> u32 {
        // Both are loaded first: with the loads in the branches, the compiler shares them, and verifiers
        // before 6.2 take the one structure's offset to be used on the other.
        let (of_group, own) = (signal.group_exit_code(), self.exit_code());
        if signal.flags() & SIGNAL_GROUP_EXIT != 0 {
            of_group
        } else {
            own
        }
    }
}

/// The process on whose behalf the program runs, on kernels of every age.
#[derive(Clone, Copy)]
pub struct CurrentProcess {
    pub id: RawProcessId,
    pub is_kernel_thread: bool,
}

impl CurrentProcess {
    #[inline(always)]
    pub fn get() -> Option<Self> {
        if layout!(has_current_task) == 1 {
            let task = Task::current()?;
            return Some(Self {
                id: task.process(),
                is_kernel_thread: task.is_kernel_thread(),
            });
        }
        // SAFETY: a helper without arguments.
        let task = unsafe { bpf_get_current_task() };
        let leader: u64 = probe(task, layout!(task_group_leader));
        let flags: u32 = probe(task, layout!(task_flags));
        Some(Self {
            id: RawProcessId {
                start_time_ns: probe(leader, layout!(task_start_boottime)),
                tgid: probe(task, layout!(task_tgid)),
                reserved: 0,
            },
            is_kernel_thread: flags & PF_KTHREAD != 0,
        })
    }
}

/// A `struct signal_struct`: what the threads of one process share.
#[derive(Clone, Copy)]
pub struct Signal(*const u8);

impl Signal {
    /// Threads that have not yet begun to exit.
    #[inline(always)]
    pub fn live(self) -> u32 {
        member!(self.0, signal_live, u32)
    }

    /// Threads that are not yet released.
    #[inline(always)]
    pub fn threads(self) -> u32 {
        member!(self.0, signal_nr_threads, u32)
    }

    #[inline(always)]
    fn flags(self) -> u32 {
        member!(self.0, signal_flags, u32)
    }

    #[inline(always)]
    fn group_exit_code(self) -> u32 {
        member!(self.0, signal_group_exit_code, u32)
    }

    #[inline(always)]
    pub fn cpu_time_ns(self) -> u64 {
        member!(self.0, signal_sum_sched_runtime, u64)
    }

    #[inline(always)]
    pub fn voluntary_switches(self) -> u64 {
        member!(self.0, signal_nvcsw, u64)
    }

    #[inline(always)]
    pub fn involuntary_switches(self) -> u64 {
        member!(self.0, signal_nivcsw, u64)
    }

    #[inline(always)]
    pub fn minor_faults(self) -> u64 {
        member!(self.0, signal_min_flt, u64)
    }

    #[inline(always)]
    pub fn major_faults(self) -> u64 {
        member!(self.0, signal_maj_flt, u64)
    }

    /// The signal that ends every thread of the process, when one has been sent; 0 before, and when it
    /// dumps core, for which the kernel waits until a thread takes the signal.
    #[inline(always)]
    pub fn ending_signal(self) -> u32 {
        if self.flags() & SIGNAL_GROUP_EXIT == 0 {
            return 0;
        }
        self.group_exit_code() & 0x7f
    }

    /// The bits of an `i32`.
    #[inline(always)]
    pub fn oom_score_adjustment(self) -> u32 {
        i32::from(member!(self.0, signal_oom_score_adj, i16)) as u32
    }

    /// The highest resident set of any address space that the process has had and given up, pages.
    #[inline(always)]
    pub fn peak_rss_pages(self) -> u64 {
        member!(self.0, signal_maxrss, u64)
    }
}
