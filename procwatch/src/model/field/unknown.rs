//! A name that no field has, and the field that was probably meant.

use std::str::FromStr;

use super::{ALL, Field};
use crate::model::escape::quoted;

impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(name: &str) -> Result<Self, UnknownField> {
        Self::from_name(name).ok_or_else(|| UnknownField {
            name: name.to_owned(),
        })
    }
}

/// No field has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown field {}; {}", quoted(name), remedy_for(name))]
pub struct UnknownField {
    pub name: String,
}

/// What to try instead of a name that no field has.
pub(in crate::model) fn remedy_for(name: &str) -> String {
    match nearest_name(name) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => {
            "fields are named as in the JSON output, such as cpu_pct, rss_bytes or comm".to_owned()
        }
    }
}

/// The field that was probably meant: a few letters away, or the shortest that goes on from `name` with
/// its next word. `None` when none is near.
pub fn nearest_name(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let longest = ALL
        .into_iter()
        .map(|field| field.name().len())
        .max()
        .unwrap_or(0);
    // The distance takes time by the product of both lengths, and `name` is anyone's text.
    if name.is_empty() || name.len() > 2 * longest {
        return None;
    }
    let names = || ALL.into_iter().map(Field::name);
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    names()
        .map(|candidate| (strsim::osa_distance(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
        .or_else(|| {
            names()
                .filter(|it| {
                    it.strip_prefix(&*name)
                        .is_some_and(|rest| rest.starts_with('_'))
                })
                .min_by_key(|candidate| candidate.len())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_has_a_nearest_name() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(nearest_name(name), expected, "{name:?}");
        };
        check("cpu_pc", Some("cpu_pct"));
        check("CPU_PCT", Some("cpu_pct"));
        check("cpu_ptc", Some("cpu_pct"));
        check("pdi", Some("pid"));
        check("rss", Some("rss_bytes"));
        check("cpu", Some("cpu_pct"));
        check("read_byte_per_sec", Some("read_bytes_per_sec"));
        check("exit", Some("exit_code"));
        check("", None);
        check("zzz", None);
        check("temperature", None);
        check(&"cpu_pct".repeat(10_000), None);
    }

    #[test]
    fn an_unknown_field_says_what_to_try() {
        let check = |name: &str, expected: &str| {
            assert_eq!(name.parse::<Field>().unwrap_err().to_string(), expected);
        };
        check(
            "cpu_pc",
            "unknown field \"cpu_pc\"; did you mean \"cpu_pct\"?",
        );
        check(
            "a\nb",
            "unknown field \"a\\nb\"; fields are named as in the JSON output, such as cpu_pct, rss_bytes or comm",
        );
    }
}
