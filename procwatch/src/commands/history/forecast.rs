//! `procwatch history forecast`: where programs are going.

use std::io;

use anyhow::bail;

use super::{Cell, Rows};
use crate::{
    alerts::{Engine, Outlook},
    cli::{
        answer::Writer,
        args::{AnswerFormat, ForecastArgs},
        json::rfc3339,
        terminal::Terminal,
    },
    commands::alerting::LEARNED,
    detect::forecast::Ahead,
    history::History,
    model::{mute::Mutes, units::Unit},
};

pub(super) fn forecast(
    history: &History,
    args: &ForecastArgs,
    terminal: Terminal,
) -> crate::commands::Result<()> {
    let Some(learned) = history.learned(LEARNED)? else {
        bail!(
            "nothing has been learned of programs yet; a recorder keeps that every five minutes, and at its end"
        );
    };
    let mut engine = Engine::new(Vec::new(), Mutes::default(), Vec::new(), 1);
    engine.remember(&learned);
    let span_ns = u64::try_from(args.ahead.as_nanos()).unwrap_or(u64::MAX);
    let mut outlooks = engine.forecasts(span_ns);
    outlooks.retain(|one| {
        let is_meant = args.program.as_ref();
        is_meant.is_none_or(|text| one.program.contains(text.as_str()))
            && (one.cpu_pct.is_some() || one.memory_bytes.is_some())
    });
    let memory = |one: &Outlook| one.memory_bytes.map_or(0.0, |ahead| ahead.expected);
    outlooks.sort_by(|one, other| memory(other).total_cmp(&memory(one)));
    outlooks.truncate(args.limit);
    let out = io::BufWriter::with_capacity(64 * 1024, io::stdout());
    let mut out = Writer::new(out, args.format, terminal);
    let names = [
        "program",
        "time",
        "cpu_pct",
        "cpu_pct_low",
        "cpu_pct_high",
        "rss_bytes",
        "rss_bytes_low",
        "rss_bytes_high",
    ];
    let mut rows = Rows::begin(&mut out, args.format, &names)?;
    let is_table = args.format == AnswerFormat::Table;
    for one in &outlooks {
        let cpu = |of: fn(&Ahead) -> f64| match &one.cpu_pct {
            // A tenth of a percent is what a person reads.
            Some(ahead) if is_table => Cell::Real((of(ahead).max(0.0) * 10.0).round() / 10.0),
            Some(ahead) => Cell::Real(of(ahead).max(0.0)),
            None => Cell::Unknown,
        };
        let memory = |of: fn(&Ahead) -> f64| match &one.memory_bytes {
            Some(ahead) => Cell::Figure(Unit::Bytes, of(ahead).max(0.0).round() as u64),
            None => Cell::Unknown,
        };
        rows.row(&[
            Cell::Text(one.program.to_string()),
            Cell::Text(rfc3339(one.as_of_ns.saturating_add(span_ns))),
            cpu(|ahead| ahead.expected),
            cpu(|ahead| ahead.low),
            cpu(|ahead| ahead.high),
            memory(|ahead| ahead.expected),
            memory(|ahead| ahead.low),
            memory(|ahead| ahead.high),
        ])?;
    }
    Ok(out.finish()?)
}
