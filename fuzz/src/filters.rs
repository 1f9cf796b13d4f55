//! What people and scripts write: filters, durations, sizes.

use procwatch::model::{
    filter::Filter,
    units::{Amount, Unit, parse_duration, parse_quantity, parse_size},
};

use crate::process::{self, made_up};

/// A filter reads back as the same filter and means the same; an error is one harmless line that points into
/// the text.
pub(crate) fn filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Filter::parse(&text) {
        Ok(filter) => {
            let written = filter.to_string();
            assert!(!written.contains(char::is_control), "{written:?}");
            let again =
                Filter::parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(again, filter, "{written}");
            assert_eq!(again.to_string(), written);
            let process = made_up(&text);
            let view = process::view(&process);
            assert_eq!(again.matches(&view), filter.matches(&view));
        }
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
            assert!((1..=text.chars().count() + 1).contains(&error.column));
        }
    }
}

/// A quantity is what its parts add up to; an error is one harmless line.
pub(crate) fn quantity(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (duration, size) = (parse_duration(&text), parse_size(&text));
    if let Ok(duration) = duration {
        let written = format!("{}ns", duration.as_nanos());
        assert_eq!(parse_duration(&written), Ok(duration));
    }
    if let Ok(size) = size {
        assert_eq!(parse_size(&size.to_string()), Ok(size));
        assert_eq!(parse_size(&format!("{size}B")), Ok(size));
    }
    let quantity = parse_quantity(&text);
    if let Ok(quantity) = quantity {
        let whole = match quantity.amount {
            Amount::Whole(whole) => Some(whole),
            Amount::Fraction(part) => {
                assert!(part.is_finite() && part.fract() != 0.0 && part > 0.0);
                None
            }
        };
        match quantity.unit {
            Unit::Bytes => assert_eq!(parse_size(&text).ok(), whole),
            Unit::Nanoseconds => {
                let nanoseconds = parse_duration(&text).map(|duration| duration.as_nanos());
                assert_eq!(nanoseconds.ok(), whole.map(u128::from));
            }
            Unit::Count | Unit::Percent => {}
        }
    }
    let errors = [
        parse_duration(&text).err(),
        parse_size(&text).err(),
        quantity.err(),
    ];
    for error in errors.into_iter().flatten() {
        let message = error.to_string();
        assert!(
            !message.contains(char::is_control) && message.len() < 600,
            "{message:?}"
        );
    }
}
