//! What procwatch tells on each kernel: as it is to be, and as a run has found it.
//!
//! A test that finds its hook missing skips itself, and says why. So that this hides no hook that has got lost,
//! the states are written down here, and a kernel on which one differs has failed.

use super::{
    KERNELS,
    hooks::{Hooks, State},
};

/// Hooks that tell one thing.
pub struct Capability {
    /// For readers of README.
    pub name: &'static str,
    pub group: &'static str,
    /// In the order of [`KERNELS`].
    expected: [State; KERNELS.len()],
    /// What is less on some kernels though every hook is there, by the name of the kernel. The tests know of it.
    less: &'static [(&'static str, &'static str)],
}

use State::{Active, Fallback, Unsupported};

pub const CAPABILITIES: &[Capability] = &[
    Capability {
        name: "births, programs and ends, with final totals",
        group: "accounts",
        expected: [Active, Active, Active, Active],
        less: &[],
    },
    Capability {
        name: "totals of the living",
        group: "living",
        expected: [Active, Active, Active, Active],
        less: &[],
    },
    Capability {
        name: "bytes through sockets",
        group: "network",
        expected: [Fallback, Fallback, Active, Active],
        less: &[
            ("5.10", "what is spliced or mapped out of TCP sockets"),
            ("7.2", "what is spliced out of MPTCP sockets"),
        ],
    },
    Capability {
        name: "connections",
        group: "connections",
        expected: [Unsupported, Active, Active, Active],
        less: &[],
    },
    Capability {
        name: "block devices",
        group: "block",
        expected: [Active, Active, Active, Active],
        less: &[],
    },
    Capability {
        name: "write-back by owner",
        group: "writeback",
        expected: [Active, Active, Active, Active],
        less: &[],
    },
    Capability {
        name: "OOM kills",
        group: "oom",
        expected: [Active, Active, Active, Active],
        less: &[
            ("5.10", "the victim's memory and score"),
            ("6.1", "the victim's memory and score"),
        ],
    },
    Capability {
        name: "fatal signals",
        group: "signals",
        expected: [Active, Active, Active, Active],
        less: &[],
    },
];

impl Capability {
    fn expected_on(&self, kernel: &str) -> Option<State> {
        let mut all = KERNELS.iter().zip(self.expected);
        all.find_map(|(one, state)| (one.name == kernel).then_some(state))
    }

    /// What is not told on a kernel with these hooks, for the notes of README.
    pub fn lacks<'a>(&'a self, kernel: &str, hooks: &'a Hooks) -> Vec<&'a str> {
        let mut lacks = hooks.lacks(self.group);
        let known = self.less.iter().filter(|(one, _)| *one == kernel);
        lacks.extend(known.map(|(_, lack)| *lack));
        lacks
    }
}

/// Every difference between what is to be and what a kernel's status says.
pub fn differences(kernel: &str, hooks: &Hooks) -> Vec<String> {
    let mut differences = Vec::new();
    for capability in CAPABILITIES {
        let (expected, seen) = (
            capability.expected_on(kernel),
            hooks.state(capability.group),
        );
        if expected != seen {
            let said =
                |state: Option<State>| state.map_or("missing".to_owned(), |it| it.to_string());
            differences.push(format!(
                "{} is to be {}, and is {}: {}",
                capability.group,
                said(expected),
                said(seen),
                hooks.lacks(capability.group).join("; ")
            ));
        }
    }
    for group in hooks.groups() {
        if !CAPABILITIES
            .iter()
            .any(|capability| capability.group == group)
        {
            differences.push(format!(
                "{group} is in no row of xtask/src/kernels/capabilities.rs"
            ));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::hooks::tests::old;

    #[test]
    fn a_hook_that_got_lost_and_one_that_nobody_expects_are_differences() {
        let all = differences("6.1", &old());
        let of = |group: &str| all.iter().find(|line| line.starts_with(group));
        assert_eq!(
            of("connections").map(String::as_str),
            Some("connections is to be active, and is unsupported: this kernel cannot")
        );
        assert!(of("signals").is_some_and(|line| line.contains("and is missing")));
        assert_eq!(of("network"), None, "a fallback is expected there");
    }
}
