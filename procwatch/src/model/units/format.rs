//! From a number to what a person reads at a glance. For machines the plain number is written instead.

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Powers of 1024 in at most five columns: `512B`, `1.5K`, `12.3M`, `123M`, `1023M`.
pub fn format_bytes(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "K", "M", "G", "T", "P", "E"])
}

/// Powers of 1000, from 10000 on: `9999`, `12.3k`, `1.2M`.
pub fn format_count(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        _ => scaled(count, 1000, &["", "k", "M", "G", "T", "P", "E"]),
    }
}

/// One decimal below 100 of a unit, none above; below the first step, all digits.
fn scaled<const UNITS: usize>(value: u64, step: u128, units: &[&str; UNITS]) -> String {
    let value = u128::from(value);
    let rounded_to = |scale: u128| (value + scale / 2) / scale;
    let (mut scale, mut power) = (1, 0);
    while rounded_to(scale) >= step && power + 1 < UNITS {
        scale *= step;
        power += 1;
    }
    let unit = units[power];
    let tenths = (value * 10 + scale / 2) / scale;
    match power {
        0 => format!("{value}{unit}"),
        _ if tenths < 1000 => format!("{}.{}{unit}", tenths / 10, tenths % 10),
        _ => format!("{}{unit}", rounded_to(scale)),
    }
}

/// A span of time: `850 ns`, `12.3 µs`, `1.23 ms`, `1.234 s`, `1m 02s`, `2h 05m`, `3d 04h`.
pub fn format_nanoseconds(ns: u64) -> String {
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    for (unit_ns, unit) in [(1_000, "\u{b5}s"), (1_000_000, "ms")] {
        if let Some(digits) = three_digits(ns, unit_ns) {
            return format!("{digits} {unit}");
        }
    }
    let millis = ns.saturating_add(500_000) / 1_000_000;
    if millis < 60_000 {
        return format!("{}.{:03} s", millis / 1000, millis % 1000);
    }
    let (minutes, seconds) = (ns / NANOS_PER_SEC / 60, ns / NANOS_PER_SEC % 60);
    match minutes {
        // Rounding went up to the minute.
        0 => "1m 00s".to_owned(),
        1..60 => format!("{minutes}m {seconds:02}s"),
        60..1440 => format!("{}h {:02}m", minutes / 60, minutes % 60),
        _ => format!("{}d {:02}h", minutes / 1440, minutes / 60 % 24),
    }
}

/// Three significant digits; `None` when rounded it is 1000 of the unit or more.
fn three_digits(ns: u64, unit_ns: u64) -> Option<String> {
    let in_steps_of = |step: u64| ns.saturating_add(step / 2) / step;
    let hundredths = in_steps_of(unit_ns / 100);
    let tenths = in_steps_of(unit_ns / 10);
    let whole = in_steps_of(unit_ns);
    if hundredths < 1000 {
        Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
    } else if tenths < 1000 {
        Some(format!("{}.{}", tenths / 10, tenths % 10))
    } else {
        (whole < 1000).then(|| whole.to_string())
    }
}

/// CPU time as `top` writes it, cut off and not rounded: `1:02.33` is a minute, two seconds and 33
/// hundredths; from an hour on `2:05:30`.
pub fn format_cpu_time(ns: u64) -> String {
    let (minutes, seconds) = (ns / NANOS_PER_SEC / 60, ns / NANOS_PER_SEC % 60);
    match minutes {
        0..60 => format!(
            "{minutes}:{seconds:02}.{:02}",
            ns % NANOS_PER_SEC / 10_000_000
        ),
        _ => format!("{}:{:02}:{seconds:02}", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes() {
        let check =
            |bytes: u64, expected: &str| assert_eq!(format_bytes(bytes), expected, "{bytes}");
        check(0, "0B");
        check(1023, "1023B");
        check(1024, "1.0K");
        check(1536, "1.5K");
        check(12_897_485, "12.3M");
        check(102_348, "99.9K");
        check(102_350, "100K");
        check(123 << 20, "123M");
        check((1 << 20) - 1, "1.0M");
        check(1023 << 20, "1023M");
        check(2 << 30, "2.0G");
        check(u64::MAX, "16.0E");
    }

    #[test]
    fn counts() {
        let check =
            |count: u64, expected: &str| assert_eq!(format_count(count), expected, "{count}");
        check(0, "0");
        check(9_999, "9999");
        check(10_000, "10.0k");
        check(12_345, "12.3k");
        check(123_456, "123k");
        check(999_999, "1.0M");
        check(u64::MAX, "18.4E");
    }

    #[test]
    fn spans_of_time() {
        let check = |ns: u64, expected: &str| assert_eq!(format_nanoseconds(ns), expected, "{ns}");
        check(0, "0 ns");
        check(999, "999 ns");
        check(1_000, "1.00 \u{b5}s");
        check(12_345, "12.3 \u{b5}s");
        check(999_499, "999 \u{b5}s");
        check(999_500, "1.00 ms");
        check(9_996_000, "10.0 ms");
        check(12_300_000, "12.3 ms");
        check(123_400_000, "123 ms");
        check(999_600_000, "1.000 s");
        check(1_234_000_000, "1.234 s");
        check(59_999_400_000, "59.999 s");
        check(59_999_600_000, "1m 00s");
        check(62_900_000_000, "1m 02s");
        check(7_530_000_000_000, "2h 05m");
        check(273_600_000_000_000, "3d 04h");
        check(u64::MAX, "213503d 23h");
    }

    #[test]
    fn cpu_time() {
        let check = |ns: u64, expected: &str| assert_eq!(format_cpu_time(ns), expected, "{ns}");
        check(0, "0:00.00");
        check(9_999_999, "0:00.00");
        check(62_339_000_000, "1:02.33");
        check(3_599_999_999_999, "59:59.99");
        check(3_600_000_000_000, "1:00:00");
        check(450_330_000_000_000, "125:05:30");
    }

    proptest! {
        #[test]
        fn a_column_of_bytes_is_five_wide(bytes in any::<u64>(), shift in 0_u32..64) {
            prop_assert!(format_bytes(bytes >> shift).len() <= 5);
            prop_assert!(format_count(bytes >> shift).len() <= 5);
        }
    }
}
