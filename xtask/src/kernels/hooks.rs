//! What `procwatch status` says of its hooks in a guest.

use std::{collections::BTreeSet, fmt};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Active,
    Fallback,
    Unsupported,
    Failed,
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Active => "active",
            Self::Fallback => "fallback",
            Self::Unsupported => "unsupported",
            Self::Failed => "FAILED",
        })
    }
}

#[derive(Debug, Deserialize)]
pub struct Hook {
    pub program: String,
    pub figures: String,
    pub hook: String,
    pub state: State,
    /// Of a fallback, what is missed; of one that is not there, why.
    pub reason: Option<String>,
}

impl Hook {
    /// The passes over living tasks are a group of their own: without them ends would still be told.
    fn group(&self) -> &str {
        let is_pass = self.hook.starts_with("iter/task") && self.figures == "accounts";
        if is_pass { "living" } else { &self.figures }
    }
}

#[derive(Debug, Deserialize)]
pub struct Hooks {
    hooks: Vec<Hook>,
}

impl Hooks {
    /// The line of `text` that is an object.
    pub fn parse(text: &str) -> Result<Self> {
        let line = text.lines().find(|line| line.starts_with('{'));
        let line = line.context("procwatch has told no status")?;
        serde_json::from_str(line).context("reading procwatch's status")
    }

    pub fn all(&self) -> &[Hook] {
        &self.hooks
    }

    pub fn groups(&self) -> BTreeSet<&str> {
        self.hooks.iter().map(Hook::group).collect()
    }

    /// That of the worst hook of a group. `None` when there is no such group.
    pub fn state(&self, group: &str) -> Option<State> {
        self.of(group).map(|hook| hook.state).max()
    }

    /// What a group does not tell, each thing once: what its fallbacks lose, or why hooks are missing.
    pub fn lacks<'a>(&'a self, group: &'a str) -> Vec<&'a str> {
        let mut lacks = Vec::new();
        for lack in self.of(group).filter_map(|hook| hook.reason.as_deref()) {
            if !lacks.contains(&lack) {
                lacks.push(lack);
            }
        }
        lacks
    }

    fn of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Hook> {
        self.hooks.iter().filter(move |hook| hook.group() == group)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Of a kernel on which a fallback sends, nothing tells of connections, and the rest works.
    pub const OLD: &str = r#"ready: 3 hooks attached
{"hooks":[
{"program":"pw_exit","figures":"accounts","hook":"tp_btf/sched_process_exit","state":"active","reason":null},
{"program":"pw_tasks","figures":"accounts","hook":"iter/task","state":"active","reason":null},
{"program":"pw_sent","figures":"network","hook":"fexit/inet_sendmsg","state":"fallback","reason":"what is odd"},
{"program":"pw_tcp_state","figures":"connections","hook":"tp_btf/inet_sock_set_state","state":"unsupported","reason":"this kernel cannot"},
{"program":"pw_tcp_gone","figures":"connections","hook":"tp_btf/tcp_destroy_sock","state":"unsupported","reason":"this kernel cannot"}
]}"#;

    pub fn old() -> Hooks {
        let (ready, object) = OLD.split_once('\n').expect("two parts");
        // As procwatch writes it: on one line.
        let object = object.replace('\n', "");
        Hooks::parse(&format!("{ready}\n{object}\n")).expect("a status")
    }

    #[test]
    fn a_group_is_as_good_as_its_worst_hook_and_says_what_it_lacks() {
        let hooks = old();
        assert_eq!(hooks.state("accounts"), Some(State::Active));
        assert_eq!(hooks.state("living"), Some(State::Active));
        assert_eq!(hooks.state("network"), Some(State::Fallback));
        assert_eq!(hooks.lacks("network"), ["what is odd"]);
        assert_eq!(hooks.state("connections"), Some(State::Unsupported));
        assert_eq!(hooks.lacks("connections"), ["this kernel cannot"]);
        assert_eq!(hooks.state("quantum"), None);
        assert!(Hooks::parse("xtask: no such program\n").is_err());
    }
}
