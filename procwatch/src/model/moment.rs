//! Moments as people and scripts write them.
//!
//! Takes text, what the time is now and the zone of whoever writes, and yields nanoseconds since the epoch.
//! Deliberately reads no clock and no zone itself.

use jiff::{
    Timestamp, ToSpan as _, Zoned,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use super::{escape::quoted, units::parse_duration};

/// The text is quoted and made harmless already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    #[error(
        "{0} is no time; write RFC 3339 as 2030-01-31T14:00:00Z, seconds since the epoch, or relative as 10m, 3h ago, 14:00 or yesterday 14:00"
    )]
    NoMoment(String),
    #[error("{0} is before 1970 or too far away; write a time from then on")]
    OutOfRange(String),
}

const SECOND_NS: i128 = 1_000_000_000;

/// RFC 3339; a date, a time of day or both in the zone; `today`, `yesterday` or `now`; seconds since the epoch; or
/// a duration, with or without `ago`, before now. Nanoseconds since the epoch.
///
/// # Errors
/// When it is none of them, or not within what nanoseconds since the epoch can tell.
pub fn parse_moment(text: &str, now_ns: u64, zone: &TimeZone) -> Result<u64, MomentError> {
    let trimmed = text.trim();
    let out_of_range = || MomentError::OutOfRange(quoted(text));
    let nanoseconds = if trimmed.starts_with(|first: char| first.is_ascii_digit())
        && let Some(ns) = epoch_seconds(trimmed)
    {
        ns
    } else if let Some(before_ns) = before_now(trimmed) {
        i128::from(now_ns) - before_ns
    } else {
        let now = Timestamp::from_nanosecond(i128::from(now_ns))
            .map_err(|_| out_of_range())?
            .to_zoned(zone.clone());
        calendar(trimmed, &now)
            .ok_or_else(|| MomentError::NoMoment(quoted(text)))?
            .as_nanosecond()
    };
    // SQL has signed numbers.
    u64::try_from(nanoseconds)
        .ok()
        .filter(|ns| i64::try_from(*ns).is_ok())
        .ok_or_else(out_of_range)
}

/// Digits alone, with a fraction or without.
fn epoch_seconds(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() > 18 || text.ends_with('.') {
        return None;
    }
    let mut nanoseconds: i128 = 0;
    for at in 0..9 {
        let digit = fraction.as_bytes().get(at).map_or(0, |digit| digit - b'0');
        nanoseconds = nanoseconds * 10 + i128::from(digit);
    }
    Some(whole.parse::<i128>().ok()? * SECOND_NS + nanoseconds)
}

/// How long before now, in nanoseconds.
fn before_now(text: &str) -> Option<i128> {
    let span = text.strip_suffix("ago").map_or(text, str::trim_end);
    let joined: String = span.split_whitespace().collect();
    let duration = parse_duration(&joined).ok()?;
    i128::try_from(duration.as_nanos()).ok()
}

fn calendar(text: &str, now: &Zoned) -> Option<Timestamp> {
    let in_zone = |civil: DateTime| {
        let zoned = civil.to_zoned(now.time_zone().clone()).ok()?;
        Some(zoned.timestamp())
    };
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let day = match first {
        "now" if rest.is_empty() => return Some(now.timestamp()),
        "today" => Some(now.date()),
        "yesterday" => Some(now.date().checked_sub(1.day()).ok()?),
        _ => None,
    };
    if let Some(day) = day {
        let time = match rest.trim() {
            "" => Time::midnight(),
            rest => rest.parse().ok()?,
        };
        return in_zone(day.to_datetime(time));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if !text.contains('-')
        && text.contains(':')
        && let Ok(time) = text.parse::<Time>()
    {
        return in_zone(now.date().to_datetime(time));
    }
    if text.len() <= "2030-01-31".len() {
        return in_zone(text.parse::<Date>().ok()?.to_datetime(Time::midnight()));
    }
    in_zone(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2024-06-02T12:00:00 in UTC, which is 14:00 in the zone of these tests.
    const NOW: u64 = 1_717_329_600 * 1_000_000_000;

    fn check(text: &str, expected: Option<&str>) {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let told = parse_moment(text, NOW, &zone).ok().map(|ns| {
            let time = Timestamp::from_nanosecond(i128::from(ns)).unwrap();
            time.to_string()
        });
        assert_eq!(told.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn moments_that_say_it_all() {
        check("2024-06-01T10:00:00Z", Some("2024-06-01T10:00:00Z"));
        check(
            "2024-06-01T10:00:00.5+02:00",
            Some("2024-06-01T08:00:00.5Z"),
        );
        check("1717329600", Some("2024-06-02T12:00:00Z"));
        check("1717329600.25", Some("2024-06-02T12:00:00.25Z"));
        check("0", Some("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn moments_that_lean_on_now() {
        check("now", Some("2024-06-02T12:00:00Z"));
        check("10m", Some("2024-06-02T11:50:00Z"));
        check("3h ago", Some("2024-06-02T09:00:00Z"));
        check(" 1h30m ago ", Some("2024-06-02T10:30:00Z"));
        check("2 h ago", Some("2024-06-02T10:00:00Z"));
        check("500ms", Some("2024-06-02T11:59:59.5Z"));
    }

    #[test]
    fn moments_of_the_zone() {
        check("yesterday 14:00", Some("2024-06-01T12:00:00Z"));
        check("today 00:30:05", Some("2024-06-01T22:30:05Z"));
        check("yesterday", Some("2024-05-31T22:00:00Z"));
        check("13:15", Some("2024-06-02T11:15:00Z"));
        check("2024-06-01", Some("2024-05-31T22:00:00Z"));
        check("2024-06-01 14:00", Some("2024-06-01T12:00:00Z"));
        check("2024-06-01T14:00:01", Some("2024-06-01T12:00:01Z"));
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "soon",
            "10x",
            "1.",
            "yesterday noon",
            "25:00",
            "now 14:00",
            "2024-13-01",
            "-5",
            "1969-12-31T00:00:00Z",
            "9999999999",
            "ago",
        ] {
            check(text, None);
        }
        let zone = TimeZone::UTC;
        let told = parse_moment("soon", NOW, &zone).unwrap_err().to_string();
        assert!(
            told.contains("\"soon\"") && told.contains("3h ago"),
            "{told}"
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            let _ = parse_moment(&text, NOW, &TimeZone::UTC);
        }
    }
}
