//! `[limits]`: what procwatch itself may cost.

use super::{
    ConfigError,
    table::{Table, out_of_range},
};
pub use crate::model::shed::Limits;
use crate::model::units::{Amount, Quantity, Unit, parse_quantity, parse_size};

/// Less than this no collection runs in.
const MEMORY_MIN: u64 = 16 << 20;

pub(super) fn read(table: &mut Table) -> Result<Limits, ConfigError> {
    let cpu = table.take("cpu");
    let memory = table.take("memory");
    Ok(Limits {
        cpu_pct: cpu.map(|field| field.text("10%", share)).transpose()?,
        memory_bytes: memory
            .map(|field| field.text("300MiB", memory_size))
            .transpose()?,
    })
}

fn share(text: &str) -> Result<f64, String> {
    let quantity = parse_quantity(text).map_err(|error| error.to_string())?;
    let Quantity {
        amount,
        unit: Unit::Percent,
    } = quantity
    else {
        return Err(out_of_range(text, "write percent of one core, such as 10%"));
    };
    let percent = match amount {
        Amount::Whole(whole) => whole as f64,
        Amount::Fraction(fraction) => fraction,
    };
    if percent > 0.0 && percent <= 100.0 {
        Ok(percent)
    } else {
        Err(out_of_range(text, "write more than 0% and at most 100%"))
    }
}

fn memory_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text).map_err(|error| error.to_string())?;
    if bytes >= MEMORY_MIN {
        Ok(bytes)
    } else {
        Err(out_of_range(text, "write at least 16MiB"))
    }
}
