//! Every program: where it hooks in, what needs it, and what takes its place where a kernel lacks the hook.
//!
//! One table, and one loop in [`super::attach`] that goes through it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::refusal::AttachError;

/// One thing that hooks measure, and the ways to measure it, the best first.
#[derive(Debug, PartialEq, Eq)]
pub struct Probe {
    /// The name of the first way's first program.
    pub program: &'static str,
    pub figures: Figures,
    /// What a user loses without it.
    pub needed_for: &'static str,
    /// The first that this kernel has and takes is used.
    pub ways: &'static [Way],
}

/// Programs that together measure something.
#[derive(Debug, PartialEq, Eq)]
pub struct Way {
    /// Each program with its hook. Names are those in the object, at most 15 bytes: the kernel cuts longer
    /// ones off.
    pub programs: &'static [(&'static str, Hook)],
    /// The releases of Linux that have these hooks, as it is told to users.
    pub kernels: &'static str,
    /// What a kernel must be able to do besides.
    pub needs: Option<Ability>,
    /// What this way misses and the first does not. `None` of the first.
    pub loses: Option<&'static str>,
}

/// What programs do with the help of the kernel, and some kernels cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// A tracing program keeps something with a socket.
    SocketStorage,
}

impl Ability {
    /// Completes "this kernel cannot".
    pub const fn lacking(self) -> &'static str {
        match self {
            Self::SocketStorage => {
                "let tracing programs keep something with a socket, as 5.11 and later can"
            }
        }
    }
}

/// Groups of figures that stand and fall together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figures {
    /// Births, ends and totals. An account with holes would have to be marked as such throughout, and /proc
    /// alone is the better account then: all of these, or none.
    Accounts,
    /// Bytes through sockets, per process.
    Network,
    /// Sockets one by one. Needs those of [`Self::Network`].
    Connections,
    Block,
    /// Dirty pages' owners.
    Writeback,
    Oom,
    Signals,
}

/// A way into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint with typed arguments.
    BtfTracepoint(&'static str),
    /// The return of a kernel function, with its arguments.
    FunctionExit(&'static str),
    /// A pass over what the kernel has of a kind, started by the agent.
    Iterator(&'static str),
}

impl std::fmt::Display for Hook {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BtfTracepoint(name) => write!(out, "tp_btf/{name}"),
            Self::FunctionExit(name) => write!(out, "fexit/{name}"),
            Self::Iterator(name) => write!(out, "iter/{name}"),
        }
    }
}

pub const TASKS: &str = "pw_tasks";
pub const ACTIVE_TASKS: &str = "pw_active_tasks";
pub const PER_CPU: &str = "pw_per_cpu";
pub const SOCKETS: &str = "pw_sockets";
pub const SETTLE: &str = "pw_settle";
pub const SOCKET_FILES: &str = "pw_socket_files";

/// A probe that there is one way for.
macro_rules! probe {
    ($figures:ident, $program:expr, $hook:expr, $kernels:literal, $needed_for:literal) => {
        probe!($figures, $program, $hook, $kernels, None, $needed_for)
    };
    ($figures:ident, $program:expr, $hook:expr, $kernels:literal, $needs:expr, $needed_for:literal) => {
        Probe {
            program: $program,
            figures: Figures::$figures,
            needed_for: $needed_for,
            ways: &[Way {
                programs: &[($program, $hook)],
                kernels: $kernels,
                needs: $needs,
                loses: None,
            }],
        }
    };
}

pub const PROBES: &[Probe] = &[
    probe!(
        Accounts,
        "pw_fork",
        Hook::BtfTracepoint("sched_process_fork"),
        "5.5+",
        "births and the fork tree"
    ),
    probe!(
        Accounts,
        "pw_exec",
        Hook::BtfTracepoint("sched_process_exec"),
        "5.5+",
        "executables and command lines"
    ),
    probe!(
        Accounts,
        "pw_exit",
        Hook::BtfTracepoint("sched_process_exit"),
        "5.5+",
        "exits, their codes and signals"
    ),
    probe!(
        Accounts,
        "pw_free",
        Hook::BtfTracepoint("sched_process_free"),
        "5.5+",
        "final totals of ended processes"
    ),
    probe!(
        Accounts,
        TASKS,
        Hook::Iterator("task"),
        "5.8+",
        "totals of living processes"
    ),
    probe!(
        Accounts,
        ACTIVE_TASKS,
        Hook::Iterator("task"),
        "5.8+",
        "totals of processes that did anything since the last pass"
    ),
    probe!(
        Accounts,
        PER_CPU,
        Hook::Iterator("task"),
        "5.8+",
        "exact resident memory (once, at start)"
    ),
    Probe {
        program: "pw_sent",
        figures: Figures::Network,
        needed_for: "bytes sent over sockets",
        ways: &[
            Way {
                programs: &[("pw_sent", Hook::BtfTracepoint("sock_send_length"))],
                kernels: "6.3+",
                needs: None,
                loses: None,
            },
            Way {
                programs: &[
                    ("pw_sent_inet", Hook::FunctionExit("inet_sendmsg")),
                    ("pw_sent_inet6", Hook::FunctionExit("inet6_sendmsg")),
                    ("pw_sent_page", Hook::FunctionExit("inet_sendpage")),
                    ("pw_sent_stream", Hook::FunctionExit("unix_stream_sendmsg")),
                    ("pw_stream_page", Hook::FunctionExit("unix_stream_sendpage")),
                    ("pw_sent_dgram", Hook::FunctionExit("unix_dgram_sendmsg")),
                ],
                kernels: "5.5 to 6.2",
                needs: None,
                loses: Some("what goes over sockets other than TCP, UDP, raw IP and Unix"),
            },
        ],
    },
    Probe {
        program: "pw_received",
        figures: Figures::Network,
        needed_for: "bytes received over sockets",
        ways: &[
            Way {
                programs: &[("pw_received", Hook::BtfTracepoint("sock_recv_length"))],
                kernels: "6.3+",
                needs: None,
                loses: None,
            },
            Way {
                programs: &[
                    ("pw_recv_inet", Hook::FunctionExit("inet_recvmsg")),
                    ("pw_recv_inet6", Hook::FunctionExit("inet6_recvmsg")),
                    ("pw_recv_stream", Hook::FunctionExit("unix_stream_recvmsg")),
                    ("pw_recv_dgram", Hook::FunctionExit("unix_dgram_recvmsg")),
                ],
                kernels: "5.5 to 6.2",
                needs: None,
                loses: Some("what comes over sockets other than TCP, UDP, raw IP and Unix"),
            },
        ],
    },
    probe!(
        Connections,
        "pw_tcp_state",
        Hook::BtfTracepoint("inet_sock_set_state"),
        "5.11+",
        Some(Ability::SocketStorage),
        "connects and accepts"
    ),
    probe!(
        Connections,
        "pw_tcp_gone",
        Hook::BtfTracepoint("tcp_destroy_sock"),
        "5.11+",
        Some(Ability::SocketStorage),
        "ends of connections"
    ),
    probe!(
        Connections,
        SOCKETS,
        Hook::Iterator("bpf_sk_storage_map"),
        "5.11+",
        Some(Ability::SocketStorage),
        "the list of connections"
    ),
    probe!(
        Connections,
        SETTLE,
        Hook::Iterator("bpf_sk_storage_map"),
        "5.11+",
        Some(Ability::SocketStorage),
        "bytes read off TCP streams by splice"
    ),
    probe!(
        Connections,
        SOCKET_FILES,
        Hook::Iterator("task_file"),
        "5.11+",
        Some(Ability::SocketStorage),
        "whose the connections are that are older than collection"
    ),
    probe!(
        Block,
        "pw_bio_queue",
        Hook::BtfTracepoint("block_bio_queue"),
        "5.5+",
        "bytes to and from block devices"
    ),
    probe!(
        Block,
        "pw_bio_split",
        Hook::BtfTracepoint("block_split"),
        "5.5+",
        "block I/O that devices take in parts"
    ),
    probe!(
        Block,
        "pw_rq_issue",
        Hook::BtfTracepoint("block_rq_issue"),
        "5.5+",
        "time in the queues of block devices"
    ),
    probe!(
        Block,
        "pw_rq_complete",
        Hook::BtfTracepoint("block_rq_complete"),
        "5.5+",
        "latency of block devices"
    ),
    Probe {
        program: "pw_dirty",
        figures: Figures::Writeback,
        needed_for: "whose pages kernel threads write back",
        ways: &[
            Way {
                programs: &[("pw_dirty", Hook::BtfTracepoint("writeback_dirty_folio"))],
                kernels: "5.18+",
                needs: None,
                loses: None,
            },
            Way {
                programs: &[("pw_dirty", Hook::BtfTracepoint("writeback_dirty_page"))],
                kernels: "5.5 to 5.17",
                needs: None,
                loses: None,
            },
        ],
    },
    probe!(
        Writeback,
        "pw_clean",
        Hook::BtfTracepoint("writeback_single_inode"),
        "5.5+",
        "when a file is nobody's any more"
    ),
    probe!(
        Oom,
        "pw_oom",
        Hook::BtfTracepoint("mark_victim"),
        "5.5+",
        "victims of the OOM killer"
    ),
    probe!(
        Signals,
        "pw_signal",
        Hook::BtfTracepoint("signal_generate"),
        "5.5+",
        "fatal signals and who sent them"
    ),
];

/// What became of a probe on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeState {
    Active,
    /// Measured another way, that misses something.
    Fallback {
        hooks: String,
        kernels: Cow<'static, str>,
        loses: Cow<'static, str>,
    },
    /// This host does not have the hook.
    Unsupported {
        reason: String,
    },
    /// The host has the hook and refused it.
    Failed {
        reason: String,
    },
}

impl ProbeState {
    /// Of a probe that was refused, or of all of them where one that the accounts need was.
    pub fn of_refusal(error: &AttachError) -> Self {
        let reason = error.to_string();
        if error.is_unsupported() {
            Self::Unsupported { reason }
        } else {
            Self::Failed { reason }
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Fallback { .. } => "fallback",
            Self::Unsupported { .. } => "unsupported",
            Self::Failed { .. } => "failed",
        }
    }

    /// What is lost, or why it does not work.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Active => None,
            Self::Fallback { loses, .. } => Some(loses),
            Self::Unsupported { reason } | Self::Failed { reason } => Some(reason),
        }
    }

    pub const fn is_measuring(&self) -> bool {
        matches!(self, Self::Active | Self::Fallback { .. })
    }
}

impl Probe {
    /// The hooks in use, or those that were wanted, and the kernels that have them.
    pub fn hooks<'a>(&self, state: &'a ProbeState) -> (String, &'a str) {
        match (state, self.ways) {
            (ProbeState::Fallback { hooks, kernels, .. }, _) => (hooks.clone(), kernels),
            (_, [first, ..]) => (first.hooks(), first.kernels),
            (_, []) => (String::new(), ""),
        }
    }
}

impl Way {
    pub fn hooks(&self) -> String {
        let hooks: Vec<_> = self
            .programs
            .iter()
            .map(|(_, hook)| hook.to_string())
            .collect();
        hooks.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_the_kernels_fifteen_bytes() {
        for probe in PROBES {
            assert_eq!(probe.program, probe.ways[0].programs[0].0);
            for (program, _) in probe.ways.iter().flat_map(|way| way.programs) {
                assert!(program.len() <= 15, "{program}");
            }
        }
    }
}
