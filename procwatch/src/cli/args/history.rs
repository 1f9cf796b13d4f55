//! The arguments of what is asked of recordings.

use std::{path::PathBuf, str::FromStr as _, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::{TableFormat, number};
use crate::{
    config::parse_interval,
    model::{field::Field, filter::Filter},
};

/// Which recording.
#[derive(Clone, Debug, Args)]
pub struct DbArgs {
    /// The recording [default: history.path of the configuration, else /var/lib/procwatch/procwatch.db].
    #[arg(long, global = true, value_name = "FILE")]
    pub db: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// One SELECT over processes, samples, host, events, connections, gaps and alerts.
    #[arg(value_name = "SQL", allow_hyphen_values = true)]
    pub statement: String,
    #[command(flatten)]
    pub db: DbArgs,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
    /// How long it may take, such as 30s or 5m.
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, default_value = "30s", allow_hyphen_values = true)]
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    /// For people: columns as wide as they need to be.
    Table,
    /// For programs: one JSON object a row.
    Json,
    /// For spreadsheets.
    Csv,
}

#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    #[command(subcommand)]
    pub question: Question,
    #[command(flatten)]
    pub db: DbArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Question {
    /// Who had most of something in a window.
    Top(HistoryTopArgs),
    /// How something went over time, of one process or of all together, as a chart.
    Curve(CurveArgs),
    /// What started and what died around a time.
    Around(AroundArgs),
    /// What each program had of something in two windows.
    Compare(CompareArgs),
    /// Where the CPU and memory of each program are going, by what the recorder has learned of it.
    Forecast(ForecastArgs),
}

/// From when to when. Times are RFC 3339, seconds since the epoch, or relative: 10m, 3h ago, yesterday 14:00.
#[derive(Clone, Debug, Args)]
pub struct WindowArgs {
    /// The beginning [default: that of the recording].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// The end [default: that of the recording].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct HistoryTopArgs {
    /// The field: of a total what was added, of anything else the most it was.
    #[arg(long, short, value_name = "FIELD", value_parser = Field::from_str, default_value = "cpu_time_ns")]
    pub by: Field,
    #[command(flatten)]
    pub window: WindowArgs,
    /// At most this many processes.
    #[arg(long, short = 'n', value_name = "N", value_parser = number::<usize>, default_value = "10", allow_negative_numbers = true)]
    pub limit: usize,
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}

#[derive(Clone, Debug, Args)]
pub struct CurveArgs {
    /// The field: of a total what was added per second.
    #[arg(long, short, value_name = "FIELD", value_parser = Field::from_str, default_value = "cpu_pct")]
    pub by: Field,
    /// The process; the one that had the pid last in the window. Without it, all together.
    #[arg(long, short, value_name = "PID", value_parser = number::<u32>, allow_negative_numbers = true)]
    pub pid: Option<u32>,
    #[command(flatten)]
    pub window: WindowArgs,
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}

#[derive(Clone, Debug, Args)]
pub struct ForecastArgs {
    /// How far ahead, such as 10m or 6h.
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, default_value = "1h", allow_hyphen_values = true)]
    pub ahead: Duration,
    /// Only programs that have this in their path.
    #[arg(long, value_name = "TEXT")]
    pub program: Option<String>,
    /// At most this many programs, those with most memory expected first.
    #[arg(long, short = 'n', value_name = "N", value_parser = number::<usize>, default_value = "20", allow_negative_numbers = true)]
    pub limit: usize,
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}

#[derive(Clone, Debug, Args)]
pub struct AroundArgs {
    /// The time, such as 14:03, 10m or 2030-01-31T14:00:00Z.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: String,
    /// How far before and after it.
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, default_value = "30s", allow_hyphen_values = true)]
    pub span: Duration,
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}

#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// The total that is compared.
    #[arg(long, short, value_name = "FIELD", value_parser = Field::from_str, default_value = "cpu_time_ns")]
    pub by: Field,
    #[command(flatten)]
    pub window: WindowArgs,
    /// The beginning of the window to compare with, which is as long [default: the one right before].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub with: Option<String>,
    /// At most this many programs.
    #[arg(long, short = 'n', value_name = "N", value_parser = number::<usize>, default_value = "15", allow_negative_numbers = true)]
    pub limit: usize,
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}

#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub db: DbArgs,
    #[command(flatten)]
    pub window: WindowArgs,
    /// The file to write, which by its ending is a page (.html), .json or .csv [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What it is written as, whatever the file's ending.
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One page that needs nothing else.
    Html,
    /// For programs: everything, unrounded.
    Json,
    /// For spreadsheets: who had most of what.
    Csv,
}

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub db: DbArgs,
    #[command(flatten)]
    pub window: WindowArgs,
    /// The file to make: a recording, for `--db` of any command.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// What was exported.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The recording to make of it.
    #[arg(long, value_name = "FILE")]
    pub db: PathBuf,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub db: DbArgs,
    /// Where to begin, such as 03:17, 'yesterday 14:00' or '10m ago' [default: its end].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Print the snapshot of that time and end.
    #[arg(long)]
    pub once: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
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
}
