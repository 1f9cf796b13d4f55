//! How every rule stands: what is pending, what fires, and what is over.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::{Around, Match, describe};
use crate::model::{
    alert::{Alert, AlertState, Subject},
    mute::Mutes,
    rule::Rule,
    snapshot::Snapshot,
};

/// Subjects that one rule may have alerts of at a time: a rule that everything matches is a mistake, and no alert.
const SUBJECTS_MAX: usize = 256;

/// An alert as it is kept over restarts.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAlert {
    pub alert: Alert,
    /// Whether its firing was handed to notifiers.
    pub is_told: bool,
    /// Why nobody is told: a silence, maintenance, or another rule.
    pub muted_by: Option<String>,
}

/// What has changed about one alert.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is like this now. `tell` says whether notifiers are to have it.
    Kept { kept: Box<KeptAlert>, tell: bool },
    /// It was pending, and came to nothing.
    Dropped { id: u64 },
}

#[derive(Debug)]
struct Entry {
    kept: KeptAlert,
    /// Nanoseconds since boot. `None` after a restart, until the first snapshot.
    since_ns: Option<u64>,
    /// When it held last, nanoseconds since boot. `None` as above.
    held_ns: Option<u64>,
}

/// A snapshot, and what lies around it.
pub(super) struct Here<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) around: &'a mut dyn Around,
}

impl Here<'_> {
    fn boot_ns(&self) -> u64 {
        self.snapshot.sample.boot_time_ns
    }

    fn wall_ns(&self) -> u64 {
        self.snapshot.sample.time_ns
    }

    /// A time of day as time since boot.
    fn since_boot(&self, wall_ns: u64) -> u64 {
        let ago_ns = self.wall_ns().saturating_sub(wall_ns);
        self.boot_ns().saturating_sub(ago_ns)
    }
}

#[derive(Debug)]
pub(super) struct Book {
    /// By rule.
    entries: Vec<HashMap<Subject, Entry>>,
    /// Until when a rule does not fire about a program, nanoseconds since the epoch.
    cooling: HashMap<(usize, String), u64>,
    /// Of rules that are no more.
    orphans: Vec<Entry>,
    next_id: u64,
    changes: Vec<Change>,
    pub(super) crowded_out: u64,
}

impl Book {
    pub(super) fn new(rules: &[Rule], kept: Vec<KeptAlert>, next_id: u64) -> Self {
        let mut book = Self {
            entries: rules.iter().map(|_| HashMap::new()).collect(),
            cooling: HashMap::new(),
            orphans: Vec::new(),
            next_id,
            changes: Vec::new(),
            crowded_out: 0,
        };
        for kept in kept {
            let at = rules.iter().position(|rule| rule.name == kept.alert.rule);
            match (at, kept.alert.resolved_ns) {
                (Some(at), Some(resolved_ns)) => {
                    book.cool(at, &rules[at], &kept.alert, resolved_ns);
                }
                (None, Some(_)) => {}
                (at, None) => {
                    let subject = kept.alert.subject.clone();
                    let entry = Entry {
                        kept,
                        since_ns: None,
                        held_ns: None,
                    };
                    match at {
                        Some(at) => drop(book.entries[at].insert(subject, entry)),
                        None => book.orphans.push(entry),
                    }
                }
            }
        }
        book
    }

    /// Goes on with other rules; those of the same name are the same.
    pub(super) fn rename(&mut self, before: &[Rule], after: &[Rule]) {
        let place = |at: usize| after.iter().position(|rule| rule.name == before[at].name);
        let mut entries: Vec<_> = after.iter().map(|_| HashMap::new()).collect();
        for (at, standing) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            match place(at) {
                Some(at) => entries[at] = standing,
                None => self.orphans.extend(standing.into_values()),
            }
        }
        self.entries = entries;
        self.cooling = std::mem::take(&mut self.cooling)
            .into_iter()
            .filter_map(|((at, program), until_ns)| Some(((place(at)?, program), until_ns)))
            .collect();
    }

    /// Takes in what a rule found in a snapshot.
    pub(super) fn settle(
        &mut self,
        at: usize,
        rule: &Rule,
        matches: Vec<Match>,
        holds_on: &dyn Fn(&Subject) -> bool,
        here: &mut Here<'_>,
    ) {
        let now_ns = here.boot_ns();
        let mut held: HashSet<Subject> = HashSet::with_capacity(matches.len());
        for found in matches {
            held.insert(found.subject.clone());
            self.hold(at, rule, &found, here);
        }
        let mut over = Vec::new();
        for (subject, entry) in &mut self.entries[at] {
            if held.contains(subject) {
                continue;
            }
            let held_ns = *entry.held_ns.get_or_insert(now_ns);
            let fires = entry.kept.alert.state == AlertState::Firing;
            if fires && holds_on(subject) {
                entry.held_ns = Some(now_ns);
            } else if !fires || now_ns.saturating_sub(held_ns) >= nanoseconds(rule.keep) {
                over.push(subject.clone());
            }
        }
        over.sort();
        for subject in over {
            if let Some(entry) = self.entries[at].remove(&subject) {
                self.end(Some((at, rule)), entry, here);
            }
        }
        if at == 0 {
            for orphan in std::mem::take(&mut self.orphans) {
                self.end(None, orphan, here);
            }
        }
    }

    fn hold(&mut self, at: usize, rule: &Rule, found: &Match, here: &mut Here<'_>) {
        let now_ns = here.boot_ns();
        let is_new = !self.entries[at].contains_key(&found.subject);
        if is_new {
            if self.entries[at].len() >= SUBJECTS_MAX {
                self.crowded_out += 1;
                return;
            }
            if self.is_cooling(at, found, here) {
                return;
            }
            let alert = describe::pending(self.next_id, rule, found, here.snapshot);
            self.next_id += 1;
            let kept = KeptAlert {
                alert,
                is_told: false,
                muted_by: None,
            };
            let entry = Entry {
                kept,
                since_ns: Some(now_ns),
                held_ns: Some(now_ns),
            };
            self.entries[at].insert(found.subject.clone(), entry);
        }
        let Some(entry) = self.entries[at].get_mut(&found.subject) else {
            return;
        };
        let began_ns = entry.kept.alert.began_ns;
        let since_ns = *entry
            .since_ns
            .get_or_insert_with(|| here.since_boot(began_ns));
        entry.held_ns = Some(now_ns);
        if entry.kept.alert.state == AlertState::Firing {
            return;
        }
        if now_ns.saturating_sub(since_ns) >= nanoseconds(rule.hold) {
            describe::fire(
                &mut entry.kept.alert,
                rule,
                found,
                here.snapshot,
                here.around,
            );
        } else if !is_new {
            return;
        }
        let kept = Box::new(entry.kept.clone());
        self.changes.push(Change::Kept { kept, tell: false });
    }

    fn end(&mut self, rule: Option<(usize, &Rule)>, mut entry: Entry, here: &Here<'_>) {
        let alert = &mut entry.kept.alert;
        if alert.state == AlertState::Pending {
            self.changes.push(Change::Dropped { id: alert.id });
            return;
        }
        // What it was like is over since it held last.
        let quiet_ns = here
            .boot_ns()
            .saturating_sub(entry.held_ns.unwrap_or(here.boot_ns()));
        let resolved_ns = here.wall_ns().saturating_sub(quiet_ns);
        describe::resolve(
            alert,
            resolved_ns,
            here.snapshot.interval_ns,
            rule.is_none(),
        );
        if let Some((at, rule)) = rule {
            let alert = alert.clone();
            self.cool(at, rule, &alert, resolved_ns);
        }
        let tell = entry.kept.is_told;
        let kept = Box::new(entry.kept);
        self.changes.push(Change::Kept { kept, tell });
    }

    fn cool(&mut self, at: usize, rule: &Rule, alert: &Alert, resolved_ns: u64) {
        if !rule.cooldown.is_zero() {
            let until_ns = resolved_ns.saturating_add(nanoseconds(rule.cooldown));
            let known = self
                .cooling
                .entry((at, alert.program().to_owned()))
                .or_default();
            *known = until_ns.max(*known);
        }
    }

    fn is_cooling(&self, at: usize, found: &Match, here: &Here<'_>) -> bool {
        if self.cooling.is_empty() {
            return false;
        }
        let program = describe::program(found, here.snapshot);
        let until_ns = self.cooling.get(&(at, program.to_owned()));
        until_ns.is_some_and(|until_ns| *until_ns > here.wall_ns())
    }

    /// Decides who is to be told of what fires.
    pub(super) fn tell(&mut self, rules: &[Rule], mutes: &Mutes, wall_ns: u64) {
        self.cooling.retain(|_, until_ns| *until_ns > wall_ns);
        let fires = |entry: &Entry| entry.kept.alert.state == AlertState::Firing;
        let firing: Vec<(usize, Subject, String)> = self
            .entries
            .iter()
            .enumerate()
            .flat_map(|(at, entries)| {
                entries
                    .iter()
                    .map(move |(subject, entry)| (at, subject, entry))
            })
            .filter(|(_, _, entry)| fires(entry))
            .map(|(at, subject, entry)| {
                (at, subject.clone(), entry.kept.alert.program().to_owned())
            })
            .collect();
        for (at, subject, program) in &firing {
            let inhibitors = &rules[*at].inhibited_by;
            let of_any = if inhibitors.is_empty() {
                &[]
            } else {
                &firing[..]
            };
            let inhibitor = of_any.iter().find(|(other, about, of)| {
                let is_named = inhibitors.contains(&rules[*other].name);
                is_named && (about == subject || of == program || *about == Subject::Host)
            });
            let Some(entry) = self.entries[*at].get_mut(subject) else {
                continue;
            };
            let muted_by = match inhibitor {
                Some((other, ..)) => Some(format!("rule {}", rules[*other].name)),
                None => mutes.muted_by(&entry.kept.alert, wall_ns),
            };
            let tell = muted_by.is_none() && !entry.kept.is_told;
            if muted_by == entry.kept.muted_by && !tell {
                continue;
            }
            entry.kept.muted_by = muted_by;
            entry.kept.is_told |= tell;
            let kept = Box::new(entry.kept.clone());
            self.changes.push(Change::Kept { kept, tell });
        }
    }

    /// What has come to be since the last call; of what changed twice at once only how it is now.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::with_capacity(self.changes.len());
        for change in std::mem::take(&mut self.changes) {
            let is_told_on = |last: &Change| match (last, &change) {
                (
                    Change::Kept {
                        kept: one,
                        tell: false,
                    },
                    Change::Kept { kept: other, .. },
                ) => one.alert.id == other.alert.id,
                _ => false,
            };
            match changes.iter_mut().rfind(|last| is_told_on(last)) {
                Some(last) => *last = change,
                None => changes.push(change),
            }
        }
        changes
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
