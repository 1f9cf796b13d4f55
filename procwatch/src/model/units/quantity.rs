//! A number of any unit, as a field is compared with.

use super::{
    Unit,
    parse::{QuantityError, parse_duration, parse_size},
    part::Part,
};
use crate::model::escape::quoted;

/// A number as written, with what it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    pub amount: Amount,
    /// [`Unit::Count`] when no unit was written.
    pub unit: Unit,
}

/// Whole where it can be, for a u64 is exact and an f64 of the same size is not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Whole(u64),
    /// Finite and not a whole number.
    Fraction(f64),
}

/// Any number a field can be compared with: plain, in percent, a duration or a size.
pub fn parse_quantity(text: &str) -> Result<Quantity, QuantityError> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, Unit::Percent),
        None => (text, Unit::Count),
    };
    let is_number = Part::first_of(number).is_some_and(|part| part.unit.is_empty());
    if is_number {
        return Ok(Quantity {
            amount: parse_amount(number)?,
            unit,
        });
    }
    match parse_duration(text) {
        Ok(duration) => {
            let amount = Amount::Whole(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
            Ok(Quantity {
                amount,
                unit: Unit::Nanoseconds,
            })
        }
        Err(QuantityError::NoDuration(text_quoted)) => match parse_size(text) {
            Ok(bytes) => Ok(Quantity {
                amount: Amount::Whole(bytes),
                unit: Unit::Bytes,
            }),
            Err(QuantityError::NoSize(_)) => Err(QuantityError::NoNumber(text_quoted)),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// `number` is digits, or digits, a point and digits.
fn parse_amount(number: &str) -> Result<Amount, QuantityError> {
    if let Ok(whole) = number.parse() {
        return Ok(Amount::Whole(whole));
    }
    let value: f64 = number.parse().unwrap_or(f64::INFINITY);
    // 2^64, the first that a u64 does not hold.
    if value >= 18_446_744_073_709_551_616.0 {
        return Err(QuantityError::TooLarge(
            quoted(number),
            "18446744073709551616",
        ));
    }
    Ok(if value.fract() == 0.0 {
        Amount::Whole(value as u64)
    } else {
        Amount::Fraction(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        let check = |text: &str, expected: Option<(Amount, Unit)>| {
            let parsed = parse_quantity(text).ok().map(|it| (it.amount, it.unit));
            assert_eq!(parsed, expected, "{text:?}");
        };
        check("5", Some((Amount::Whole(5), Unit::Count)));
        check("5.0", Some((Amount::Whole(5), Unit::Count)));
        check("0.25", Some((Amount::Fraction(0.25), Unit::Count)));
        check("80%", Some((Amount::Whole(80), Unit::Percent)));
        check("2.5%", Some((Amount::Fraction(2.5), Unit::Percent)));
        check(
            "18446744073709551615",
            Some((Amount::Whole(u64::MAX), Unit::Count)),
        );
        check(
            "1.5s",
            Some((Amount::Whole(1_500_000_000), Unit::Nanoseconds)),
        );
        check(
            "5m",
            Some((Amount::Whole(300_000_000_000), Unit::Nanoseconds)),
        );
        check("5MB", Some((Amount::Whole(5_000_000), Unit::Bytes)));
        check("0.1GiB", Some((Amount::Whole(107_374_182), Unit::Bytes)));
        for wrong in [
            "",
            "%",
            "x",
            "5x",
            "5%%",
            "5.",
            "18446744073709551616",
            "1s%",
            "-1",
            "1e3",
            "inf",
            "NaN",
        ] {
            check(wrong, None);
        }
    }
}
