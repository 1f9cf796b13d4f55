//! Every program: where it hooks in, what needs it, and what happened when it was attached.

use serde::Serialize;

/// One program and its hook.
#[derive(Debug, PartialEq, Eq)]
pub struct Probe {
    /// The program's name in the object, at most 15 bytes: the kernel cuts longer ones off.
    pub program: &'static str,
    pub hook: Hook,
    /// What a user loses without it.
    pub needed_for: &'static str,
}

/// A way into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint with typed arguments.
    BtfTracepoint(&'static str),
    /// A pass over all tasks, started by the agent.
    TaskIterator,
}

impl std::fmt::Display for Hook {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BtfTracepoint(name) => write!(out, "tp_btf/{name}"),
            Self::TaskIterator => out.write_str("iter/task"),
        }
    }
}

pub const TASKS: &str = "pw_tasks";
pub const ACTIVE_TASKS: &str = "pw_active_tasks";
pub const PER_CPU: &str = "pw_per_cpu";

/// All programs. Each is required: an account with holes would have to be marked as such throughout,
/// and /proc alone is the better account then.
pub const PROBES: &[Probe] = &[
    Probe {
        program: "pw_fork",
        hook: Hook::BtfTracepoint("sched_process_fork"),
        needed_for: "births and the fork tree",
    },
    Probe {
        program: "pw_exec",
        hook: Hook::BtfTracepoint("sched_process_exec"),
        needed_for: "executables and command lines",
    },
    Probe {
        program: "pw_exit",
        hook: Hook::BtfTracepoint("sched_process_exit"),
        needed_for: "exits, their codes and signals",
    },
    Probe {
        program: "pw_free",
        hook: Hook::BtfTracepoint("sched_process_free"),
        needed_for: "final totals of ended processes",
    },
    Probe {
        program: TASKS,
        hook: Hook::TaskIterator,
        needed_for: "totals of living processes",
    },
    Probe {
        program: ACTIVE_TASKS,
        hook: Hook::TaskIterator,
        needed_for: "totals of processes that did anything since the last pass",
    },
    Probe {
        program: PER_CPU,
        hook: Hook::TaskIterator,
        needed_for: "exact resident memory (once, at start)",
    },
];

/// What became of a probe on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ProbeState {
    Active,
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
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unsupported { .. } => "unsupported",
            Self::Failed { .. } => "failed",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Active => None,
            Self::Unsupported { reason } | Self::Failed { reason } => Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_the_kernels_fifteen_bytes() {
        for probe in PROBES {
            assert!(probe.program.len() <= 15, "{}", probe.program);
        }
    }
}
