//! The arguments of what is said about alerts.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{AnswerFormat, DbArgs, TextFormat, WindowArgs, number};
use crate::{config::parse_interval, model::units::parse_duration};

#[derive(Clone, Debug, Args)]
pub struct AlertsArgs {
    /// Without one, as list.
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
    #[command(flatten)]
    pub db: DbArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub enum AlertsCommand {
    /// Those that are pending or firing, and those that ended within a day.
    List(AlertListArgs),
    /// One in full.
    Show {
        /// Its number.
        #[arg(value_name = "ID", value_parser = number::<u64>, allow_negative_numbers = true)]
        id: u64,
        #[arg(long, value_enum, default_value_t = TextFormat::Text)]
        format: TextFormat,
    },
    /// Has nobody be told of some alerts for a while; they are recorded all the same.
    Silence(SilenceArgs),
    /// Ends a silence.
    Unsilence {
        /// Its number, as list names it.
        #[arg(value_name = "ID", value_parser = number::<u64>, allow_negative_numbers = true)]
        id: u64,
    },
    /// Sends an alert that is made up, and says what the receiver said.
    Test {
        /// As in the configuration below alerts: email, or webhooks.ops.
        #[arg(value_name = "NOTIFIER")]
        notifier: String,
    },
    /// How often a rule would have fired in the past.
    Explain(ExplainArgs),
}

#[derive(Clone, Debug, Args)]
pub struct AlertListArgs {
    #[command(flatten)]
    pub window: WindowArgs,
    /// Only those of this rule.
    #[arg(long, short, value_name = "RULE")]
    pub rule: Option<String>,
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}

impl AlertListArgs {
    pub const fn of_today() -> Self {
        let window = WindowArgs {
            from: None,
            to: None,
        };
        Self {
            window,
            rule: None,
            format: AnswerFormat::Table,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct SilenceArgs {
    /// Only alerts of this rule.
    #[arg(value_name = "RULE")]
    pub rule: Option<String>,
    /// Only alerts whose program, name, container or command line has this in it.
    #[arg(long, short, value_name = "TEXT")]
    pub about: Option<String>,
    /// How long, such as 2h.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_interval, default_value = "1h", allow_hyphen_values = true)]
    pub span: Duration,
    /// Why, for others.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A rule of the configuration, or a detector.
    #[arg(
        value_name = "RULE",
        required_unless_present = "when",
        conflicts_with = "when"
    )]
    pub rule: Option<String>,
    /// A rule that is not written down yet, such as 'cpu_pct > 80'.
    #[arg(long, value_name = "EXPR")]
    pub when: Option<String>,
    /// What ends it once it fires.
    #[arg(long, value_name = "EXPR", requires = "when")]
    pub until: Option<String>,
    /// How long it has to hold.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, requires = "when")]
    pub hold: Option<Duration>,
    /// What it judges: process, program, container or host.
    #[arg(long, value_name = "SCOPE", requires = "when")]
    pub per: Option<String>,
    #[command(flatten)]
    pub window: WindowArgs,
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub format: AnswerFormat,
}
