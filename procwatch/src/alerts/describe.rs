//! What an alert says: who, what, against what, and who else.

use super::{Around, Match};
use crate::model::{
    alert::{Alert, AlertState, Culprit, Figure, Share, Subject},
    field::{Field, Value},
    host_field::HostField,
    identity::ProcessId,
    rule::{Rule, Test},
    shown::figure_in_unit,
    snapshot::{ProcessView, Snapshot},
    sums,
    totals::Counter,
    units::{Unit, format_nanoseconds},
};

/// How many of those with most of the same figure an alert names.
const TOP: usize = 5;
const ANCESTORS_MAX: usize = 16;

/// As [`Alert::program`] will have it.
pub(super) fn program<'a>(found: &'a Match, snapshot: &'a Snapshot) -> &'a str {
    match &found.subject {
        Subject::Host => "",
        Subject::Program(name) | Subject::Container(name) => name,
        Subject::Process(id) => snapshot
            .process(*id)
            .map_or("", |view| sums::program(&view.process.facts)),
    }
}

/// What a process reads from storage and writes to it, bytes a second: a figure of alerts, and no field of its own.
pub(super) const STORAGE_RATE: &str = "storage_bytes_per_sec";

/// Its value. `None` where either is unknown.
pub(super) fn storage_rate(view: &ProcessView<'_>) -> Option<f64> {
    Some(view.rate(Counter::Read)? + view.rate(Counter::Write)?)
}

/// What is known before it is sure that anybody wants to.
pub(super) fn pending(id: u64, rule: &Rule, found: &Match, snapshot: &Snapshot) -> Alert {
    Alert {
        id,
        rule: rule.name.clone(),
        severity: rule.severity,
        state: AlertState::Pending,
        subject: found.subject.clone(),
        began_ns: snapshot.sample.time_ns,
        fired_ns: None,
        resolved_ns: None,
        summary: summary(rule, found, snapshot),
        figure: found.figure.clone(),
        culprit: found.culprit.and_then(|id| culprit(id, snapshot)),
        top: Vec::new(),
        curve: Vec::new(),
        replay: String::new(),
    }
}

/// Adds what somebody needs who is woken by it.
pub(super) fn fire(
    alert: &mut Alert,
    rule: &Rule,
    found: &Match,
    snapshot: &Snapshot,
    around: &mut dyn Around,
) {
    let now_ns = snapshot.sample.time_ns;
    alert.state = AlertState::Firing;
    alert.fired_ns = Some(now_ns);
    alert.severity = rule.severity;
    alert.summary = summary(rule, found, snapshot);
    let held_ns = now_ns.saturating_sub(alert.began_ns);
    if held_ns > 0 {
        alert.summary += &format!(", for {}", format_nanoseconds(held_ns));
    }
    alert.figure.clone_from(&found.figure);
    let known = found.culprit.and_then(|id| culprit(id, snapshot));
    alert.culprit = known.or_else(|| alert.culprit.take());
    if let Some(figure) = &alert.figure {
        alert.top = top(&figure.name, snapshot);
        alert.curve = around.curve(&alert.subject, &figure.name, now_ns);
    }
    alert.replay = around.replay(alert.began_ns);
}

/// What held in one snapshot held for its interval. `is_orphan`: its rule was taken out of the configuration.
pub(super) fn resolve(alert: &mut Alert, resolved_ns: u64, interval_ns: u64, is_orphan: bool) {
    alert.state = AlertState::Resolved;
    alert.resolved_ns = Some(resolved_ns.max(alert.fired_ns.unwrap_or(0)));
    let lasted_ns = resolved_ns.saturating_sub(alert.began_ns) + interval_ns;
    alert.summary += &format!("; it lasted {}", format_nanoseconds(lasted_ns));
    if is_orphan {
        alert.summary += ", or longer: its rule was removed";
    }
}

fn summary(rule: &Rule, found: &Match, snapshot: &Snapshot) -> String {
    let who = who(&found.subject, found.culprit, snapshot);
    if let Some(words) = &found.words {
        return format!("{who} {words}");
    }
    match (&found.figure, &rule.test) {
        (Some(figure), _) => format!("{who} has {}", in_words(figure, rule)),
        (None, Test::Filter { when, .. }) => format!("{who} matches {when}"),
        (None, Test::Host { when, .. }) => format!("{who} matches {when}"),
        (None, Test::Detector(detector)) => format!("{who}: {}", detector.name()),
    }
}

fn who(subject: &Subject, culprit: Option<ProcessId>, snapshot: &Snapshot) -> String {
    let name = |id: ProcessId| {
        let view = snapshot.process(id);
        view.map_or_else(
            || format!("process {}", id.pid),
            |view| format!("{} ({})", view.process.facts.comm, id.pid),
        )
    };
    match subject {
        Subject::Host => "the host".to_owned(),
        Subject::Process(id) => name(*id),
        Subject::Program(program) => match culprit {
            Some(id) if snapshot.process(id).is_some() => format!("{program}, as {},", name(id)),
            _ => program.clone(),
        },
        Subject::Container(container) => format!("container {container}"),
    }
}

fn in_words(figure: &Figure, rule: &Rule) -> String {
    let unit = unit_of(&figure.name, rule);
    let value = |value| figure_in_unit(unit, value);
    let mut text = format!("{} {}", figure.name, value(figure.value));
    if let Some(limit) = figure.limit {
        let side = if figure.value < limit {
            "below"
        } else {
            "above"
        };
        text += &format!(", {side} {}", value(limit));
    }
    if let Some(usual) = figure.baseline {
        text += &format!(", where {} is usual", value(usual));
    }
    if let Some(left_ns) = figure.time_until_ns {
        text += &format!(", which is reached in {}", format_nanoseconds(left_ns));
    }
    text
}

fn unit_of(name: &str, rule: &Rule) -> Unit {
    match rule.test {
        Test::Host { .. } => HostField::from_name(name).map(HostField::unit),
        _ => Field::from_name(name).map(Field::unit),
    }
    .unwrap_or(Unit::Count)
}

fn culprit(id: ProcessId, snapshot: &Snapshot) -> Option<Culprit> {
    let view = snapshot.process(id)?;
    let facts = &view.process.facts;
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    Some(Culprit {
        id,
        comm: facts.comm.to_string(),
        command_line: facts.command_line(),
        exe: facts.exe.as_deref().map(str::to_owned),
        user: text(&facts.user),
        container: text(&facts.container),
        cgroup: text(&facts.cgroup),
        ancestry: ancestry(&view, snapshot),
    })
}

/// As far as they are among the processes.
fn ancestry(view: &ProcessView<'_>, snapshot: &Snapshot) -> Vec<String> {
    let mut ancestors = Vec::new();
    let mut next = view.process.parent;
    while let Some(parent) = next.and_then(|id| snapshot.process(id))
        && ancestors.len() < ANCESTORS_MAX
    {
        let process = parent.process;
        ancestors.push(format!("{} ({})", process.facts.comm, process.id.pid));
        next = process.parent;
    }
    ancestors.reverse();
    ancestors
}

/// Who has most of a figure. Of one of the host, who has most of what that is made of.
fn top(figure: &str, snapshot: &Snapshot) -> Vec<Share> {
    let field = match figure {
        "cpu_used_pct" | "load_1" | "load_5" | "load_15" | "pressure_cpu_pct" => {
            Some(Field::CpuPct)
        }
        _ if figure.starts_with("memory_") || figure == "pressure_memory_pct" => Some(Field::Rss),
        "swap_used_pct" => Some(Field::Swap),
        _ => Field::from_name(figure),
    };
    if field.is_none() && figure != STORAGE_RATE {
        return Vec::new();
    }
    let mut shares: Vec<Share> = snapshot
        .processes()
        .filter_map(|view| {
            let value = match field.map(|field| field.value(&view)) {
                None => storage_rate(&view)?,
                Some(Value::Integer(value)) => value as f64,
                Some(Value::Real(value)) => value,
                Some(Value::Unknown | Value::Flag(_) | Value::Text(_)) => return None,
            };
            (value > 0.0).then_some((view.process, value))
        })
        .map(|(process, value)| Share {
            id: process.id,
            comm: process.facts.comm.to_string(),
            value,
        })
        .collect();
    shares.sort_by(|one, other| other.value.total_cmp(&one.value));
    shares.truncate(TOP);
    shares
}
