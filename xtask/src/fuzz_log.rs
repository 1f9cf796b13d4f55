//! What libFuzzer says: how far it came, and what failed.

use std::fmt;

/// At its end: `#1330674 DONE   cov: 282 ft: 544 corp: 88/9420b lim: 4096 exec/s: 266134 rss: 29Mb`.
#[derive(Debug, PartialEq, Eq)]
pub struct Figures {
    runs: Option<u64>,
    /// Edges of the code that were reached.
    edges: Option<u64>,
}

impl Figures {
    pub fn read(log: &str) -> Self {
        let done = log.lines().rev().find(|line| line.contains("DONE"));
        let line = done.unwrap_or_default();
        let number = |text: Option<&str>| text?.split_whitespace().next()?.parse().ok();
        Self {
            runs: number(line.strip_prefix('#')),
            edges: number(line.split_once("cov:").map(|(_, rest)| rest)),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.runs, self.edges) {
            (Some(runs), Some(edges)) => {
                write!(out, "held in {runs:>9} runs that reached {edges:>5} edges")
            }
            _ => out.write_str("held"),
        }
    }
}

/// The lines that tell what did not hold, and the input: a path, and the bytes themselves when they are few.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure<'log>(Vec<&'log str>);

impl<'log> Failure<'log> {
    pub fn read(log: &'log str) -> Self {
        /// An assertion's message, with both its sides.
        const MESSAGE_LINES: usize = 4;
        let mut told = Vec::new();
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            if line.contains("panicked at") {
                told.push(line);
                told.extend(
                    lines
                        .clone()
                        .take_while(|line| !line.starts_with("note:") && !line.starts_with("=="))
                        .take(MESSAGE_LINES),
                );
            } else if line.contains("ERROR: libFuzzer")
                || line.contains("Test unit written to")
                || line.starts_with("Base64:")
            {
                told.push(line);
            }
        }
        Self(told)
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(out, "  {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_the_figures() {
        let log = "#2\tINITED cov: 2 ft: 2 corp: 1/1b exec/s: 0 rss: 27Mb\n\
                   #1330674\tDONE   cov: 282 ft: 544 corp: 88/9420b lim: 4096 exec/s: 266134 rss: 29Mb\n\
                   Done 1330674 runs in 5 second(s)\n";
        let expected = Figures {
            runs: Some(1_330_674),
            edges: Some(282),
        };
        assert_eq!(Figures::read(log), expected);
        assert_eq!(Figures::read("").to_string(), "held");
    }

    #[test]
    fn a_failure_is_its_message_and_its_input() {
        let log = "INFO: Seed: 5\n\
                   thread '<unnamed>' (5) panicked at fuzz/src/proc_text.rs:72:5:\n\
                   assertion `left == right` failed\n  left: 1\n right: 2\n\
                   note: run with `RUST_BACKTRACE=1`\n\
                   ==5268== ERROR: libFuzzer: deadly signal\n    #0 0x55\n\
                   artifact_prefix='c/'; Test unit written to c/crash-1\nBase64: MDo6\n";
        let told = Failure::read(log).to_string();
        assert_eq!(told.lines().count(), 7, "{told}");
        assert!(told.contains(" right: 2") && told.contains("c/crash-1") && told.contains("MDo6"));
        assert!(!told.contains("Seed") && !told.contains("#0"));
    }
}
