//! `events` and `connections`: what happened, and what of it is about connections.

use std::{
    collections::VecDeque,
    ffi::CStr,
    sync::{Arc, LazyLock},
};

use hashbrown::HashMap;

use super::table::{Bounds, Cell, Column, Ready, Rows, Shared, Table};
use crate::{
    history::HistoryError,
    model::{
        connection::{Connection, Direction},
        errno,
        event::{Event, EventKind},
        field::Field,
        identity::ProcessId,
        sample::ProcessSample,
        snapshot::ProcessView,
        totals::Totals,
    },
};

/// What is read at once: an hour.
const STEP_NS: u64 = 3_600_000_000_000;

/// Before the fields: `time`, `type`.
const FIRST: usize = 2;

/// What of a process an event tells; of an exit, all.
const IDENTITY: [Field; 13] = [
    Field::Pid,
    Field::StartTime,
    Field::ParentPid,
    Field::Comm,
    Field::Exe,
    Field::Argv,
    Field::ArgvTruncated,
    Field::Uid,
    Field::User,
    Field::Cgroup,
    Field::Container,
    Field::Threads,
    Field::Source,
];

static EVENT_COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    let mut columns = vec![Column::new("time", "INTEGER"), Column::new("type", "TEXT")];
    columns.extend(exit_fields().map(Column::of_field));
    columns.push(Column::new("details", "TEXT"));
    columns
});

/// Every field that an exit can have: no rates.
fn exit_fields() -> impl Iterator<Item = Field> {
    Field::all()
        .iter()
        .copied()
        .filter(|field| !matches!(field, Field::Rate(_) | Field::CpuPct | Field::State))
}

pub(super) struct Events;

impl Table for Events {
    const NAME: &'static CStr = c"events";
    type Rows = EventRows;

    fn columns() -> Vec<Column> {
        EVENT_COLUMNS.clone()
    }

    fn rows(shared: &Arc<Shared>, bounds: Bounds) -> Result<EventRows, HistoryError> {
        Ok(EventRows {
            happened: Happened::new(shared, bounds)?,
            shared: Arc::clone(shared),
            fields: exit_fields().collect(),
            current: None,
        })
    }
}

/// Events of a window, read hour by hour.
struct Happened {
    shared: Arc<Shared>,
    pid: Option<u32>,
    next_ns: u64,
    to_ns: u64,
    ready: VecDeque<(u64, Event)>,
}

impl Happened {
    fn new(shared: &Arc<Shared>, bounds: Bounds) -> Result<Self, HistoryError> {
        let told = shared.history().event_bounds()?;
        let (first_ns, last_ns) = told.unwrap_or((1, 0));
        Ok(Self {
            shared: Arc::clone(shared),
            pid: bounds.pid,
            next_ns: bounds.from_ns.max(first_ns),
            to_ns: bounds.to_ns.min(last_ns),
            ready: VecDeque::new(),
        })
    }

    fn next(&mut self) -> Result<Option<(u64, Event)>, HistoryError> {
        loop {
            self.shared.go_on()?;
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.next_ns > self.to_ns {
                return Ok(None);
            }
            let end_ns = self.to_ns.min(self.next_ns.saturating_add(STEP_NS - 1));
            let found = self.shared.history().events(self.next_ns, end_ns)?;
            self.next_ns = end_ns.saturating_add(1);
            let pid = self.pid;
            let wanted = found
                .into_iter()
                .filter(|(_, event)| pid.is_none_or(|pid| event.id.pid == pid));
            self.ready.extend(wanted);
        }
    }
}

pub(super) struct EventRows {
    shared: Arc<Shared>,
    happened: Happened,
    fields: Vec<Field>,
    current: Option<(u64, Event)>,
}

impl Rows for EventRows {
    fn advance(&mut self) -> Result<bool, HistoryError> {
        self.current = self.happened.next()?;
        Ok(self.current.is_some())
    }

    fn value(&self, column: usize) -> Cell<'_> {
        let Some((time_ns, event)) = &self.current else {
            return Cell::Null;
        };
        match (column, self.fields.get(column.wrapping_sub(FIRST))) {
            (0, _) => (*time_ns).into(),
            (1, _) => event.kind.name().into(),
            (_, Some(field)) => of_event(*field, event),
            _ => (self.shared.faces.event)(event, *time_ns).into(),
        }
    }
}

fn of_event(field: Field, event: &Event) -> Cell<'_> {
    if let EventKind::Exit(account) = &event.kind {
        return of_account(field, account);
    }
    if !IDENTITY.contains(&field) {
        return Cell::Null;
    }
    let facts = &event.facts;
    // Pid 0 stands for an owner that is not known.
    let id = Some(event.id).filter(|id| id.pid != 0);
    let is_alone = matches!(event.kind, EventKind::Fork | EventKind::Exec);
    match field {
        Field::Pid => id.map(|id| id.pid).into(),
        Field::StartTime => id.map(|id| id.start_time_ns).into(),
        Field::ParentPid => event.parent.map(|parent| parent.pid).into(),
        Field::Comm => facts.comm.as_ref().into(),
        Field::Exe => facts.exe.as_deref().into(),
        Field::Argv => facts.argv.as_ref().map(|_| facts.command_line()).into(),
        Field::ArgvTruncated => facts
            .argv
            .as_ref()
            .map(|_| u32::from(facts.argv_truncated))
            .into(),
        Field::Uid => facts.uid.into(),
        Field::User => facts.user.as_deref().into(),
        Field::Cgroup => facts.cgroup.as_deref().into(),
        Field::Container => facts.container.as_deref().into(),
        Field::Threads => is_alone.then_some(1_u32).into(),
        Field::Source => event.source.name().into(),
        _ => Cell::Null,
    }
}

fn of_account(field: Field, account: &ProcessSample) -> Cell<'_> {
    let view = ProcessView {
        process: account,
        delta: &Totals::UNKNOWN,
        interval_ns: 0,
    };
    field.value(&view).into()
}

const CONNECTION_COLUMNS: [Column; 22] = [
    Column::new("time", "INTEGER"),
    Column::new("state", "TEXT"),
    Column::new("pid", "INTEGER"),
    Column::new("start_time_ns", "INTEGER"),
    Column::new("comm", "TEXT"),
    Column::new("exe", "TEXT"),
    Column::new("user", "TEXT"),
    Column::new("cgroup", "TEXT"),
    Column::new("container", "TEXT"),
    Column::new("protocol", "TEXT"),
    Column::new("direction", "TEXT"),
    Column::new("local_address", "TEXT"),
    Column::new("local_port", "INTEGER"),
    Column::new("remote_address", "TEXT"),
    Column::new("remote_port", "INTEGER"),
    Column::new("sent_bytes", "INTEGER"),
    Column::new("received_bytes", "INTEGER"),
    Column::new("retransmits", "INTEGER"),
    Column::new("rtt_ns", "INTEGER"),
    Column::new("latency_ns", "INTEGER"),
    Column::new("duration_ns", "INTEGER"),
    Column::new("error", "TEXT"),
];

pub(super) struct Connections;

impl Table for Connections {
    const NAME: &'static CStr = c"connections";
    type Rows = ConnectionRows;

    fn columns() -> Vec<Column> {
        CONNECTION_COLUMNS.to_vec()
    }

    fn rows(shared: &Arc<Shared>, bounds: Bounds) -> Result<ConnectionRows, HistoryError> {
        Ok(ConnectionRows {
            happened: Happened::new(shared, bounds)?,
            open: HashMap::new(),
            left: None,
            current: None,
        })
    }
}

/// A row for each connection: when it was closed or has failed, and at the end those that are still open.
pub(super) struct ConnectionRows {
    happened: Happened,
    open: HashMap<(u64, Option<ProcessId>), (u64, Event)>,
    left: Option<std::vec::IntoIter<(u64, Event)>>,
    current: Option<(u64, Event)>,
}

impl ConnectionRows {
    fn take(&mut self) -> Result<Option<(u64, Event)>, HistoryError> {
        while let Some((time_ns, event)) = self.happened.next()? {
            match &event.kind {
                EventKind::Connect(connection) | EventKind::Accept(connection)
                    if connection.error.is_none() =>
                {
                    let name = (connection.socket, connection.owner);
                    // The kernel has given the name of one whose end was not told to another.
                    if let Some(earlier) = self.open.insert(name, (time_ns, event)) {
                        return Ok(Some(earlier));
                    }
                }
                EventKind::Connect(_) => return Ok(Some((time_ns, event))),
                EventKind::Close(connection) => {
                    self.open.remove(&(connection.socket, connection.owner));
                    return Ok(Some((time_ns, event)));
                }
                _ => {}
            }
        }
        let open = &mut self.open;
        let left = self.left.get_or_insert_with(|| {
            let mut left: Vec<_> = open.drain().map(|(_, event)| event).collect();
            left.sort_by_key(|(time_ns, _)| *time_ns);
            left.into_iter()
        });
        Ok(left.next())
    }
}

impl Rows for ConnectionRows {
    fn advance(&mut self) -> Result<bool, HistoryError> {
        self.current = self.take()?;
        Ok(self.current.is_some())
    }

    fn value(&self, column: usize) -> Cell<'_> {
        let Some((time_ns, event)) = &self.current else {
            return Cell::Null;
        };
        let (state, connection) = match &event.kind {
            EventKind::Close(connection) => ("closed", connection),
            EventKind::Connect(connection) if connection.error.is_some() => ("failed", connection),
            EventKind::Connect(connection) | EventKind::Accept(connection) => ("open", connection),
            _ => return Cell::Null,
        };
        let name = CONNECTION_COLUMNS
            .get(column)
            .map_or("", |column| column.name);
        match name {
            "time" => (*time_ns).into(),
            "state" => state.into(),
            _ => of_connection(name, event, connection, state == "closed"),
        }
    }
}

fn of_connection<'a>(
    name: &str,
    event: &'a Event,
    connection: &'a Connection,
    is_closed: bool,
) -> Cell<'a> {
    // What went over one that is open is told at its end.
    let at_end = |value: u64| is_closed.then_some(value);
    match name {
        "protocol" => connection.protocol.name().into(),
        "direction" => {
            let direction = connection.direction.or(match &event.kind {
                EventKind::Connect(_) => Some(Direction::Outgoing),
                EventKind::Accept(_) => Some(Direction::Incoming),
                _ => None,
            });
            direction.map(Direction::name).into()
        }
        "local_address" => connection.local.ip().to_string().into(),
        "local_port" => u32::from(connection.local.port()).into(),
        "remote_address" => connection
            .remote
            .map(|remote| remote.ip().to_string())
            .into(),
        "remote_port" => connection
            .remote
            .map(|remote| u32::from(remote.port()))
            .into(),
        "sent_bytes" => at_end(connection.sent_bytes).into(),
        "received_bytes" => at_end(connection.received_bytes).into(),
        "retransmits" => connection.retransmits.filter(|_| is_closed).into(),
        "rtt_ns" => connection.rtt_ns.into(),
        "latency_ns" => connection.connect_latency_ns().into(),
        "duration_ns" => connection.lifetime_ns().into(),
        "error" => connection
            .error
            .map(|error| errno::name(error).to_string())
            .into(),
        _ => Field::from_name(name).map_or(Cell::Null, |field| of_event(field, event)),
    }
}

pub(super) struct Gaps;

impl Table for Gaps {
    const NAME: &'static CStr = c"gaps";
    type Rows = Ready;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("from_ns", "INTEGER"),
            Column::new("to_ns", "INTEGER"),
            Column::new("samples", "INTEGER"),
            Column::new("events", "INTEGER"),
            Column::new("processes", "INTEGER"),
            Column::new("why", "TEXT"),
        ]
    }

    fn rows(shared: &Arc<Shared>, _bounds: Bounds) -> Result<Ready, HistoryError> {
        let gaps = shared.history().gaps()?;
        let rows = gaps.into_iter().map(|gap| {
            vec![
                gap.from_ns.into(),
                gap.to_ns.into(),
                gap.samples.into(),
                gap.events.into(),
                gap.processes.into(),
                gap.why.into(),
            ]
        });
        Ok(Ready::new(rows.collect()))
    }
}

pub(super) struct Alerts;

impl Table for Alerts {
    const NAME: &'static CStr = c"alerts";
    type Rows = Ready;

    fn columns() -> Vec<Column> {
        let column = Column::new;
        vec![
            column("time", "INTEGER"),
            column("id", "INTEGER"),
            column("rule", "TEXT"),
            column("severity", "TEXT"),
            column("state", "TEXT"),
            column("subject", "TEXT"),
            column("pid", "INTEGER"),
            column("start_time_ns", "INTEGER"),
            column("comm", "TEXT"),
            column("message", "TEXT"),
            column("figure", "TEXT"),
            column("value", "REAL"),
            column("baseline", "REAL"),
            column("limit_value", "REAL"),
            column("time_until_ns", "INTEGER"),
            column("fired_ns", "INTEGER"),
            column("resolved_ns", "INTEGER"),
            column("muted_by", "TEXT"),
            column("replay", "TEXT"),
        ]
    }

    /// Each once, by when it began.
    fn rows(shared: &Arc<Shared>, bounds: Bounds) -> Result<Ready, HistoryError> {
        let alerts = shared.history().alerts(bounds.from_ns, bounds.to_ns)?;
        let rows = alerts.into_iter().map(|kept| {
            let alert = kept.alert;
            let culprit = alert.culprit.as_ref();
            let id = culprit.map(|culprit| culprit.id);
            let figure = alert.figure.as_ref();
            vec![
                alert.began_ns.into(),
                alert.id.into(),
                alert.rule.into(),
                alert.severity.name().into(),
                alert.state.name().into(),
                alert.subject.kind().into(),
                id.map(|id| id.pid).into(),
                id.map(|id| id.start_time_ns).into(),
                culprit.map(|culprit| culprit.comm.clone()).into(),
                alert.summary.into(),
                figure.map(|figure| figure.name.clone()).into(),
                figure.map(|figure| figure.value).into(),
                figure.and_then(|figure| figure.baseline).into(),
                figure.and_then(|figure| figure.limit).into(),
                figure.and_then(|figure| figure.time_until_ns).into(),
                alert.fired_ns.into(),
                alert.resolved_ns.into(),
                kept.muted_by.into(),
                alert.replay.into(),
            ]
        });
        Ok(Ready::new(rows.collect()))
    }
}
