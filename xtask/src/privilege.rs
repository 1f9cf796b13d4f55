//! Who may install packages and load kernel programs: root, or a user with sudo.
//!
//! Deliberately absent: asking for a password (sudo does, on the terminal) and giving up rights.

use std::{fs, process::Command};

use crate::child;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    Root,
    Sudo,
    /// Neither root nor a `sudo` program.
    User,
}

impl Privilege {
    pub fn of_this_process() -> Self {
        if effective_uid() == Some(0) {
            Self::Root
        } else if child::find("sudo").is_some() {
            Self::Sudo
        } else {
            Self::User
        }
    }

    /// `program` with as many rights as can be had.
    pub fn command(self, program: &str) -> Command {
        match self {
            Self::Root | Self::User => child::command(program),
            Self::Sudo => {
                let mut sudo = child::command("sudo");
                sudo.args(["--", program]);
                sudo
            }
        }
    }
}

/// proc_pid_status(5): real, effective, saved and file system uid.
fn effective_uid() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}
