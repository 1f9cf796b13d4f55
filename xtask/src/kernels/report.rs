//! What the user reads: failures as they come, and kernels against tests at the end.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use super::results::{Run, Verdict};

/// Of a console, when a kernel is in trouble.
const LINES_SHOWN: usize = 60;
const CELL: usize = 11;

#[derive(Default)]
pub struct Report {
    kernels: Vec<(&'static str, Run, Duration)>,
}

impl Report {
    /// Says at once what went wrong.
    pub fn add(&mut self, kernel: &'static str, run: Run, wall_time: Duration) {
        let failed = failed(&run);
        for test in &failed {
            println!("\n{kernel}: {test}\n{}", indented(run.output(test)));
        }
        let trouble = run.trouble();
        if !failed.is_empty() || trouble.is_some() {
            println!("\n{kernel}: procwatch status\n{}", indented(run.status()));
        } else {
            for hook in run.status().lines().filter(|line| is_inactive(line)) {
                println!("{hook}");
            }
        }
        if let Some(trouble) = trouble {
            let lines: Vec<_> = run.console.lines().collect();
            let end = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            println!("\n{kernel}: {trouble}; the end of its console");
            println!("{}", indented(&end.join("\n")));
        }
        self.kernels.push((kernel, run, wall_time));
    }

    /// The table, and why tests were skipped.
    pub fn print(&self) -> ExitCode {
        let tests = self.tests();
        let width = tests.iter().map(|test| test.len()).max().unwrap_or(0);
        println!();
        self.row(width, "", |kernel, _, _| kernel.to_owned());
        for test in tests {
            self.row(width, test, |_, run, _| {
                run.verdict(test).map_or("-".to_owned(), Verdict::to_string)
            });
        }
        self.row(width, "", |_, _, wall_time| {
            format!("{:.0} s", wall_time.as_secs_f64())
        });
        for ((test, why), kernels) in self.skipped() {
            println!("skipped on {}: {test}: {why}", kernels.join(", "));
        }
        let mut code = ExitCode::SUCCESS;
        for (kernel, run, _) in &self.kernels {
            let failed = failed(run).len();
            if failed > 0 {
                println!("{kernel}: {failed} FAILED");
            }
            if let Some(trouble) = run.trouble() {
                println!("{kernel}: {trouble}");
            }
            if failed > 0 || run.trouble().is_some() {
                code = ExitCode::FAILURE;
            }
        }
        code
    }

    fn row(&self, width: usize, name: &str, cell: impl Fn(&str, &Run, Duration) -> String) {
        let cells: String = self
            .kernels
            .iter()
            .map(|(kernel, run, wall_time)| format!("{:CELL$}", cell(kernel, run, *wall_time)))
            .collect();
        println!("{name:width$}  {}", cells.trim_end());
    }

    /// Of all kernels, for one that went down has not told all.
    fn tests(&self) -> Vec<&str> {
        let mut tests: Vec<_> = self
            .kernels
            .iter()
            .flat_map(|(_, run, _)| run.tests())
            .map(|(name, _)| name.as_str())
            .collect();
        tests.sort_unstable();
        tests.dedup();
        tests
    }

    /// The kernels on which a test said why it cannot run.
    fn skipped(&self) -> BTreeMap<(&str, &str), Vec<&str>> {
        let mut skipped: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for (kernel, run, _) in &self.kernels {
            for (test, verdict) in run.tests() {
                if let Verdict::Skipped(why) = verdict {
                    let same = skipped.entry((test.as_str(), why.as_str()));
                    same.or_default().push(*kernel);
                }
            }
        }
        skipped
    }
}

fn failed(run: &Run) -> Vec<&str> {
    run.tests()
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Failed | Verdict::Unfinished))
        .map(|(name, _)| name.as_str())
        .collect()
}

/// In the table of hooks that `procwatch status` prints.
fn is_inactive(line: &str) -> bool {
    line.starts_with("pw_") && !line.split_whitespace().any(|word| word == "active")
}

fn indented(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines.map(|line| format!("    {line}\n")).collect()
}
