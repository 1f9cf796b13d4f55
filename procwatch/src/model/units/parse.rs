//! From what a person writes to a number.

use std::time::Duration;

use super::part::Part;
use crate::model::escape::quoted;

/// The text is quoted and made harmless already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error(
        "{0} is no duration; write numbers with a unit (ns, us, ms, s, m, h, d), such as 500ms, 1.5s or 1m30s"
    )]
    NoDuration(String),
    #[error(
        "{0} is no size; write bytes, or a number with a unit (B, KiB, MiB, GiB, TiB, or KB, MB, GB, TB for powers of 1000), such as 64MiB"
    )]
    NoSize(String),
    #[error(
        "{0} is no number; write digits, with a fraction or a unit if need be, such as 5, 2.5%, 64MiB or 500ms"
    )]
    NoNumber(String),
    #[error("{0} is too large; write less than {1}")]
    TooLarge(String, &'static str),
}

const LONGEST_DURATION: &str = "580 years";
const LARGEST_SIZE: &str = "16 million TiB";

/// In nanoseconds.
const DURATION_UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    // The micro sign and the letter mu.
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
];

/// In bytes.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// `500ms`, `1.5s`, `1m30s`: numbers with a unit each, the larger units first. At most what a u64 has
/// nanoseconds for; what is left of a nanosecond is cut off. Zero is a duration.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let no_duration = || QuantityError::NoDuration(quoted(text));
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(no_duration());
    }
    let mut total_ns: u64 = 0;
    let mut larger_unit_ns = u64::MAX;
    while !rest.is_empty() {
        let part = Part::first_of(rest).ok_or_else(no_duration)?;
        let unit_ns = DURATION_UNITS
            .iter()
            .find_map(|&(unit, unit_ns)| (unit == part.unit).then_some(unit_ns))
            .filter(|&unit_ns| unit_ns < larger_unit_ns)
            .ok_or_else(no_duration)?;
        total_ns = part
            .times(unit_ns)
            .and_then(|part_ns| total_ns.checked_add(part_ns))
            .ok_or_else(|| QuantityError::TooLarge(quoted(text), LONGEST_DURATION))?;
        larger_unit_ns = unit_ns;
        rest = part.rest;
    }
    Ok(Duration::from_nanos(total_ns))
}

/// `4096`, `4KiB`, `1.5GiB`, in bytes. The case of the unit does not matter, nor what is left of a byte.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let no_size = || QuantityError::NoSize(quoted(text));
    let part = Part::first_of(text.trim())
        .filter(|part| part.rest.is_empty())
        .ok_or_else(no_size)?;
    let scale = match part.unit {
        "" if part.fraction.is_empty() => 1,
        written => SIZE_UNITS
            .iter()
            .find_map(|&(unit, scale)| unit.eq_ignore_ascii_case(written).then_some(scale))
            .ok_or_else(no_size)?,
    };
    part.times(scale)
        .ok_or_else(|| QuantityError::TooLarge(quoted(text), LARGEST_SIZE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::units::parse_quantity;

    #[test]
    fn durations() {
        let check = |text: &str, expected: Option<Duration>| {
            assert_eq!(parse_duration(text).ok(), expected, "{text:?}");
        };
        let nanos = |ns: u64| Some(Duration::from_nanos(ns));
        check("500ms", nanos(500_000_000));
        check("1s", nanos(1_000_000_000));
        check("5m", nanos(300_000_000_000));
        check("2h", nanos(7_200_000_000_000));
        check("1d", nanos(86_400_000_000_000));
        check("7ns", nanos(7));
        check("7us", nanos(7_000));
        check("7\u{b5}s", nanos(7_000));
        check("7\u{3bc}s", nanos(7_000));
        check("0s", nanos(0));
        check(" 1.5s ", nanos(1_500_000_000));
        check("1m30s", nanos(90_000_000_000));
        check("1h0.5m", nanos(3_630_000_000_000));
        check("0.1ns", nanos(0));
        check("0.000000000000000000000000001d", nanos(0));
        check("18446744073709551615ns", nanos(u64::MAX));
        for wrong in [
            "",
            " ",
            "5",
            "s",
            ".5s",
            "5.s",
            "-1s",
            "+1s",
            "1 s",
            "1M",
            "1S",
            "30s1m",
            "1s1s",
            "1x",
            "1.2.3s",
            "1e3s",
            "\u{0661}s",
            "1s,",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_size(text).ok(), expected, "{text:?}");
        };
        check("0", Some(0));
        check("4096", Some(4096));
        check("12B", Some(12));
        check("4KiB", Some(4096));
        check("64MiB", Some(64 << 20));
        check("2GiB", Some(2 << 30));
        check("1.5gib", Some(3 << 29));
        check("1TiB", Some(1 << 40));
        check("4kB", Some(4_000));
        check("2MB", Some(2_000_000));
        check("2GB", Some(2_000_000_000));
        check("1TB", Some(1_000_000_000_000));
        check("18446744073709551615", Some(u64::MAX));
        for wrong in [
            "",
            "1.5",
            "MiB",
            "4K",
            "4 KiB",
            "-4KiB",
            "4KiB2",
            "1GiB1MiB",
            "18446744073709551616",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn an_error_names_the_text_and_the_remedy() {
        let check = |error: QuantityError, expected: &str| assert_eq!(error.to_string(), expected);
        check(
            parse_duration("5\x1bx").unwrap_err(),
            "\"5\\x1bx\" is no duration; write numbers with a unit (ns, us, ms, s, m, h, d), such as 500ms, 1.5s or 1m30s",
        );
        check(
            parse_duration("300000d").unwrap_err(),
            "\"300000d\" is too large; write less than 580 years",
        );
        check(
            parse_size("17000000TiB").unwrap_err(),
            "\"17000000TiB\" is too large; write less than 16 million TiB",
        );
        check(
            parse_size("4K").unwrap_err(),
            "\"4K\" is no size; write bytes, or a number with a unit (B, KiB, MiB, GiB, TiB, or KB, MB, GB, TB for powers of 1000), such as 64MiB",
        );
        assert!(matches!(
            parse_quantity("9".repeat(400).as_str()),
            Err(QuantityError::TooLarge(..))
        ));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in r"([0-9]{0,40}\.?[0-9]{0,40}(ns|us|ms|s|m|h|d|KiB|TB|%)?){0,3}|\PC*") {
            let _ = (parse_duration(&text), parse_size(&text), parse_quantity(&text));
        }

        #[test]
        fn a_duration_reads_back(hours in 0_u64..5_000_000, minutes in 0_u64..60, ns in 0_u64..60_000_000_000) {
            let text = format!("{hours}h{minutes}m{ns}ns");
            let expected = Duration::from_secs(hours * 3600 + minutes * 60) + Duration::from_nanos(ns);
            prop_assert_eq!(parse_duration(&text), Ok(expected));
        }
    }
}
