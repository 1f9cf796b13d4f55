//! Events as bytes, and back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    assemble::Directory,
    columns::Damaged,
    frame::{Gauge, Image, Standing},
};
use crate::model::{
    connection::Connection,
    event::{Event, EventKind, FatalSignal, OomKill},
    facts::Facts,
    identity::ProcessId,
    sample::Source,
    totals::Totals,
};

/// An event, with a number in place of what is known of its process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Nanoseconds since the epoch; of the moment it was told where its own is not known.
    pub wall_ns: u64,
    time_ns: Option<u64>,
    pub id: ProcessId,
    parent: Option<ProcessId>,
    image: Image,
    source: Source,
    kind: Kind,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Kind {
    Fork,
    Exec,
    Exit(Box<Exit>),
    Connect(Box<Connection>),
    Accept(Box<Connection>),
    Close(Box<Connection>),
    Oom(Box<OomKill>),
    Signal(Box<FatalSignal>),
}

/// How a process stood at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Exit {
    totals: Totals,
    gauges: [u64; Gauge::COUNT],
    parent: Option<ProcessId>,
}

impl Kept {
    pub fn new(event: &Event, wall_ns: u64, image: Image) -> Self {
        Self {
            wall_ns,
            time_ns: event.time_ns,
            id: event.id,
            parent: event.parent,
            image,
            source: event.source,
            kind: match &event.kind {
                EventKind::Fork => Kind::Fork,
                EventKind::Exec => Kind::Exec,
                EventKind::Exit(process) => {
                    let standing = Standing::of(process, None, image);
                    Kind::Exit(Box::new(Exit {
                        totals: standing.totals,
                        gauges: standing.gauges,
                        parent: process.parent,
                    }))
                }
                EventKind::Connect(connection) => Kind::Connect(connection.clone()),
                EventKind::Accept(connection) => Kind::Accept(connection.clone()),
                EventKind::Close(connection) => Kind::Close(connection.clone()),
                EventKind::Oom(kill) => Kind::Oom(kill.clone()),
                EventKind::Signal(signal) => Kind::Signal(signal.clone()),
            },
        }
    }

    /// The number of what was known of its process.
    pub fn image(&self) -> Image {
        self.image
    }

    /// The event again.
    ///
    /// # Errors
    /// Those of the directory.
    pub fn event<D: Directory>(self, directory: &mut D) -> Result<Event, D::Error> {
        let facts: Arc<Facts> = directory.facts(self.image)?;
        let kind = match self.kind {
            Kind::Fork => EventKind::Fork,
            Kind::Exec => EventKind::Exec,
            Kind::Exit(exit) => {
                let Exit {
                    totals,
                    gauges,
                    parent,
                } = *exit;
                let standing = Standing { totals, gauges };
                EventKind::Exit(Box::new(standing.process(
                    self.id,
                    parent,
                    Arc::clone(&facts),
                )))
            }
            Kind::Connect(connection) => EventKind::Connect(connection),
            Kind::Accept(connection) => EventKind::Accept(connection),
            Kind::Close(connection) => EventKind::Close(connection),
            Kind::Oom(kill) => EventKind::Oom(kill),
            Kind::Signal(signal) => EventKind::Signal(signal),
        };
        Ok(Event {
            kind,
            time_ns: self.time_ns,
            id: self.id,
            parent: self.parent,
            facts,
            source: self.source,
        })
    }
}

pub fn encode(events: &[Kept]) -> Vec<u8> {
    // A Vec takes all.
    postcard::to_stdvec(events).unwrap_or_default()
}

/// # Errors
/// When the bytes are none of events.
pub fn decode(bytes: &[u8]) -> Result<Vec<Kept>, Damaged> {
    postcard::from_bytes(bytes).map_err(|_| Damaged)
}
