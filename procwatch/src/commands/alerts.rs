//! `procwatch alerts`: what was found to be wrong, and who is to hear of it.

mod explain;

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use super::{
    alerting::{host_name, replay},
    query, window,
};
use crate::{
    alerts::KeptAlert,
    cli::{
        alerts::{Listed, in_full, json_line, silences as silences_of},
        answer::Writer,
        args::{AlertListArgs, AlertsArgs, AlertsCommand, AnswerFormat, SilenceArgs, TextFormat},
        terminal::Terminal,
    },
    collector::Now,
    config::Config,
    confine::Confinement,
    history::{AlertBook, History},
    model::{
        alert::AlertState,
        escape::{quoted, terminal},
        mute::Silence,
        notifier::{Channel, Notifier},
        rule::Rule,
    },
    notify,
};

const DAY_NS: u64 = 86_400_000_000_000;

pub(super) fn run(args: &AlertsArgs, config: &Config, confinement: Confinement) -> super::Result {
    let path = query::path(&args.db, config);
    match &args.command {
        None => list(&path, &AlertListArgs::of_today(), confinement),
        Some(AlertsCommand::List(args)) => list(&path, args, confinement),
        Some(AlertsCommand::Show { id, format }) => show(&path, *id, *format, confinement),
        Some(AlertsCommand::Silence(args)) => silence(&path, args, &config.alerts.rules),
        Some(AlertsCommand::Unsilence { id }) => unsilence(&path, *id),
        Some(AlertsCommand::Test { notifier }) => {
            try_out(notifier, &config.alerts.notifiers, confinement)
        }
        Some(AlertsCommand::Explain(args)) => explain::run(&path, args, config, confinement),
    }
}

fn open(path: &Path) -> super::Result<History> {
    let shown = terminal(&path.display().to_string()).into_owned();
    History::open(path).map_err(|error| query::unreadable(&shown, &error))
}

fn list(path: &Path, args: &AlertListArgs, confinement: Confinement) -> super::Result {
    let history = open(path)?;
    let _confined = confinement.collecting().showing();
    let here = query::here();
    let moment = |flag: &str, text: &Option<String>, otherwise: u64| match text {
        Some(text) => window::moment(flag, text, &here),
        None => Ok(otherwise),
    };
    let to_ns = moment("--to", &args.window.to, here.now_ns)?;
    let from_ns = moment("--from", &args.window.from, to_ns.saturating_sub(DAY_NS))?;
    let mut alerts = history.alerts(from_ns, to_ns)?;
    alerts.retain(|kept| {
        args.rule
            .as_ref()
            .is_none_or(|rule| *rule == kept.alert.rule)
    });
    // Those that somebody has to do something about come first.
    alerts.sort_by_key(|kept| {
        let rank = match kept.alert.state {
            AlertState::Firing => 0,
            AlertState::Pending => 1,
            AlertState::Resolved => 2,
        };
        let severity = if rank == 2 {
            None
        } else {
            Some(kept.alert.severity)
        };
        let age = std::cmp::Reverse(kept.alert.began_ns);
        (rank, std::cmp::Reverse(severity), age)
    });
    let is_firing = |kept: &KeptAlert| kept.alert.state == AlertState::Firing;
    let code = ExitCode::from(u8::from(alerts.iter().any(is_firing)));
    if args.format == AnswerFormat::Json {
        print_json(&alerts)?;
        return Ok(code);
    }
    let silences = history.silences(here.now_ns)?;
    let listed = Listed {
        now_ns: here.now_ns,
        zone: &here.zone,
    };
    print_rows(&listed, &alerts, args.format)?;
    if args.format == AnswerFormat::Table {
        let nothing = if alerts.is_empty() { "no alerts\n" } else { "" };
        let told = silences_of(&silences, here.now_ns);
        io::stdout()
            .write_all(format!("{nothing}{told}").as_bytes())
            .context("writing to standard output")?;
    }
    Ok(code)
}

/// As a table or CSV. A table of nothing is nothing.
fn print_rows(
    listed: &Listed<'_>,
    alerts: &[KeptAlert],
    format: AnswerFormat,
) -> super::Result<()> {
    let out = io::BufWriter::with_capacity(64 * 1024, io::stdout());
    let mut writer = Writer::new(out, format, Terminal::of_stdout());
    let written = match format {
        AnswerFormat::Table if alerts.is_empty() => Ok(()),
        AnswerFormat::Table => listed.table(&mut writer, alerts),
        AnswerFormat::Csv | AnswerFormat::Json => listed.csv(&mut writer, alerts),
    };
    written
        .and_then(|()| writer.finish())
        .context("writing to standard output")
}

/// Names the recording as its reader does, who may have it elsewhere.
fn replayable(kept: &mut KeptAlert, path: &Path) {
    kept.alert.replay = replay(path, kept.alert.began_ns);
}

fn print_json(alerts: &[KeptAlert]) -> super::Result<()> {
    let host = host_name();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for kept in alerts {
        writeln!(out, "{}", json_line(kept, &host)).context("writing to standard output")?;
    }
    out.flush().context("writing to standard output")
}

fn show(path: &Path, id: u64, format: TextFormat, confinement: Confinement) -> super::Result {
    let history = open(path)?;
    let _confined = confinement.collecting().showing();
    let Some(mut kept) = history.alert(id)? else {
        bail!("there is no alert {id}; `procwatch alerts` lists them");
    };
    replayable(&mut kept, path);
    match format {
        TextFormat::Json => print_json(std::slice::from_ref(&kept))?,
        TextFormat::Text => io::stdout()
            .write_all(in_full(&kept, Terminal::of_stdout()).as_bytes())
            .context("writing to standard output")?,
    }
    let is_firing = kept.alert.state == AlertState::Firing;
    Ok(ExitCode::from(u8::from(is_firing)))
}

fn book(path: &Path) -> super::Result<AlertBook> {
    let shown = terminal(&path.display().to_string()).into_owned();
    AlertBook::open(path).with_context(|| {
        format!(
            "{shown} cannot be written to, as whoever records does; silences are for root to make"
        )
    })
}

fn silence(path: &Path, args: &SilenceArgs, rules: &[Rule]) -> super::Result {
    if let Some(name) = &args.rule
        && rules.iter().all(|rule| rule.name != *name)
    {
        bail!("{}", unknown_rule(name, rules));
    }
    let now_ns = Now::read().wall_ns;
    let span_ns = u64::try_from(args.span.as_nanos()).unwrap_or(u64::MAX);
    let silence = Silence {
        id: 0,
        rule: args.rule.clone(),
        about: args.about.clone(),
        from_ns: now_ns,
        until_ns: now_ns.saturating_add(span_ns),
        reason: args.reason.clone(),
        by: std::env::var("SUDO_USER")
            .or_else(|_| std::env::var("USER"))
            .ok(),
    };
    let id = book(path)?.add_silence(&silence)?;
    let told = silences_of(&[Silence { id, ..silence }], now_ns);
    print(&told)
}

fn unsilence(path: &Path, id: u64) -> super::Result {
    if !book(path)?.end_silence(id)? {
        bail!("there is no silence {id}; `procwatch alerts` lists them");
    }
    print(&format!("silence {id} has ended\n"))
}

fn print(text: &str) -> super::Result {
    io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn unknown_rule(name: &str, rules: &[Rule]) -> String {
    let names: Vec<_> = rules.iter().map(|rule| &*rule.name).collect();
    format!(
        "there is no rule {}; there are {}",
        quoted(name),
        terminal(&names.join(", "))
    )
}

fn try_out(name: &str, notifiers: &[Notifier], confinement: Confinement) -> super::Result {
    let Some(notifier) = notifiers.iter().find(|notifier| notifier.name == name) else {
        let names: Vec<_> = notifiers.iter().map(|notifier| &*notifier.name).collect();
        let known = if names.is_empty() {
            "the configuration has none; write one below [alerts]".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        bail!("there is no notifier {}; {known}", quoted(name));
    };
    let confinement = confinement.collecting();
    let _confined = if matches!(notifier.channel, Channel::Command(_)) {
        confinement.starting_programs()
    } else {
        confinement.showing()
    };
    let notifier = notify::Notifier::new(notifier.clone());
    let said = notify::try_out(&notifier, &host_name(), Now::read().wall_ns)
        .with_context(|| format!("{name} has not taken it"))?;
    print(&format!("{name} has taken it: {}\n", terminal(&said)))
}
