//! When nobody is told: silences that somebody asked for, and maintenance that is configured.

use jiff::{
    Timestamp,
    civil::{Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::alert::{Alert, Subject};

/// Somebody wants to hear nothing of something for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub id: u64,
    /// Only alerts of this rule. `None` for all.
    pub rule: Option<String>,
    /// Only alerts whose program, name, container or command line has this in it. `None` for all.
    pub about: Option<String>,
    /// Nanoseconds since the epoch, as the end.
    pub from_ns: u64,
    pub until_ns: u64,
    pub reason: Option<String>,
    /// The user's name.
    pub by: Option<String>,
}

impl Silence {
    pub const fn is_active(&self, now_ns: u64) -> bool {
        self.from_ns <= now_ns && now_ns < self.until_ns
    }

    fn mutes(&self, alert: &Alert) -> bool {
        self.rule.as_ref().is_none_or(|rule| *rule == alert.rule)
            && self.about.as_ref().is_none_or(|text| is_about(alert, text))
    }
}

fn is_about(alert: &Alert, text: &str) -> bool {
    let subject = match &alert.subject {
        Subject::Host => "host",
        Subject::Program(name) | Subject::Container(name) => name,
        Subject::Process(_) => "",
    };
    let culprit = alert.culprit.iter().flat_map(|culprit| {
        [
            Some(&*culprit.comm),
            Some(&*culprit.command_line),
            culprit.exe.as_deref(),
            culprit.container.as_deref(),
        ]
    });
    let mut texts = std::iter::once(subject).chain(culprit.flatten());
    texts.any(|one| one.contains(text))
}

/// A time at which things are expected to be unusual.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    pub name: String,
    pub when: When,
    /// Only alerts of these rules; of all when there are none.
    pub rules: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Nanoseconds since the epoch.
    Once { from_ns: u64, to_ns: u64 },
    /// From a time of day to another, which is the next day's where it is not later. The days are those it begins on.
    Daily { from: Time, to: Time, days: Days },
}

/// Days of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(pub [bool; 7]);

impl Days {
    pub const ALL: Self = Self([true; 7]);

    const fn has(self, day: Weekday) -> bool {
        self.0[day.to_monday_zero_offset() as usize]
    }
}

impl Maintenance {
    fn is_active(&self, now_ns: u64, zone: &TimeZone) -> bool {
        match self.when {
            When::Once { from_ns, to_ns } => (from_ns..to_ns).contains(&now_ns),
            When::Daily { from, to, days } => {
                let Ok(now) = Timestamp::from_nanosecond(i128::from(now_ns)) else {
                    return false;
                };
                let now = now.to_zoned(zone.clone());
                let (time, today) = (now.time(), now.date().weekday());
                if from < to {
                    return days.has(today) && from <= time && time < to;
                }
                (days.has(today) && from <= time) || (days.has(today.previous()) && time < to)
            }
        }
    }
}

/// All that keeps alerts from being told.
#[derive(Clone, Debug)]
pub struct Mutes {
    pub silences: Vec<Silence>,
    pub maintenance: Vec<Maintenance>,
    /// That times of day are of.
    pub zone: TimeZone,
}

impl Default for Mutes {
    fn default() -> Self {
        Self {
            silences: Vec::new(),
            maintenance: Vec::new(),
            zone: TimeZone::UTC,
        }
    }
}

impl Mutes {
    /// What keeps an alert from being told. `None` when nothing does.
    pub fn muted_by(&self, alert: &Alert, now_ns: u64) -> Option<String> {
        let silence = self
            .silences
            .iter()
            .find(|silence| silence.is_active(now_ns) && silence.mutes(alert));
        if let Some(silence) = silence {
            return Some(format!("silence {}", silence.id));
        }
        let concerns = |maintenance: &&Maintenance| {
            maintenance.rules.is_empty() || maintenance.rules.contains(&alert.rule)
        };
        self.maintenance
            .iter()
            .filter(concerns)
            .find(|maintenance| maintenance.is_active(now_ns, &self.zone))
            .map(|maintenance| format!("maintenance {}", maintenance.name))
    }
}
