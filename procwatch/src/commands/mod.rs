//! One file a subcommand: what it asks the agent for, and which face shows it.

mod alerting;
pub mod alerts;
pub mod config;
mod config_file;
pub mod connections;
pub mod detect;
pub mod events;
pub mod export;
mod held;
pub mod history;
mod last_resort;
pub mod latency;
mod listen;
mod live;
mod output_file;
pub mod query;
pub mod record;
pub mod replay;
pub mod report;
mod service;
mod source;
pub mod status;
pub mod top;
pub mod trace;
pub mod tree;
mod view_file;
mod window;

use std::process::ExitCode;

use anyhow::Context as _;

use self::source::Source;
use crate::{
    cli::args::{AlertsCommand, Cli, CollectionArgs, Command},
    collector::{SourceChoice, Start},
    config::Config,
    confine::{Confinement, Needs},
    kernel::Options,
    viewers::Place,
};

/// Of the collecting thread: a host that is short of CPU is when figures are wanted, and records are lost
/// if nobody takes them.
const NICENESS: i32 = -10;

/// Why a command failed. `anyhow` carries the chain; the first line says what, the rest why.
pub type Result<T = ExitCode> = anyhow::Result<T>;

/// Runs the command that the arguments name.
///
/// # Errors
/// When it could not do what was asked. A finding, such as a degraded host, is no error but an exit
/// code of 1.
pub fn run(cli: &Cli) -> Result {
    let config = match &cli.command {
        // It may be the very one that is in question.
        Some(Command::Config(_)) => Config::default(),
        _ => config_file::load(cli.config.as_deref())?,
    };
    // Before anything is given up, and before there is a second thread.
    if let Some(Command::Trace(args)) = &cli.command {
        return trace::run(args, &cli.collection, &config);
    }
    if let Some(Command::Latency(args)) = &cli.command {
        return latency::run(args, &cli.collection);
    }
    let recorder = source::recorder(cli, &config)?;
    let place = match &cli.command {
        Some(Command::Record(_)) => record::place(&source::socket(cli, &config)),
        _ => None,
    };
    let confinement = Confinement::begin(needs(cli, &config, recorder.is_some()));
    // What is recorded is asked without collecting anything.
    match &cli.command {
        Some(Command::Tree(args)) if args.is_recorded() => {
            return tree::recorded(args, &config, confinement);
        }
        Some(Command::Query(args)) => return query::run(args, &config, confinement),
        Some(Command::History(args)) => return history::run(args, &config, confinement),
        Some(Command::Replay(args)) => return replay::run(args, &config, confinement),
        Some(Command::Report(args)) => return report::run(args, &config, confinement),
        Some(Command::Export(args)) => return export::export(args, &config, confinement),
        Some(Command::Import(args)) => return export::import(args, confinement),
        Some(Command::Alerts(args)) => return alerts::run(args, &config, confinement),
        Some(Command::Config(args)) => return config::run(args),
        Some(Command::Detect(args)) => return detect::run(args, confinement),
        _ => {}
    }
    let source = match recorder {
        Some(link) => Source::Recorder(Box::new(link), confinement),
        None => Source::Own(start(&cli.collection, &config, confinement)?),
    };
    match &cli.command {
        None => top::run(&cli.top, source, &config),
        Some(Command::Top(args)) => top::run(args, source, &config),
        Some(Command::Events(args)) => events::run(args, source),
        Some(Command::Tree(args)) => tree::run(args, source),
        Some(Command::Connections(args)) => connections::run(args, source),
        Some(Command::Record(args)) => {
            record::run(args, source, &config, cli.config.as_deref(), place)
        }
        Some(Command::Status(args)) => status::run(args, source),
        // As above.
        Some(
            Command::Config(_)
            | Command::Alerts(_)
            | Command::Detect(_)
            | Command::Query(_)
            | Command::History(_)
            | Command::Replay(_)
            | Command::Report(_)
            | Command::Export(_)
            | Command::Import(_)
            | Command::Trace(_)
            | Command::Latency(_),
        ) => Ok(ExitCode::SUCCESS),
    }
}

/// What the command needs; everything else is given up before it begins.
fn needs(cli: &Cli, config: &Config, has_recorder: bool) -> Needs {
    let is_live = match &cli.command {
        None => top::is_live(&cli.top),
        Some(Command::Top(args)) => top::is_live(args),
        _ => false,
    };
    match &cli.command {
        _ if has_recorder && is_live => Needs::look_on_and_act(view_file::place()),
        _ if has_recorder => Needs::LOOK_ON,
        Some(Command::Tree(args)) if args.is_recorded() => {
            Needs::ask(&query::path(&args.db, config))
        }
        _ if is_live => Needs::look_and_act(view_file::place()),
        None
        | Some(
            Command::Trace(_)
            | Command::Latency(_)
            | Command::Top(_)
            | Command::Events(_)
            | Command::Tree(_)
            | Command::Connections(_)
            | Command::Status(_),
        ) => Needs::WATCH,
        Some(Command::Record(args)) => Needs::record(
            &record::path(args, config),
            Place::directory(&source::socket(cli, config)),
            record::telling(config),
        ),
        Some(Command::Replay(args)) => {
            Needs::replay(&query::path(&args.db, config), view_file::place())
        }
        Some(Command::Query(args)) => Needs::ask(&query::path(&args.db, config)),
        Some(Command::History(args)) => Needs::ask(&query::path(&args.db, config)),
        // What it writes is open before that.
        Some(Command::Report(args)) => Needs::ask(&query::path(&args.db, config)),
        Some(Command::Export(args)) => Needs::copy(&query::path(&args.db, config), &args.output),
        Some(Command::Import(args)) => Needs::copy(&args.file, &args.db),
        Some(Command::Alerts(args)) => match &args.command {
            Some(AlertsCommand::Test { .. }) => {
                let (telling, terminals) = record::telling(config);
                Needs::tell(telling, terminals)
            }
            _ => Needs::ask(&query::path(&args.db, config)),
        },
        Some(Command::Config(_) | Command::Detect(_)) => Needs::READ_FILES,
    }
}

/// The command line goes before the configuration, and that before the defaults.
fn start(args: &CollectionArgs, config: &Config, confinement: Confinement) -> Result<Start> {
    let redactor = if args.no_redact {
        None
    } else {
        config.redact.redactor().context("redact")?
    };
    Ok(Start {
        kernel: Options {
            ring_buffer: args.ring_buffer,
            map_entries: args.map_entries,
            connections: false,
            count_runs: false,
        },
        pss: false,
        limits: config.limits,
        redactor,
        confinement,
        niceness: config.record.niceness.unwrap_or(NICENESS),
        source: if args.no_ebpf {
            SourceChoice::ProcfsOnly
        } else {
            SourceChoice::Best
        },
    })
}
