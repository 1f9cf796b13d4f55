//! Durations, sizes and counts as people write and read them.
//!
//! Takes text and yields numbers, and the other way round. Deliberately does not decide what is
//! too small, too large or zero for a use: the caller knows. Points in time are not here.

mod format;
mod parse;
mod part;
mod quantity;

pub use format::{format_bytes, format_count, format_cpu_time, format_nanoseconds};
pub use parse::{QuantityError, parse_duration, parse_size};
pub use quantity::{Amount, Quantity, parse_quantity};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things: processes, switches, faults. Also the numbers that only name something, as a pid.
    Count,
    Bytes,
    Nanoseconds,
    /// Of one core: 100 is one core busy all the time.
    Percent,
}
