//! What a guest says, line by line: the state of procwatch's hooks, then the test harness's own words.
//!
//! Why a test was skipped is on the console, where tests say it past their harness.

use std::{collections::HashMap, fmt, time::Duration};

/// How `init` starts its own lines.
const OF_INIT: &str = "guest: ";
/// From here on tests run.
pub const FIRST_LINE: &str = "guest: tests";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    /// It said why it cannot run there.
    Skipped(String),
    /// Not run without being asked for by name.
    Ignored,
    /// The program, the machine or the time ended first.
    Unfinished,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Skipped(_) => "skipped",
            Self::Ignored => "ignored",
            Self::Unfinished => "UNFINISHED",
        })
    }
}

pub struct Test {
    pub name: String,
    pub verdict: Verdict,
    /// Since the one before it, as whoever reads the lines has measured it.
    pub wall_time: Duration,
}

/// How the machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    NotStarted,
    PoweredOff,
    TimedOut(Duration),
}

/// All that came of one kernel.
pub struct Run {
    ended: Ended,
    results: Results,
    pub console: String,
}

impl Run {
    pub fn not_started() -> Self {
        Results::default().finish(Ended::NotStarted, String::new())
    }

    /// In the order of the run.
    pub fn tests(&self) -> &[Test] {
        &self.results.tests
    }

    pub fn test(&self, name: &str) -> Option<&Test> {
        self.tests().iter().find(|test| test.name == name)
    }

    /// Tests that ran in part, and why parts did not.
    pub fn partly(&self) -> impl Iterator<Item = (&str, &str)> {
        said(&self.console, "PARTLY ")
    }

    /// What a failed test printed.
    pub fn output(&self, test: &str) -> &str {
        self.results.outputs.get(test).map_or("", String::as_str)
    }

    /// `procwatch status --format json` there, and what it said besides.
    pub fn status(&self) -> &str {
        &self.results.status
    }

    /// What went wrong beside single tests.
    pub fn trouble(&self) -> Option<String> {
        let has_failed = self
            .tests()
            .iter()
            .any(|test| test.verdict == Verdict::Failed);
        match (self.ended, self.results.stage, self.results.code) {
            (Ended::NotStarted, ..) => Some("was not started".to_owned()),
            (Ended::TimedOut(limit), ..) => {
                Some(format!("did not end within {} s", limit.as_secs()))
            }
            (_, Stage::Boot, _) => Some("did not boot".to_owned()),
            (_, _, None) => Some("went down during the tests".to_owned()),
            (_, _, Some(0)) if self.tests().is_empty() => Some("ran no test".to_owned()),
            (_, _, Some(0)) => None,
            (_, _, Some(_)) if has_failed => None,
            (_, _, Some(code)) => Some(format!("the test program ended with {code}")),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Boot,
    Status,
    Tests,
    /// What the failed tests printed.
    Outputs,
    Ended,
}

/// What has been said so far.
#[derive(Default)]
pub struct Results {
    stage: Stage,
    status: String,
    tests: Vec<Test>,
    outputs: HashMap<String, String>,
    /// The test whose output is being told.
    told: Option<String>,
    /// Of the test program.
    code: Option<i32>,
}

impl Results {
    /// Takes the next line, and gives the test that has ended with it.
    pub fn line(&mut self, line: &str) -> Option<&mut Test> {
        if let Some(of_init) = line.strip_prefix(OF_INIT) {
            self.stage = match of_init {
                "status" => Stage::Status,
                "tests" => Stage::Tests,
                _ => Stage::Ended,
            };
            self.code = of_init
                .strip_prefix("ended ")
                .and_then(|code| code.parse().ok());
            return None;
        }
        match self.stage {
            Stage::Boot | Stage::Ended => {}
            Stage::Status => push_line(&mut self.status, line),
            Stage::Tests if line == "failures:" => self.stage = Stage::Outputs,
            Stage::Tests => return self.test(line),
            Stage::Outputs => self.output(line),
        }
        None
    }

    /// `test NAME ... VERDICT`, by the harness.
    fn test(&mut self, line: &str) -> Option<&mut Test> {
        let (name, rest) = line.strip_prefix("test ")?.split_once(" ...")?;
        let rest = rest.trim_start();
        let verdict = match rest {
            "ok" => Verdict::Passed,
            "FAILED" => Verdict::Failed,
            _ if rest.starts_with("ignored") => Verdict::Ignored,
            _ => Verdict::Unfinished,
        };
        self.tests.push(Test {
            name: name.to_owned(),
            verdict,
            wall_time: Duration::ZERO,
        });
        if rest.starts_with(OF_INIT) {
            self.line(rest);
        }
        self.tests.last_mut()
    }

    fn output(&mut self, line: &str) {
        let header = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"));
        if let Some(name) = header {
            self.told = Some(name.to_owned());
        } else if line == "failures:" {
            // The same names again.
            self.stage = Stage::Tests;
        } else if let Some(name) = &self.told {
            push_line(self.outputs.entry(name.clone()).or_default(), line);
        }
    }

    pub fn finish(mut self, ended: Ended, console: String) -> Run {
        let skipped: HashMap<_, _> = said(&console, "SKIPPED ").collect();
        for test in &mut self.tests {
            if let Some(why) = skipped.get(test.name.as_str())
                && test.verdict == Verdict::Passed
            {
                test.verdict = Verdict::Skipped((*why).to_owned());
            }
        }
        Run {
            ended,
            results: self,
            console,
        }
    }
}

/// What tests said with that word, by test.
fn said<'a>(console: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    console.lines().filter_map(move |line| {
        let (_, said) = line.split_once(word)?;
        said.trim_end().split_once(": ")
    })
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "guest: status
hook  active
guest: tests

running 4 tests
test argv::bytes ... ok
test cpu::close ... FAILED
test io::disk ... ok
test long::run ... ignored

failures:

---- cpu::close stdout ----
thread 'cpu::close' panicked at cpu.rs:1:
far off


failures:
    cpu::close

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s

guest: ended 101
";

    fn run(text: &str, ended: Ended) -> Run {
        let mut results = Results::default();
        for line in text.lines() {
            results.line(line);
        }
        results.finish(ended, "[ 1.2] x SKIPPED io::disk: no disk\r\n".to_owned())
    }

    #[test]
    fn verdicts_reasons_and_outputs_are_told_apart() {
        let run = run(WHOLE, Ended::PoweredOff);
        let verdicts: Vec<_> = run
            .tests()
            .iter()
            .map(|test| test.verdict.clone())
            .collect();
        let skipped = Verdict::Skipped("no disk".to_owned());
        let expected = [Verdict::Passed, Verdict::Failed, skipped, Verdict::Ignored];
        assert_eq!(verdicts, expected);
        assert!(run.output("cpu::close").contains("far off"));
        assert_eq!(run.status(), "hook  active\n");
        assert_eq!(run.trouble(), None);
    }

    #[test]
    fn a_run_that_is_cut_off_is_trouble_wherever_it_is_cut() {
        let last = WHOLE.find("guest: ended").expect("a last line");
        for cut in 0..=last {
            let run = run(&WHOLE[..cut], Ended::PoweredOff);
            assert!(run.trouble().is_some(), "cut at {cut}");
        }
        let cut = &WHOLE[..WHOLE.find("ok\ntest cpu").expect("a first test")];
        assert_eq!(
            run(cut, Ended::TimedOut(Duration::from_secs(9)))
                .test("argv::bytes")
                .map(|test| test.verdict.clone()),
            Some(Verdict::Unfinished)
        );
    }

    #[test]
    fn a_test_program_that_dies_is_trouble() {
        let died = run(
            "guest: tests\ntest a ... guest: ended 134\n",
            Ended::PoweredOff,
        );
        let verdict = died.test("a").map(|test| test.verdict.clone());
        assert_eq!(verdict, Some(Verdict::Unfinished));
        assert_eq!(
            died.trouble().as_deref(),
            Some("the test program ended with 134")
        );
        let none = run("guest: tests\nguest: ended 0\n", Ended::PoweredOff);
        assert_eq!(none.trouble().as_deref(), Some("ran no test"));
        let boot = run("", Ended::PoweredOff);
        assert_eq!(boot.trouble().as_deref(), Some("did not boot"));
    }
}
