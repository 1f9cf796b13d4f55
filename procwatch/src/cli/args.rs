//! The arguments, as the user wrote them. Resolving them is the commands' work.

mod alerts;
mod history;
mod tracing;

use std::{num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use clap::{
    Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    error::ErrorKind, parser::ValueSource,
};

use crate::{
    config::parse_interval,
    kernel::RingBufferSize,
    model::{field::Field, filter::Filter, units::parse_size},
};

pub use alerts::{AlertListArgs, AlertsArgs, AlertsCommand, ExplainArgs, SilenceArgs};
pub use history::{
    AnswerFormat, AroundArgs, CompareArgs, CurveArgs, DbArgs, ExportArgs, ForecastArgs,
    HistoryArgs, HistoryTopArgs, ImportArgs, QueryArgs, Question, ReplayArgs, ReportArgs,
    ReportFormat, WindowArgs,
};
pub use tracing::{LatencyArgs, LatencyKind, TraceArgs, TraceFormat, TraceKind};

/// What every process costs, exactly: CPU, run-queue wait, memory and I/O, of those that live and of
/// those that lived for a millisecond.
///
/// Without a command: the live table. Runs as root, on eBPF; where the host refuses that, on /proc
/// alone, and says so.
#[derive(Debug, Parser)]
#[command(name = "procwatch", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub top: TopArgs,
    #[command(flatten)]
    pub collection: CollectionArgs,
    /// The configuration, in TOML or JSON by its ending; the command line goes before it [default:
    /// /etc/procwatch/procwatch.toml or .json, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The live table, or one snapshot with --once.
    Top(TopArgs),
    /// Streams what happens: births, programs, ends, connections, OOM kills, fatal signals.
    Events(EventsArgs),
    /// The fork tree, with the dead ancestors of the living.
    Tree(TreeArgs),
    /// Whose TCP connections and UDP sockets there are, and what went over them.
    Connections(ConnectionsArgs),
    /// Everything that a process and its descendants do, in order, and what it adds up to.
    Trace(TraceArgs),
    /// How long threads wait for a CPU, have it and are off it, and how long block I/O and system calls take: by process.
    Latency(LatencyArgs),
    /// Keeps all that is collected in a file, for days and weeks, as a service does.
    Record(RecordArgs),
    /// The live view of a recording, at any time in it.
    Replay(ReplayArgs),
    /// Answers a question about a recording, in SQL that can only read.
    Query(QueryArgs),
    /// Answers the usual questions about a recording without SQL.
    History(HistoryArgs),
    /// What happened in a window of a recording, as one page for a browser or for paper.
    Report(ReportArgs),
    /// Copies a window of a recording into a file of its own, for another machine.
    Export(ExportArgs),
    /// Takes over what somebody has exported, after a look at all of it.
    Import(ImportArgs),
    /// Finds what is unusual in any series: a score and a verdict a row, by the detectors that alerts come from.
    Detect(DetectArgs),
    /// What was found to be wrong: lists it, shows one in full, silences, and tries rules and notifiers.
    Alerts(AlertsArgs),
    /// What is attached, what is not and why, and what was lost.
    Status(StatusArgs),
    /// Checks a configuration, writes a commented one, or prints the schema for editors.
    Config(ConfigArgs),
}

/// How to collect; the same for every command.
#[derive(Clone, Debug, Args)]
pub struct CollectionArgs {
    /// Bytes that records may wait in before they are lost, such as 2MiB; rounded up to a power of two
    /// [default: 512KiB a CPU, from 1MiB to 32MiB].
    #[arg(
        long,
        global = true,
        value_name = "SIZE",
        value_parser = ring_buffer,
        hide_short_help = true
    )]
    pub ring_buffer: Option<RingBufferSize>,
    /// Entries of each map of the kernel's that holds processes, threads, files or requests; what finds no room
    /// is counted as lost [default: as suits the host's memory].
    #[arg(
        long,
        global = true,
        value_name = "N",
        value_parser = map_entries,
        hide_short_help = true
    )]
    pub map_entries: Option<NonZeroU32>,
    /// Read /proc alone, as where eBPF is refused.
    #[arg(long, global = true)]
    pub no_ebpf: bool,
    /// Collect here even where a recorder runs that could be looked at.
    #[arg(long, global = true)]
    pub standalone: bool,
    /// Where a recorder and those who look at it meet [default: PROCWATCH_SOCKET of the environment, else
    /// record.socket of the configuration, else /run/procwatch/procwatch.sock].
    #[arg(long, global = true, value_name = "PATH", hide_short_help = true)]
    pub socket: Option<PathBuf>,
    /// Show command lines as they are, with the passwords and tokens in them.
    #[arg(long, global = true)]
    pub no_redact: bool,
}

#[derive(Debug, Args)]
pub struct TopArgs {
    /// Print one snapshot and end: two samples, --interval apart.
    #[arg(long)]
    pub once: bool,
    /// How a snapshot is printed.
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
    /// From one sample to the next, such as 500ms or 2s [default: record.interval of the configuration, else 1s].
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub interval: Option<Duration>,
    /// The field to sort by: numbers from the largest, text from A [default: cpu_pct, or what was kept].
    #[arg(long, short, value_name = "FIELD", value_parser = Field::from_str)]
    pub sort: Option<Field>,
    /// At most this many processes.
    #[arg(long, short = 'n', value_name = "N", value_parser = number::<usize>, allow_negative_numbers = true)]
    pub limit: Option<usize>,
    /// Only processes that match, such as 'cpu_pct > 5 and user == "www-data"' or a bare word.
    #[arg(long, short, value_name = "EXPR", value_parser = Filter::from_str)]
    pub filter: Option<Filter>,
    /// Children below their parents.
    #[arg(long, short)]
    pub tree: bool,
    /// Measure pss_bytes too: shared memory divided by how many share it. Takes the kernel long.
    #[arg(long)]
    pub pss: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people: the terminal's width, rounded figures.
    Table,
    /// For programs: everything, unrounded.
    Json,
    /// For spreadsheets: every field of every process, unrounded.
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only these kinds.
    #[arg(long, short, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub kind: Vec<Kind>,
    /// End after this long, such as 10s; else at Ctrl-C.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// One line an event: text for people, or one JSON object.
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A process was created.
    Fork,
    /// A process replaced its program.
    Exec,
    /// A process ended; with its last account.
    Exit,
    /// A process connected over TCP, or failed to.
    Connect,
    /// A process accepted a TCP connection.
    Accept,
    /// A TCP connection is gone; with what went over it.
    Close,
    /// A process was chosen to die for want of memory.
    Oom,
    /// A process was sent a signal that ends it; with who sent it.
    Signal,
}

impl Cli {
    /// Parses the arguments of this process.
    ///
    /// # Errors
    /// When they are wrong; and help and version, which clap treats alike.
    pub fn of_process() -> Result<Self, clap::Error> {
        Self::try_from(std::env::args_os())
    }

    /// Parses arguments, the first of which is the program's name.
    ///
    /// # Errors
    /// As [`Self::of_process`].
    pub fn try_from(
        arguments: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        if let Some((name, _)) = matches.subcommand() {
            // Those of the live table stand before a command only where there is none.
            let table = TopArgs::augment_args(clap::Command::new("top"));
            let stray = table.get_arguments().find(|argument| {
                matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine)
            });
            if let Some(stray) = stray {
                let flag = stray.get_long().unwrap_or_default();
                let text =
                    format!("--{flag} stands before the command; try procwatch {name} --{flag}");
                return Err(command.error(ErrorKind::ArgumentConflict, text));
            }
        }
        Self::from_arg_matches(&matches)
    }
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Close => "close",
            Self::Oom => "oom",
            Self::Signal => "signal",
        }
    }
}

#[derive(Debug, Args)]
pub struct TreeArgs {
    /// Only this process, its ancestors and its descendants.
    #[arg(long, short, value_name = "PID", value_parser = number::<u32>, allow_negative_numbers = true)]
    pub pid: Option<u32>,
    /// The dead too, not only where the living descend from them.
    #[arg(long, short)]
    pub exited: bool,
    /// Watch for this long first, such as 10s: only who dies meanwhile is known as dead.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// As it was at a time of a recording, such as 03:17, 'yesterday 14:00' or '10m ago'.
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with = "duration"
    )]
    pub at: Option<String>,
    #[command(flatten)]
    pub db: DbArgs,
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

impl TreeArgs {
    /// Whether a recording is asked, and not the host as it is now.
    pub fn is_recorded(&self) -> bool {
        self.at.is_some() || self.db.db.is_some()
    }
}

#[derive(Debug, Args)]
pub struct ConnectionsArgs {
    /// Watch for this long first, such as 10s, and list what was closed meanwhile too.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    /// Only those of this process.
    #[arg(long, short, value_name = "PID", value_parser = number::<u32>, allow_negative_numbers = true)]
    pub pid: Option<u32>,
    /// Those that wait for connections too.
    #[arg(long, short)]
    pub listening: bool,
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The recording; it is gone on with if it is there [default: history.path of the configuration, else
    /// /var/lib/procwatch/procwatch.db].
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// From one sample to the next, such as 500ms or 2s [default: record.interval of the configuration, else 1s].
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub interval: Option<Duration>,
    /// End after this long, such as 10m; else at Ctrl-C.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct DetectArgs {
    /// The series, a line `timestamp,value` each, with or without a header; - is standard input. Times are epoch
    /// numbers (s, ms, us or ns), RFC 3339, or 2026-01-31 10:00:00 in UTC; an empty value is missing.
    #[arg(long, value_name = "FILE")]
    pub csv: PathBuf,
    /// How the verdicts are printed. The table has anomalies alone.
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Watch for this long, such as 10s, to tell what collection costs.
    #[arg(long, short, value_name = "DURATION", value_parser = parse_interval, default_value = "1s", allow_hyphen_values = true)]
    pub duration: Duration,
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Names the key, the line and the remedy of the first mistake.
    Check {
        /// In TOML or JSON, by its ending.
        file: PathBuf,
    },
    /// Writes a configuration that changes nothing, with every key in a comment.
    Init {
        /// Made anew; - is standard output [default: /etc/procwatch/procwatch.toml].
        file: Option<PathBuf>,
    },
    /// Prints the JSON schema, for editors.
    Schema,
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| "it must be a whole number".to_owned())
}

fn ring_buffer(text: &str) -> Result<RingBufferSize, String> {
    let bytes = parse_size(text).map_err(|error| error.to_string())?;
    RingBufferSize::at_least(bytes).ok_or_else(|| "it must be at most 1GiB".to_owned())
}

/// More than any host needs, and less than the kernel refuses.
const MAP_ENTRIES_MAX: u32 = 1 << 20;

fn map_entries(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .ok()
        .filter(|entries: &NonZeroU32| entries.get() <= MAP_ENTRIES_MAX)
        .ok_or_else(|| format!("it must be a whole number from 1 to {MAP_ENTRIES_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
