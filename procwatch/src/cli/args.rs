//! The arguments, as the user wrote them. Resolving them is the commands' work.

use std::{str::FromStr, time::Duration};

use clap::{
    Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    error::ErrorKind, parser::ValueSource,
};

use crate::{
    kernel::RingBufferSize,
    model::{
        field::Field,
        filter::Filter,
        units::{parse_duration, parse_size},
    },
};

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
    /// What is attached, what is not and why, and what was lost.
    Status(StatusArgs),
}

/// How to collect; the same for every command.
#[derive(Clone, Copy, Debug, Args)]
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
    /// Read /proc alone, as where eBPF is refused.
    #[arg(long, global = true)]
    pub no_ebpf: bool,
}

#[derive(Debug, Args)]
pub struct TopArgs {
    /// Print one snapshot and end: two samples, --interval apart.
    #[arg(long)]
    pub once: bool,
    /// How a snapshot is printed.
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
    /// From one sample to the next, such as 500ms or 2s.
    #[arg(long, short, value_name = "DURATION", value_parser = interval, default_value = "1s", allow_hyphen_values = true)]
    pub interval: Duration,
    /// The field to sort by: numbers from the largest, text from A.
    #[arg(long, short, value_name = "FIELD", default_value = "cpu_pct", value_parser = Field::from_str)]
    pub sort: Field,
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
    #[arg(long, short, value_name = "DURATION", value_parser = interval, allow_hyphen_values = true)]
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
    #[arg(long, short, value_name = "DURATION", value_parser = interval, allow_hyphen_values = true)]
    pub duration: Option<Duration>,
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

#[derive(Debug, Args)]
pub struct ConnectionsArgs {
    /// Watch for this long first, such as 10s, and list what was closed meanwhile too.
    #[arg(long, short, value_name = "DURATION", value_parser = interval, allow_hyphen_values = true)]
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
pub struct StatusArgs {
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,
}

/// The shortest interval: below it a pass would hardly be over before the next.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// The longest: a year, well within what clocks can add.
const INTERVAL_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| "it must be a whole number".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&duration) {
        Ok(duration)
    } else {
        Err("it must be from 10ms to 366d".to_owned())
    }
}

fn ring_buffer(text: &str) -> Result<RingBufferSize, String> {
    let bytes = parse_size(text).map_err(|error| error.to_string())?;
    RingBufferSize::at_least(bytes).ok_or_else(|| "it must be at most 1GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
