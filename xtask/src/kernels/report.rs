//! What the user reads: what went wrong on each kernel, and the tables of all at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use super::{
    capabilities,
    hooks::Hooks,
    results::{Run, Verdict},
    selection,
};

/// Of a console, when a kernel is in trouble.
const LINES_SHOWN: usize = 60;
const CELL: usize = 18;

struct Kernel {
    name: &'static str,
    run: Run,
    hooks: Option<Hooks>,
    wall_time: Duration,
    /// What is wrong besides tests.
    troubles: Vec<String>,
}

#[derive(Default)]
pub struct Report {
    /// In the order in which they ended, then in that of their names in [`super::KERNELS`].
    kernels: Vec<Kernel>,
}

impl Kernel {
    fn of(name: &'static str, run: Run, wall_time: Duration) -> Self {
        let mut troubles: Vec<_> = run.trouble().into_iter().collect();
        let hooks = match Hooks::parse(run.status()) {
            Ok(hooks) => {
                troubles.extend(capabilities::differences(name, &hooks));
                Some(hooks)
            }
            Err(error) => {
                troubles.push(crate::explain(&error));
                None
            }
        };
        Self {
            name,
            run,
            hooks,
            wall_time,
            troubles,
        }
    }

    fn failed(&self) -> Vec<&str> {
        let tests = self.run.tests().iter();
        tests
            .filter(|test| matches!(test.verdict, Verdict::Failed | Verdict::Unfinished))
            .map(|test| test.name.as_str())
            .collect()
    }

    fn has_failed(&self) -> bool {
        !self.troubles.is_empty() || !self.failed().is_empty()
    }

    /// What whoever is to mend it needs.
    fn print_troubles(&self) {
        let name = self.name;
        for test in self.failed() {
            println!("\n{name}: {test}\n{}", indented(self.run.output(test)));
        }
        for trouble in &self.troubles {
            println!("\n{name}: {trouble}");
        }
        if self.hooks.is_none() && !self.run.status().is_empty() {
            println!(
                "\n{name}: procwatch status\n{}",
                indented(self.run.status())
            );
        }
        if self.run.trouble().is_some() {
            let lines: Vec<_> = self.run.console.lines().collect();
            let end = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            println!(
                "\n{name}: the end of its console\n{}",
                indented(&end.join("\n"))
            );
        }
    }
}

impl Report {
    /// Says at once what went wrong.
    pub fn add(&mut self, kernel: &'static str, run: Run, wall_time: Duration) {
        let kernel = Kernel::of(kernel, run, wall_time);
        println!(
            "\n── {}: {} in {:.0} s",
            kernel.name,
            if kernel.has_failed() {
                "FAILED"
            } else {
                "passed"
            },
            wall_time.as_secs_f64()
        );
        kernel.print_troubles();
        self.kernels.push(kernel);
        let place = |name| super::KERNELS.iter().position(|kernel| kernel.name == name);
        self.kernels.sort_by_key(|kernel| place(kernel.name));
    }

    pub fn has_failed(&self) -> bool {
        self.kernels.iter().any(Kernel::has_failed)
    }

    /// What `procwatch status` said on each kernel, where it said something on every one.
    pub fn hooks(&self) -> Option<Vec<(&str, &Hooks)>> {
        self.kernels
            .iter()
            .map(|kernel| Some((kernel.name, kernel.hooks.as_ref()?)))
            .collect()
    }

    /// The tables, and why tests were skipped.
    pub fn print(&self) {
        self.print_hooks();
        self.print_tests();
        println!();
        for ((how, test, why), kernels) in self.skipped() {
            println!("{how} on {}: {test}: {why}", kernels.join(", "));
        }
        for kernel in &self.kernels {
            let failed = kernel.failed().len();
            if failed > 0 {
                println!("{}: {failed} FAILED", kernel.name);
            }
            for trouble in &kernel.troubles {
                println!("{}: {trouble}", kernel.name);
            }
        }
    }

    /// Kernels against hooks.
    fn print_hooks(&self) {
        let all: Vec<_> = self
            .kernels
            .iter()
            .filter_map(|it| it.hooks.as_ref())
            .collect();
        let hooks = all.iter().flat_map(|hooks| hooks.all());
        let programs: BTreeSet<_> = hooks
            .map(|hook| (hook.figures.as_str(), hook.program.as_str()))
            .collect();
        let name = |(figures, program): &(&str, &str)| format!("{figures:<12} {program}");
        let width = programs.iter().map(|it| name(it).len()).max().unwrap_or(0);
        println!();
        self.row(width, "HOOKS", |kernel| kernel.name.to_owned());
        for program in &programs {
            self.row(width, &name(program), |kernel| {
                let mut hooks = kernel.hooks.iter().flat_map(Hooks::all);
                let found = hooks.find(|hook| hook.program == program.1);
                found.map_or("-".to_owned(), |hook| hook.state.to_string())
            });
        }
    }

    /// Kernels against tests, by topic.
    fn print_tests(&self) {
        let tests = self.tests();
        let width = tests.iter().map(|test| test.len() + 2).max().unwrap_or(0);
        println!();
        self.row(width, "TESTS", |kernel| kernel.name.to_owned());
        let mut topic = "";
        for test in tests {
            if topic != selection::topic(test) {
                topic = selection::topic(test);
                println!("{topic}");
            }
            self.row(width, &format!("  {test}"), |kernel| {
                kernel.run.test(test).map_or("-".to_owned(), |test| {
                    let seconds = test.wall_time.as_secs_f64();
                    format!("{:<8}{seconds:5.1} s", test.verdict)
                })
            });
        }
        self.row(width, "all, from its start to its end", |kernel| {
            format!("{:<8}{:5.0} s", "", kernel.wall_time.as_secs_f64())
        });
    }

    fn row(&self, width: usize, name: &str, cell: impl Fn(&Kernel) -> String) {
        let mut line = format!("{name:width$}  ");
        for kernel in &self.kernels {
            let _ = write!(line, "{:CELL$}", cell(kernel));
        }
        println!("{}", line.trim_end());
    }

    /// Of all kernels, for one that went down has not told all.
    fn tests(&self) -> Vec<&str> {
        let all = self.kernels.iter().flat_map(|kernel| kernel.run.tests());
        let names: BTreeSet<_> = all
            .map(|test| (selection::place(&test.name), test.name.as_str()))
            .collect();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// The kernels on which a test, or a part of it, said why it cannot run.
    fn skipped(&self) -> BTreeMap<(&str, &str, &str), Vec<&str>> {
        let mut skipped: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for kernel in &self.kernels {
            let whole = kernel.run.tests().iter().filter_map(|test| {
                let Verdict::Skipped(why) = &test.verdict else {
                    return None;
                };
                Some(("skipped", test.name.as_str(), why.as_str()))
            });
            let parts = kernel.run.partly();
            for said in whole.chain(parts.map(|(test, why)| ("in part", test, why))) {
                let kernels = skipped.entry(said).or_default();
                if !kernels.contains(&kernel.name) {
                    kernels.push(kernel.name);
                }
            }
        }
        skipped
    }
}

fn indented(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines.map(|line| format!("    {line}\n")).collect()
}
