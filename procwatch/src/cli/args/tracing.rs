//! The arguments of the commands that attach programs of their own.

use std::{path::PathBuf, str::FromStr as _, time::Duration};

use clap::{Args, ValueEnum};

use super::{TextFormat, number};
use crate::{
    config::parse_interval, latency::Kind, model::units::parse_duration, trace::field::TraceFilter,
};

#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Trace these processes and their descendants.
    #[arg(long, short, value_delimiter = ',', value_name = "PID,…", value_parser = number::<u32>, allow_negative_numbers = true)]
    pub pid: Vec<u32>,
    /// Trace those whose name this is, such as nginx, and their descendants.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub name: Vec<String>,
    /// Trace those that are in this cgroup, a directory such as /sys/fs/cgroup/web, and their descendants.
    #[arg(long, value_name = "DIRECTORY")]
    pub cgroup: Option<PathBuf>,
    /// Show only these kinds; the summary has all [default: all but off_cpu and fault].
    #[arg(long, short, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub kind: Vec<TraceKind>,
    /// Of system calls, show only these.
    #[arg(long, value_delimiter = ',', value_name = "CALL,…", value_parser = system_call)]
    pub syscall: Vec<String>,
    /// Of system calls, show only those that failed.
    #[arg(long)]
    pub errors: bool,
    /// Show only what matches, such as 'file ~ "/etc" and duration_ns > 1ms'; fields are those of JSON.
    #[arg(long, short, value_name = "EXPR", value_parser = TraceFilter::from_str)]
    pub filter: Option<TraceFilter>,
    /// Show only what took at least this long, such as 10ms.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub slower: Option<Duration>,
    /// Show the functions in which a thread blocks, with each off_cpu; of programs as file and offset, by frame pointers.
    #[arg(long)]
    pub stacks: bool,
    /// Show the summary alone.
    #[arg(long)]
    pub summary: bool,
    /// End after this long, such as 10s; else at Ctrl-C, or when all have ended.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// One line for each thing, as text for people or one JSON object; or, with off_cpu in it, a page with a timeline for
    /// any browser, or a file for ui.perfetto.dev and chrome://tracing.
    #[arg(long, value_enum, default_value_t = TraceFormat::Text)]
    pub format: TraceFormat,
    /// Write to this file, and not to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Run this program and trace it from its first instruction. What it writes to standard output goes to standard
    /// error, unless the trace goes to a file.
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["pid", "name", "cgroup"])]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For a browser, self-contained.
    Html,
    /// For ui.perfetto.dev and chrome://tracing.
    Perfetto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum TraceKind {
    /// A system call has returned.
    Syscall,
    /// A thread runs again that did not: why, for how long, and who woke it.
    OffCpu,
    /// A process or thread was born.
    Fork,
    /// A process runs another program.
    Exec,
    /// A process or thread has ended.
    Exit,
    /// A signal was sent, or is taken.
    Signal,
    /// A page was not there.
    Fault,
    /// Block I/O is done.
    Block,
}

impl TraceKind {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::OffCpu => "off_cpu",
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Fault => "fault",
            Self::Block => "block",
        }
    }
}

fn system_call(text: &str) -> Result<String, String> {
    if crate::trace::calls::is_known(text) {
        Ok(text.to_owned())
    } else {
        Err("this architecture has no such system call".to_owned())
    }
}

#[derive(Debug, Args)]
pub struct LatencyArgs {
    /// Show only these processes; all are measured.
    #[arg(long, short, value_delimiter = ',', value_name = "PID,…", value_parser = number::<u32>, allow_negative_numbers = true)]
    pub pid: Vec<u32>,
    /// Show only those whose name this is, such as nginx.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub name: Vec<String>,
    /// Measure system calls too: that makes every call of the host take some tenths of a microsecond longer.
    #[arg(long)]
    pub syscalls: bool,
    /// End after this long, such as 10s; else at Ctrl-C.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// Print what each such span has brought, such as 1s; else all of it at the end.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub interval: Option<Duration>,
    /// The processes that have most time of this kind come first.
    #[arg(long, short, value_enum, default_value_t = LatencyKind::RunQueue)]
    pub sort: LatencyKind,
    /// At most this many processes.
    #[arg(long, short = 'n', value_name = "N", value_parser = number::<usize>, default_value_t = 20, allow_negative_numbers = true)]
    pub limit: usize,
    /// JSON has every process and every bucket, an object a span.
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
    /// Write to this file, and not to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum LatencyKind {
    /// Ready to run, without a CPU.
    RunQueue,
    /// On a CPU, from one switch to the next.
    OnCpu,
    /// Asleep, blocked or stopped.
    OffCpu,
    /// Block I/O, from the queue to its end.
    Block,
    /// System calls, with --syscalls.
    Syscall,
}

impl LatencyKind {
    pub const fn kind(self) -> Kind {
        match self {
            Self::RunQueue => Kind::RunQueue,
            Self::OnCpu => Kind::OnCpu,
            Self::OffCpu => Kind::OffCpu,
            Self::Block => Kind::Block,
            Self::Syscall => Kind::Syscall,
        }
    }
}
