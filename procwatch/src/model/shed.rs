//! What collection does without for a while, so as to stay within the limits that it was given.

use serde::{Deserialize, Serialize};

/// What collection may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Percent of one core, over 0 and up to 100. `None` for no limit.
    pub cpu_pct: Option<f64>,
    /// Bytes of resident memory. `None` for no limit.
    pub memory_bytes: Option<u64>,
}

/// The detail that is left out. Totals never are: what an event that is not told moved is in its process's
/// account all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shed {
    /// Samples come this many times as far apart as was asked for; 1 when nothing is shed.
    pub stretch: u32,
    /// No PSS, which the kernel walks all pages for.
    pub pss: bool,
    /// Connects, accepts and closes are not told.
    pub connection_events: bool,
    /// Command lines of new programs are not read; they are marked as cut off.
    pub command_lines: bool,
}

impl Shed {
    pub const NOTHING: Self = Self {
        stretch: 1,
        pss: false,
        connection_events: false,
        command_lines: false,
    };

    pub fn is_nothing(self) -> bool {
        self == Self::NOTHING
    }

    /// As users read it, one entry for each thing that is missing.
    pub fn names(self) -> Vec<String> {
        let details = [
            (self.pss, "pss"),
            (self.connection_events, "connection_events"),
            (self.command_lines, "command_lines"),
        ];
        let mut names: Vec<_> = details
            .into_iter()
            .filter(|(is_shed, _)| *is_shed)
            .map(|(_, name)| name.to_owned())
            .collect();
        if self.stretch > 1 {
            names.push(format!("{} of {} samples", self.stretch - 1, self.stretch));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert!(Shed::NOTHING.names().is_empty() && Shed::NOTHING.is_nothing());
        let shed = Shed {
            stretch: 4,
            pss: true,
            ..Shed::NOTHING
        };
        assert_eq!(shed.names(), ["pss", "3 of 4 samples"]);
        assert!(!shed.is_nothing());
    }
}
