//! The `procwatch` program: arguments in, exit code out.

use std::process::ExitCode;

use anyhow::Context as _;
use procwatch::{
    cli::{args::Cli, notice::notice, usage},
    commands,
    model::escape::terminal,
};

/// Wrong use, or failure.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(error) => {
            return match usage::explain(&error) {
                Some(line) => {
                    notice(format_args!("procwatch: {}", terminal(&line)));
                    ExitCode::from(FAILED)
                }
                None => {
                    // Help or version.
                    ended(
                        error
                            .print()
                            .context("writing to standard output")
                            .map(|()| ExitCode::SUCCESS),
                    )
                }
            };
        }
    };
    ended(commands::run(&cli))
}

fn ended(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
            let line = chain.join(": ").replace('\n', " ");
            notice(format_args!("procwatch: {}", terminal(&line)));
            ExitCode::from(FAILED)
        }
    }
}

/// `procwatch events | head` is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
