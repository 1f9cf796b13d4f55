//! `procwatch alerts explain`: a rule over the past.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::{
    super::{alerting::replay, query, window},
    print_json, print_rows, unknown_rule,
};
use crate::{
    alerts::{Around, Change, Engine, KeptAlert},
    cli::{
        alerts::Listed,
        args::{AnswerFormat, ExplainArgs},
        json::rfc3339,
        notice::notice,
        progress::Progress,
    },
    config::{Config, Format},
    confine::Confinement,
    history::{History, HistoryError, sql::Control},
    model::{
        alert::AlertState, escape::terminal, event::Event, mute::Mutes, rule::Rule, sample::Sample,
        snapshot::Snapshot,
    },
};

/// Of a rule that is not written down.
const NAME: &str = "this rule";
/// Events are read so much at a time, nanoseconds.
const EVENTS_SPAN_NS: u64 = 600_000_000_000;

pub(super) fn run(
    path: &Path,
    args: &ExplainArgs,
    config: &Config,
    confinement: Confinement,
) -> super::super::Result {
    let rule = rule(args, &config.alerts.rules)?;
    let (history, bounds) = query::open(path)?;
    let _confined = confinement.collecting().showing();
    let here = query::here();
    let span = window::window(&args.window, bounds, &here)?;
    let (path, format) = (path.to_owned(), args.format);
    let control = Arc::new(Control::default());
    let stop = Arc::clone(&control);
    query::interruptible(&control, move || {
        let mut past = Past::new(history, path, rule.clone());
        past.walk(span, &stop)?;
        let count = past.fired.len();
        match format {
            AnswerFormat::Json => print_json(&past.fired)?,
            AnswerFormat::Csv | AnswerFormat::Table => {
                let listed = Listed {
                    now_ns: span.1,
                    zone: &here.zone,
                };
                print_rows(&listed, &past.fired, format)?;
            }
        }
        let times = match count {
            0 => "would not have fired".to_owned(),
            1 => "would have fired once".to_owned(),
            count => format!("would have fired {count} times"),
        };
        let told = format!(
            "{} {times} in {} samples from {} to {}\n",
            terminal(&rule.name),
            past.samples,
            rfc3339(span.0.max(bounds.0)),
            rfc3339(span.1.min(bounds.1)),
        );
        if format == AnswerFormat::Table {
            io::stdout()
                .write_all(told.as_bytes())
                .context("writing to standard output")?;
        } else {
            notice(format_args!("{}", told.trim_end()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn rule(args: &ExplainArgs, rules: &[Rule]) -> super::super::Result<Rule> {
    if let Some(name) = &args.rule {
        let known = rules.iter().find(|rule| rule.name == *name);
        return known.cloned().with_context(|| unknown_rule(name, rules));
    }
    // As the configuration would have it, with the same errors.
    let mut written = serde_json::json!({ "name": NAME, "when": args.when });
    if let Some(until) = &args.until {
        written["until"] = until.as_str().into();
    }
    if let Some(per) = &args.per {
        written["per"] = per.as_str().into();
    }
    let text = serde_json::json!({ "alerts": { "rules": [written] } }).to_string();
    let config = crate::config::parse(&text, Format::Json).map_err(|error| {
        let flag = error.key.rsplit('.').next().unwrap_or_default().to_owned();
        anyhow::anyhow!("--{flag}: {}", error.problem)
    })?;
    let Some(rule) = config.alerts.rules.into_iter().next() else {
        bail!("--when: there is no rule in it");
    };
    Ok(Rule {
        hold: args.hold.unwrap_or(Duration::ZERO),
        ..rule
    })
}

/// A recording, judged from its beginning on.
struct Past {
    history: History,
    path: PathBuf,
    engine: Engine,
    fired: Vec<KeptAlert>,
    samples: u64,
}

impl Past {
    fn new(history: History, path: PathBuf, rule: Rule) -> Self {
        Self {
            history,
            path,
            engine: Engine::new(vec![rule], Mutes::default(), Vec::new(), 1),
            fired: Vec::new(),
            samples: 0,
        }
    }

    fn walk(
        &mut self,
        (from_ns, to_ns): (u64, u64),
        control: &Control,
    ) -> super::super::Result<()> {
        let mut progress = Progress::new("Judging");
        let mut previous: Option<Arc<Sample>> = None;
        let mut begin_ns = from_ns;
        while begin_ns <= to_ns {
            if control.why_to_stop().is_some() {
                bail!("interrupted");
            }
            let end_ns = begin_ns.saturating_add(EVENTS_SPAN_NS - 1).min(to_ns);
            let mut events = self
                .history
                .events(begin_ns, end_ns)?
                .into_iter()
                .peekable();
            let (engine, fired, samples) = (&mut self.engine, &mut self.fired, &mut self.samples);
            let mut around = Nothing(&self.path);
            let walked = self.history.each_sample((begin_ns, end_ns), &mut |sample| {
                let sample = Arc::new(sample);
                let mut happened: Vec<Event> = Vec::new();
                while let Some((_, event)) = events.next_if(|(at, _)| *at <= sample.time_ns) {
                    happened.push(event);
                }
                *samples += 1;
                if let Some(previous) = previous.replace(Arc::clone(&sample))
                    && previous.boot_time_ns < sample.boot_time_ns
                {
                    let snapshot = Snapshot::derive(&previous, sample);
                    note(fired, engine.observe(&snapshot, &happened, &mut around));
                }
                control.why_to_stop().is_none()
            });
            walked.map_err(|error: HistoryError| anyhow::Error::new(error))?;
            progress.tell(end_ns - from_ns, (to_ns - from_ns).max(1));
            begin_ns = end_ns.saturating_add(1);
        }
        Ok(())
    }
}

/// How each alert stands that has fired.
fn note(fired: &mut Vec<KeptAlert>, changes: Vec<Change>) {
    for change in changes {
        let Change::Kept { mut kept, .. } = change else {
            continue;
        };
        // Somebody would have been told, and nobody was.
        kept.is_told = false;
        if kept.alert.state == AlertState::Pending {
            continue;
        }
        match fired.iter_mut().rfind(|one| one.alert.id == kept.alert.id) {
            Some(one) => *one = *kept,
            None => fired.push(*kept),
        }
    }
}

/// The past has no more than its samples.
struct Nothing<'a>(&'a Path);

impl Around for Nothing<'_> {
    fn replay(&self, time_ns: u64) -> String {
        replay(self.0, time_ns)
    }
}
