//! From when to when, as the user says it of a recording.

use anyhow::{Context as _, bail};

use crate::{
    cli::{args::WindowArgs, json::rfc3339},
    history::sql::Here,
    model::moment::parse_moment,
};

pub(super) fn moment(flag: &str, text: &str, here: &Here) -> super::Result<u64> {
    parse_moment(text, here.now_ns, &here.zone).with_context(|| flag.to_owned())
}

/// Nanoseconds since the epoch. `bounds` are those of the recording.
///
/// # Errors
/// When it ends before it begins, or nothing of the recording is in it.
pub(super) fn window(
    args: &WindowArgs,
    bounds: (u64, u64),
    here: &Here,
) -> super::Result<(u64, u64)> {
    let end = |flag: &str, text: &Option<String>, otherwise: u64| match text {
        Some(text) => moment(flag, text, here),
        None => Ok(otherwise),
    };
    let from = end("--from", &args.from, bounds.0)?;
    let to = end("--to", &args.to, bounds.1)?;
    let recorded = || {
        let (from, to) = (rfc3339(bounds.0), rfc3339(bounds.1));
        format!("the recording goes from {from} to {to}")
    };
    if from >= to {
        bail!(
            "--from {} is not before --to {}; {}",
            rfc3339(from),
            rfc3339(to),
            recorded()
        );
    }
    if to < bounds.0 || from > bounds.1 {
        bail!(
            "nothing was recorded from {} to {}; {}",
            rfc3339(from),
            rfc3339(to),
            recorded()
        );
    }
    Ok((from, to))
}
