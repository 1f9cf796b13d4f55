//! One number of a text, digit by digit: exact, where an f64 would not be.

/// One number with its unit, and what follows it.
pub(super) struct Part<'a> {
    /// Digits, at least one.
    whole: &'a str,
    /// The digits behind the point; empty when there is no point.
    pub(super) fraction: &'a str,
    /// Up to the next digit; empty when there is none.
    pub(super) unit: &'a str,
    pub(super) rest: &'a str,
}

impl<'a> Part<'a> {
    pub(super) fn first_of(text: &'a str) -> Option<Self> {
        let (whole, rest) = split_digits(text);
        if whole.is_empty() {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (fraction, rest) = split_digits(rest);
                if fraction.is_empty() {
                    return None;
                }
                (fraction, rest)
            }
            None => ("", rest),
        };
        let next = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(next);
        Some(Self {
            whole,
            fraction,
            unit,
            rest,
        })
    }

    /// The number times `scale`, without what is left of a one. `None` when a u64 is too small for it.
    pub(super) fn times(&self, scale: u64) -> Option<u64> {
        /// More digits than any unit has: a day is 14 digits of nanoseconds.
        const DIGITS: usize = 18;
        let fraction = self.fraction.get(..DIGITS).unwrap_or(self.fraction);
        let below_one = match fraction {
            "" => 0,
            _ => {
                let numerator: u128 = fraction.parse().ok()?;
                numerator * u128::from(scale)
                    / 10_u128.checked_pow(fraction.len().try_into().ok()?)?
            }
        };
        let whole: u64 = self.whole.parse().ok()?;
        u64::try_from(u128::from(whole) * u128::from(scale) + below_one).ok()
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}
