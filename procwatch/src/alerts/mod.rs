//! From snapshots to alerts: which rules hold, of whom, for how long, and who is to be told.
//!
//! Pure: a snapshot and its events in, what has changed about alerts out. Whatever else an alert carries, such as the
//! curve before it, is asked of an [`Around`]. Live and over a recording it is the same code, which is how a rule is
//! tried on the past.

mod book;
mod describe;
mod watch;

use std::sync::Arc;

use hashbrown::HashMap;

use self::{
    book::{Book, Here},
    watch::Watch,
};
pub use self::{
    book::{Change, KeptAlert},
    watch::Outlook,
};
use crate::model::{
    alert::{Figure, Subject},
    event::Event,
    filter::{Column, Filter, FilterOn},
    identity::ProcessId,
    mute::Mutes,
    rule::{Rule, Scope, Test},
    snapshot::Snapshot,
    sums::{Sum, containers, programs},
};

/// What is known beyond samples; nothing where a method is not said otherwise.
pub trait Around {
    /// A figure of a subject over the time before, nanoseconds since the epoch and value. Empty where nothing is known.
    fn curve(&mut self, _subject: &Subject, _figure: &str, _to_ns: u64) -> Vec<(u64, f64)> {
        Vec::new()
    }

    /// The least memory limit of the cgroups that a process is in, bytes. `None` where there is none.
    fn memory_limit_bytes(&mut self, _id: ProcessId) -> Option<u64> {
        None
    }

    /// How many files a process has open. `None` where nobody tells.
    fn open_files(&mut self, _id: ProcessId) -> Option<OpenFiles> {
        None
    }

    /// The command line that shows a moment, nanoseconds since the epoch.
    fn replay(&self, _time_ns: u64) -> String {
        String::new()
    }
}

/// Open files of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    pub open: u64,
    /// How many it may have (`RLIMIT_NOFILE`). `None` where there is no limit, or nobody tells.
    pub limit: Option<u64>,
}

/// That a rule holds of somebody.
#[derive(Clone, Debug, PartialEq)]
struct Match {
    subject: Subject,
    /// Who is behind it, as far as that is one process.
    culprit: Option<ProcessId>,
    figure: Option<Figure>,
    /// What is unusual, behind the name of the subject. `None` where the figure says it.
    words: Option<String>,
}

/// The rules, and how each of them stands.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Rule>,
    book: Book,
    mutes: Mutes,
    watch: Watch,
}

impl Engine {
    /// Goes on with what was kept. `next_id` is greater than any id that was ever given.
    pub fn new(rules: Vec<Rule>, mutes: Mutes, kept: Vec<KeptAlert>, next_id: u64) -> Self {
        let book = Book::new(&rules, kept, next_id);
        Self {
            rules,
            book,
            mutes,
            watch: Watch::default(),
        }
    }

    /// Other rules from now on. What a rule of the same name has found stands.
    pub fn set_rules(&mut self, rules: Vec<Rule>) {
        self.book.rename(&self.rules, &rules);
        self.rules = rules;
    }

    /// Other silences and maintenance from now on.
    pub fn set_mutes(&mut self, mutes: Mutes) {
        self.mutes = mutes;
    }

    /// What detectors have learned of this host, for a later engine's [`Self::remember`].
    pub fn learned(&self) -> Vec<u8> {
        self.watch.learned()
    }

    /// Goes on with what an earlier engine has learned; what another version has learned otherwise is forgotten.
    pub fn remember(&mut self, learned: &[u8]) {
        self.watch.remember(learned);
    }

    /// Where each program is going, a time ahead, nanoseconds, by what was learned of it.
    pub fn forecasts(&self, span_ns: u64) -> Vec<Outlook> {
        self.watch.forecasts(span_ns)
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Matches that no alert was made of, because too many are one rule's already.
    pub fn crowded_out(&self) -> u64 {
        self.book.crowded_out
    }

    /// Judges a snapshot. What it says of alerts is in the order in which it came to be.
    pub fn observe(
        &mut self,
        snapshot: &Snapshot,
        events: &[Event],
        around: &mut dyn Around,
    ) -> Vec<Change> {
        let mut found = self.watch.observe(&self.rules, snapshot, events, around);
        let sums = Sums::of(&self.rules, snapshot);
        let mut matches: Vec<Vec<Match>> = self
            .rules
            .iter()
            .map(|rule| match rule.test {
                Test::Detector(detector) => found.take(detector),
                _ => sums.matches(rule, snapshot),
            })
            .collect();
        match_processes(&self.rules, snapshot, &mut matches);
        let mut here = Here { snapshot, around };
        for (at, (rule, matches)) in self.rules.iter().zip(matches).enumerate() {
            let holds_on = |subject: &Subject| sums.holds_on(rule, subject, snapshot);
            self.book.settle(at, rule, matches, &holds_on, &mut here);
        }
        self.book
            .tell(&self.rules, &self.mutes, snapshot.sample.time_ns);
        self.book.changes()
    }
}

/// Every process by every rule of processes: one walk, for the processes are many.
fn match_processes(rules: &[Rule], snapshot: &Snapshot, matches: &mut [Vec<Match>]) {
    let filters: Vec<_> = rules
        .iter()
        .enumerate()
        .filter_map(|(at, rule)| match (&rule.test, rule.scope) {
            (Test::Filter { when, .. }, Scope::Process) => Some((at, when)),
            _ => None,
        })
        .collect();
    if filters.is_empty() {
        return;
    }
    for view in snapshot.processes() {
        for (at, filter) in &filters {
            if filter.matches(&view) {
                let id = view.process.id;
                matches[*at].push(Match {
                    subject: Subject::Process(id),
                    culprit: Some(id),
                    figure: figure(filter, &view),
                    words: None,
                });
            }
        }
    }
}

fn figure<F: Column>(filter: &FilterOn<F>, one: &F::Of<'_>) -> Option<Figure> {
    let (field, value, limit) = filter.passed(one)?;
    Some(Figure {
        name: field.name().to_owned(),
        value,
        baseline: None,
        limit: Some(limit),
        time_until_ns: None,
    })
}

/// Programs and containers, where a rule asks for them.
struct Sums {
    programs: HashMap<Arc<str>, Sum>,
    containers: HashMap<Arc<str>, Sum>,
}

impl Sums {
    fn of(rules: &[Rule], snapshot: &Snapshot) -> Self {
        let are_wanted = |scope| {
            let is_filter = |rule: &Rule| matches!(rule.test, Test::Filter { .. });
            rules
                .iter()
                .any(|rule| rule.scope == scope && is_filter(rule))
        };
        let or_none = |scope, sums: fn(&Snapshot) -> HashMap<Arc<str>, Sum>| {
            if are_wanted(scope) {
                sums(snapshot)
            } else {
                HashMap::new()
            }
        };
        Self {
            programs: or_none(Scope::Program, programs),
            containers: or_none(Scope::Container, containers),
        }
    }

    /// All but those of single processes.
    fn matches(&self, rule: &Rule, snapshot: &Snapshot) -> Vec<Match> {
        match (&rule.test, rule.scope) {
            (Test::Host { when, .. }, _) if when.matches(snapshot) => vec![Match {
                subject: Subject::Host,
                culprit: None,
                figure: figure(when, snapshot),
                words: None,
            }],
            (Test::Filter { when, .. }, Scope::Program) => {
                of_sums(when, &self.programs, Subject::Program)
            }
            (Test::Filter { when, .. }, Scope::Container) => {
                of_sums(when, &self.containers, Subject::Container)
            }
            _ => Vec::new(),
        }
    }

    /// Whether what fires goes on although the rule's condition holds no more, because what ends it does not
    /// either.
    fn holds_on(&self, rule: &Rule, subject: &Subject, snapshot: &Snapshot) -> bool {
        let has_not_ended =
            |until: &Filter, sum: Option<&Sum>| sum.is_some_and(|sum| !until.matches(&sum.view()));
        match (&rule.test, subject) {
            (
                Test::Host {
                    until: Some(until), ..
                },
                _,
            ) => !until.matches(snapshot),
            (
                Test::Filter {
                    until: Some(until), ..
                },
                Subject::Process(id),
            ) => snapshot
                .process(*id)
                .is_some_and(|view| !view.process.state.has_gone() && !until.matches(&view)),
            (
                Test::Filter {
                    until: Some(until), ..
                },
                Subject::Program(name),
            ) => has_not_ended(until, self.programs.get(&**name)),
            (
                Test::Filter {
                    until: Some(until), ..
                },
                Subject::Container(name),
            ) => has_not_ended(until, self.containers.get(&**name)),
            _ => false,
        }
    }
}

fn of_sums(
    when: &Filter,
    sums: &HashMap<Arc<str>, Sum>,
    subject: fn(String) -> Subject,
) -> Vec<Match> {
    let mut matches: Vec<_> = sums
        .iter()
        .filter(|(_, sum)| when.matches(&sum.view()))
        .map(|(name, sum)| Match {
            subject: subject(name.to_string()),
            culprit: Some(sum.busiest),
            figure: figure(when, &sum.view()),
            words: None,
        })
        .collect();
    matches.sort_by(|one, other| one.subject.cmp(&other.subject));
    matches
}

#[cfg(test)]
mod tests;
