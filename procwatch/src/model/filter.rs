//! The filter language: which processes a person, a script or a rule means.
//!
//! `cpu_pct > 5 and user == "www-data"`, or a word to search for. Takes text and yields a [`Filter`], which
//! judges one process at a time. Deliberately has no arithmetic, no comparison of two fields and no
//! regular expressions: nothing a person can write costs more than a pass over a process's text.
//!
//! ```text
//! any        = all { ("or" | "||") all }
//! all        = negation { ("and" | "&&") negation }
//! negation   = ("not" | "!") negation | "(" any ")" | comparison | search
//! comparison = field ("==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~") value
//! value      = number [unit] | "true" | "false" | "null" | text
//! search     = text
//! text       = word | "…" | '…'
//! ```

mod column;
mod expression;
mod lex;
mod operand;
mod parse;
mod pattern;
#[cfg(test)]
mod properties;

use std::{fmt, str::FromStr};

pub use column::{Column, remedy_among};
use expression::Expression;

use super::{field::Field, host_field::HostField};

/// A parsed filter. Written out, it reads back as the same filter.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterOn<F>(Expression<F>);

/// Of processes.
pub type Filter = FilterOn<Field>;

/// The same about the host's own figures: `memory_available_pct < 5`. There is nothing to search for in it.
pub type HostFilter = FilterOn<HostField>;

impl<F: Column> FilterOn<F> {
    /// Parses a filter, and checks that each field is compared with what it can be compared with.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::expression(text).map(Self)
    }

    /// Whether the process, or the host, is meant. A comparison with an unknown value does not hold, be it `==`, `!=`
    /// or `!~`; only `== null` does. `not` turns that round as it does everything.
    pub fn matches(&self, one: &F::Of<'_>) -> bool {
        self.0.matches(one)
    }

    /// Of a filter that matches: the first figure that passes a limit, and that limit. `None` where it does not
    /// match by a limit.
    pub fn passed(&self, one: &F::Of<'_>) -> Option<(F, f64, f64)> {
        self.0.passed(one)
    }
}

impl<F: Column> FromStr for FilterOn<F> {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl<F: Column> fmt::Display for FilterOn<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Where a filter is wrong, and what to write instead. One line, whatever the filter was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at column {column}; {remedy}")]
pub struct FilterError {
    /// In characters, from 1. One past the end when something is missing there.
    pub column: usize,
    /// Names the offending token, quoted and made harmless.
    problem: String,
    remedy: String,
}

impl FilterError {
    fn new(column: usize, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            column,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        field::fixture::{Fixture, ended},
        sample::{State, TotalsAt},
        totals::Counter,
    };

    /// nginx of www-data, pid 7, 10 % CPU, 64 MiB; no exit.
    fn check(filter: &str, expected: bool) {
        let fixture = Fixture::full();
        let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(parsed.matches(&fixture.view()), expected, "{filter}");
    }

    #[test]
    fn a_word_searches() {
        check("nginx", true);
        check("NGINX", true);
        check("gin", true);
        check("sbin/ng", true);
        check("\"-g daemon\"", true);
        check("'DAEMON OFF'", true);
        check("apache", false);
        check("www-data", false);
        check("7", true);
        check("07", false);
        check("8", false);
        check("\"\"", true);
    }

    #[test]
    fn numbers_compare_in_their_unit() {
        check("cpu_pct > 9.5", true);
        check("cpu_pct >= 10%", true);
        check("cpu_pct > 10", false);
        check("cpu_pct == 10", true);
        check("cpu_pct != 10", false);
        check("rss_bytes == 64MiB", true);
        check("rss_bytes<64MiB", false);
        check("rss_bytes <= 67.108864MB", true);
        check("cpu_time_ns < 2s", true);
        check("cpu_time_ns == 1000ms", true);
        check("cpu_time_ns_per_sec >= 100ms", true);
        check("pid != 7", false);
        check("pid > 6.5", true);
        check("pid < 6.5", false);
    }

    #[test]
    fn large_numbers_compare_exactly() {
        let mut fixture = Fixture::full();
        // The next u64 is the same as an f64.
        fixture.process.id.start_time_ns = (1 << 60) + 1;
        let check = |filter: &str, expected: bool| {
            assert_eq!(
                Filter::parse(filter).unwrap().matches(&fixture.view()),
                expected,
                "{filter}"
            );
        };
        check("start_time_ns == 1152921504606846977", true);
        check("start_time_ns == 1152921504606846976", false);
    }

    #[test]
    fn text_compares_whole_or_in_part() {
        check("user == \"www-data\"", true);
        check("user == 'www-data'", true);
        check("user == www-data", true);
        check("user == WWW-DATA", false);
        check("user ~ WWW", true);
        check("user !~ WWW", false);
        check("user != root", true);
        check("exe == \"\\x2fusr\\u{2f}sbin/nginx\"", true);
        check("argv ~ 'off;'", true);
        check("state == sleeping", true);
    }

    #[test]
    fn the_unknown_compares_with_nothing_but_null() {
        let mut fixture = Fixture::full();
        fixture.facts(|facts| facts.exe = None);
        let check = |filter: &str, expected: bool| {
            assert_eq!(
                Filter::parse(filter).unwrap().matches(&fixture.view()),
                expected,
                "{filter}"
            );
        };
        check("exe == null", true);
        check("exe != null", false);
        check("exe == x", false);
        check("exe != x", false);
        check("exe ~ x", false);
        check("exe !~ x", false);
        check("not exe == x", true);
        check("lifetime_ns >= 0", false);
        check("lifetime_ns == null", true);
        check("comm == null", false);
        check("comm != null", true);
        check("core_dumped != true", false);
    }

    #[test]
    fn flags_compare_with_true_and_false() {
        let mut fixture = Fixture::full();
        fixture.process.state = State::Exited(ended(None, Some(0x80 | 6), TotalsAt::Final));
        fixture.delta.set(Counter::CpuTime, 0);
        let check = |filter: &str, expected: bool| {
            assert_eq!(
                Filter::parse(filter).unwrap().matches(&fixture.view()),
                expected,
                "{filter}"
            );
        };
        check("core_dumped == true", true);
        check("core_dumped == false", false);
        check("core_dumped != FALSE", true);
        check("exit_signal == 6 and cpu_pct == 0", true);
    }

    #[test]
    fn and_binds_closer_than_or() {
        check("nginx or apache and apache", true);
        check("(nginx or apache) and apache", false);
        check("apache and apache or nginx", true);
        check("not apache and nginx", true);
        check("not (apache and nginx)", true);
        check("not nginx or nginx", true);
        check("!nginx||!!nginx", true);
        check("nginx&&!apache", true);
        check("nginx AND NOT apache", true);
        check("not cpu_pct > 50", true);
        check("cpu_pct > 5 and user == \"www-data\" and nginx", true);
    }
}
