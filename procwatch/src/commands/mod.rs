//! One file a subcommand: what it asks the agent for, and which face shows it.

pub mod connections;
pub mod events;
mod last_resort;
mod listen;
pub mod status;
pub mod top;
pub mod tree;

use std::process::ExitCode;

use crate::{
    cli::args::{Cli, CollectionArgs, Command},
    collector::{SourceChoice, Start},
    kernel::Options,
};

/// Why a command failed. `anyhow` carries the chain; the first line says what, the rest why.
pub type Result<T = ExitCode> = anyhow::Result<T>;

/// Runs the command that the arguments name.
///
/// # Errors
/// When it could not do what was asked. A finding, such as a degraded host, is no error but an exit
/// code of 1.
pub fn run(cli: &Cli) -> Result {
    let start = start(cli.collection);
    match &cli.command {
        None => top::run(&cli.top, start),
        Some(Command::Top(args)) => top::run(args, start),
        Some(Command::Events(args)) => events::run(args, start),
        Some(Command::Tree(args)) => tree::run(args, start),
        Some(Command::Connections(args)) => connections::run(args, start),
        Some(Command::Status(args)) => status::run(args, start),
    }
}

fn start(args: CollectionArgs) -> Start {
    Start {
        kernel: Options {
            ring_buffer: args.ring_buffer,
            connections: false,
        },
        pss: false,
        source: if args.no_ebpf {
            SourceChoice::ProcfsOnly
        } else {
            SourceChoice::Best
        },
    }
}
