//! One agent, many viewers: a recorder answers on a Unix socket, and other procwatch processes show what it
//! collects in place of collecting it again.
//!
//! The socket is for root and the group `procwatch`. Whoever may connect sees what root sees, less what redaction
//! hides and less other users' environments; changes to processes a viewer makes by itself, with its own rights. A
//! viewer that does not take what it is sent is dropped: neither collection nor recording ever waits for one.

mod place;
pub mod protocol;
mod server;
mod viewer;

pub use place::{Place, PlaceError};
pub use protocol::Welcome;
pub use server::Server;
pub use viewer::{Link, LinkError, Viewer};

use crate::{
    agent::{Agent, AgentError, Asker, Message},
    collector::Request,
};

/// Where a recorder is found when nobody says otherwise.
pub const SOCKET: &str = "/run/procwatch/procwatch.sock";

/// Where messages come from: a collection of our own, or a recorder's.
pub enum Feed {
    Own(Agent),
    Recorder(Box<Viewer>),
}

impl Feed {
    /// The next message; `None` after the last.
    ///
    /// # Errors
    /// When the recorder has gone, or what it tells makes no sense.
    pub async fn next(&mut self) -> Result<Option<Message>, LinkError> {
        match self {
            Self::Own(agent) => Ok(agent.next().await),
            Self::Recorder(viewer) => viewer.next().await,
        }
    }

    /// Asks for something; the answer comes as a message.
    pub fn ask(&mut self, request: Request) {
        match self {
            Self::Own(agent) => agent.ask(request),
            Self::Recorder(viewer) => viewer.ask(request),
        }
    }

    /// Orders the end; what is still to come ends with [`Message::Finished`]. The second time nothing is waited for
    /// that may take long.
    pub fn stop(&mut self) {
        match self {
            Self::Own(agent) => agent.stop(),
            Self::Recorder(viewer) => viewer.stop(),
        }
    }

    /// What asks the collection from elsewhere. `None` where that is another's.
    pub fn asker(&self) -> Option<Asker> {
        match self {
            Self::Own(agent) => Some(agent.asker()),
            Self::Recorder(_) => None,
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When collection broke off.
    pub fn join(self) -> Result<(), AgentError> {
        match self {
            Self::Own(agent) => agent.join(),
            Self::Recorder(_) => Ok(()),
        }
    }
}
