//! Wrong use, told in one line: what was wrong, and what to try.

use std::fmt::Write as _;

use clap::{
    CommandFactory as _,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::args::Cli;

/// One line for an error of the argument parser. `None` for what is no error: help and version.
pub fn explain(error: &clap::Error) -> Option<String> {
    let shown = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        Some(ContextValue::StyledStr(text)) => Some(text.to_string()),
        Some(ContextValue::StyledStrs(texts)) => Some(
            texts
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    let argument = shown(ContextKind::InvalidArg).unwrap_or_default();
    let mut line = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return None,
        ErrorKind::InvalidSubcommand => {
            format!(
                "unknown command {:?}",
                shown(ContextKind::InvalidSubcommand).unwrap_or_default()
            )
        }
        ErrorKind::UnknownArgument => format!("unknown argument {argument:?}"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = shown(ContextKind::InvalidValue).unwrap_or_default();
            if value.is_empty() {
                format!("{argument}: a value is missing")
            } else {
                format!("{argument}: {value:?} is not valid")
            }
        }
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::ArgumentConflict => return Some(first_line(error)),
        _ => first_line(error),
    };
    if error.kind() == ErrorKind::ValueValidation
        && let Some(source) = std::error::Error::source(error)
    {
        let _ = write!(line, ": {source}");
    }
    if let Some(suggested) = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ]
    .into_iter()
    .find_map(shown)
    {
        let _ = write!(line, "; did you mean {suggested:?}?");
    } else if let Some(valid) = shown(ContextKind::ValidValue).filter(|valid| !valid.is_empty()) {
        let _ = write!(line, "; try one of {valid}");
    } else if error.kind() == ErrorKind::InvalidSubcommand {
        let commands = Cli::command();
        let names: Vec<_> = commands
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        let _ = write!(line, "; try one of {}", names.join(", "));
    } else if error.kind() != ErrorKind::ValueValidation {
        line.push_str("; see procwatch --help");
    }
    Some(line.replace('\n', " "))
}

/// As the parser puts it, without its usage lines.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: &str) {
        let arguments = std::iter::once("procwatch").chain(arguments.iter().copied());
        let error = Cli::try_from(arguments).unwrap_err();
        assert_eq!(explain(&error).as_deref(), Some(expected));
    }

    #[test]
    fn one_line_names_what_was_wrong_and_the_remedy() {
        check(
            &["event"],
            "unknown command \"event\"; did you mean \"events\"?",
        );
        check(
            &["frobnicate"],
            "unknown command \"frobnicate\"; try one of top, events, tree, connections, trace, latency, record, replay, query, history, report, export, import, detect, alerts, status, config",
        );
        check(
            &["top", "--onse"],
            "unknown argument \"--onse\"; did you mean \"--once\"?",
        );
        check(
            &["top", "--sort", "cpu_pc"],
            "--sort <FIELD>: \"cpu_pc\" is not valid: unknown field \"cpu_pc\"; did you mean \"cpu_pct\"?",
        );
        check(
            &["events", "--kind", "fork,birth"],
            "--kind <KIND,…>: \"birth\" is not valid; try one of fork, exec, exit, connect, accept, close, oom, signal",
        );
        check(
            &["top", "--interval", "1ms"],
            "--interval <DURATION>: \"1ms\" is not valid: it must be from 10ms to 366d",
        );
    }
}
