//! The `procwatch` program: arguments in, exit code out.

use std::process::ExitCode;

use procwatch::{
    cli::{args::Cli, usage},
    commands,
};

/// Wrong use, or failure.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(error) => {
            return match usage::explain(&error) {
                Some(line) => {
                    eprintln!("procwatch: {line}");
                    ExitCode::from(FAILED)
                }
                None => {
                    // Help or version. Whoever has closed the pipe has seen enough.
                    let _ = error.print();
                    ExitCode::SUCCESS
                }
            };
        }
    };
    match commands::run(&cli) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
            eprintln!("procwatch: {}", chain.join(": ").replace('\n', " "));
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
