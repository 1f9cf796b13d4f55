//! A look at one process, for a person who has asked for it.

use procfs::process::{FDTarget, LimitValue, Process};
use serde::{Deserialize, Serialize};

use super::root::ProcRoot;
use crate::model::{
    facts::kernel_text,
    identity::ProcessId,
    inspection::{FILES_MAX, Inspection, OpenFile, ThreadLine},
};

/// Whether the environment is wanted as well: secrets are often in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Environment {
    Wanted,
    LeftOut,
}

impl ProcRoot {
    /// Looks at a process. One that has gone, or whose pid is another's now, yields nothing but the reason.
    pub fn inspect(&self, id: ProcessId, environment: Environment) -> Inspection {
        match self.try_inspect(id, environment) {
            Ok(inspection) => inspection,
            Err(error) => Inspection {
                id: Some(id),
                missing: Some(error.to_string()),
                ..Inspection::default()
            },
        }
    }

    fn try_inspect(
        &self,
        id: ProcessId,
        environment: Environment,
    ) -> Result<Inspection, procfs::ProcError> {
        let process = self.open(id)?;
        let stat = process.stat()?;
        let mut inspection = Inspection {
            id: Some(id),
            working_directory: process.cwd().ok().map(|path| path.display().to_string()),
            nice: Some(stat.nice),
            oom_score_adj: process.oom_score_adj().ok().map(i64::from),
            threads: self.threads(&process),
            limits: limits(&process),
            ..Inspection::default()
        };
        match process.fd_count() {
            Ok(count) => inspection.files_open = count,
            Err(error) => inspection.missing = Some(format!("open files: {error}")),
        }
        if let Ok(files) = process.fd() {
            let files = files.filter_map(Result::ok).take(FILES_MAX);
            inspection.files = files
                .map(|file| OpenFile {
                    descriptor: file.fd,
                    target: target(&file.target),
                })
                .collect();
        }
        if environment == Environment::Wanted {
            match std::fs::read(self.path().join(id.pid.to_string()).join("environ")) {
                Ok(bytes) => {
                    let words = bytes
                        .split(|byte| *byte == 0)
                        .filter(|word| !word.is_empty());
                    inspection.environment = Some(words.map(kernel_text).collect());
                }
                Err(error) => inspection.missing = Some(format!("environment: {error}")),
            }
        }
        // What was read may be another's, if the pid has changed hands meanwhile.
        self.open(id)?;
        Ok(inspection)
    }

    /// # Errors
    /// When it has gone, or may not be looked at.
    fn open(&self, id: ProcessId) -> Result<Process, procfs::ProcError> {
        let process = Process::new_with_root(self.path().join(id.pid.to_string()))?;
        let start_ns = self.ticks_to_ns(process.stat()?.starttime);
        if self.is_same_start(id.start_time_ns, start_ns) {
            Ok(process)
        } else {
            Err(procfs::ProcError::Other("it has ended".to_owned()))
        }
    }

    fn threads(&self, process: &Process) -> Vec<ThreadLine> {
        let Ok(tasks) = process.tasks() else {
            return Vec::new();
        };
        let stats = tasks.filter_map(|task| task.ok()?.stat().ok());
        let mut threads: Vec<_> = stats
            .map(|stat| ThreadLine {
                tid: stat.pid.unsigned_abs(),
                cpu_time_ns: self.ticks_to_ns(stat.utime.saturating_add(stat.stime)),
                state: stat.state,
                comm: stat.comm,
            })
            .collect();
        threads.sort_unstable_by_key(|thread| thread.tid);
        threads
    }

    /// Whether this very process still lives.
    pub fn is_alive(&self, id: ProcessId) -> bool {
        self.open(id).is_ok()
    }

    /// The tids of a process.
    pub fn tids(&self, id: ProcessId) -> Vec<u32> {
        let Ok(process) = self.open(id) else {
            return Vec::new();
        };
        self.threads(&process)
            .into_iter()
            .map(|thread| thread.tid)
            .collect()
    }
}

fn target(target: &FDTarget) -> String {
    match target {
        FDTarget::Path(path) => path.display().to_string(),
        FDTarget::Socket(inode) => format!("socket {inode}"),
        FDTarget::Net(inode) => format!("network {inode}"),
        FDTarget::Pipe(inode) => format!("pipe {inode}"),
        FDTarget::AnonInode(kind) => format!("anonymous {kind}"),
        FDTarget::MemFD(name) => format!("memory {name}"),
        FDTarget::Other(kind, inode) => format!("{kind} {inode}"),
        FDTarget::Unknown(kind, inode) => format!("{kind} {inode}"),
    }
}

fn limits(process: &Process) -> Vec<(String, String, String)> {
    let Ok(limits) = process.limits() else {
        return Vec::new();
    };
    let shown = |value: LimitValue| match value {
        LimitValue::Unlimited => "unlimited".to_owned(),
        LimitValue::Value(number) => number.to_string(),
    };
    [
        ("CPU seconds", limits.max_cpu_time),
        ("file size", limits.max_file_size),
        ("data", limits.max_data_size),
        ("stack", limits.max_stack_size),
        ("core file", limits.max_core_file_size),
        ("resident set", limits.max_resident_set),
        ("processes", limits.max_processes),
        ("open files", limits.max_open_files),
        ("locked memory", limits.max_locked_memory),
        ("address space", limits.max_address_space),
        ("file locks", limits.max_file_locks),
        ("pending signals", limits.max_pending_signals),
        ("message queues", limits.max_msgqueue_size),
        ("nice priority", limits.max_nice_priority),
        ("realtime priority", limits.max_realtime_priority),
    ]
    .into_iter()
    .map(|(name, limit)| {
        (
            name.to_owned(),
            shown(limit.soft_limit),
            shown(limit.hard_limit),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs::ProcRoot;

    #[test]
    fn our_own_process_shows_what_it_has() {
        let root = ProcRoot::new("/proc").unwrap();
        let own = Process::myself().unwrap();
        let start_ns = root.ticks_to_ns(own.stat().unwrap().starttime);
        let id = ProcessId::new(std::process::id(), start_ns);
        let file = tempfile::NamedTempFile::new().unwrap();
        let seen = root.inspect(id, Environment::LeftOut);
        assert_eq!(seen.missing, None);
        let path = file.path().display().to_string();
        assert!(seen.files.iter().any(|open| open.target == path));
        assert!(seen.threads.iter().any(|thread| thread.tid == id.pid));
        assert!(seen.limits.iter().any(|(name, ..)| name == "open files"));
        assert!(seen.environment.is_none() && seen.nice.is_some());
        let asked = root.inspect(id, Environment::Wanted);
        assert!(asked.environment.is_some());

        let another = ProcessId::new(id.pid, start_ns + 5_000_000_000);
        let gone = root.inspect(another, Environment::LeftOut);
        assert!(gone.missing.is_some() && gone.threads.is_empty());
        assert!(root.is_alive(id) && !root.is_alive(another));
    }
}
