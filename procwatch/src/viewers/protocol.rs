//! What recorder and viewer say to each other.
//!
//! First a line each, which every version understands: the protocol's number and the program's version. Between
//! equals of the same protocol messages follow, each as its length in four bytes, little-endian, and then its bytes.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    collector::{Answer, Now, Request, Status},
    confine::Report,
    model::{event::Event, update::Update},
};

/// Of everything that follows the first line. To be raised with any change to what is sent, or to the order of it.
pub const PROTOCOL: u32 = 2;
/// A first line is no longer.
pub const LINE_MAX: usize = 128;
/// What a viewer says is no longer.
pub const REQUEST_MAX: usize = 4 << 10;
/// What a recorder says is no longer: a hundred thousand processes with long command lines.
pub const MESSAGE_MAX: usize = 512 << 20;

/// From a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromViewer {
    /// Send everything from now on.
    Attach {
        /// Events too, as they happen.
        events: bool,
    },
    Ask(Request),
}

/// From the recorder.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToViewer {
    Welcome(Box<Welcome>),
    /// There is no place for another viewer, and why.
    Refused(String),
    Sample(Box<Update>),
    Events {
        batch: Vec<Event>,
        now: Now,
    },
    Answer(Answer),
    /// The recorder ends.
    Over,
}

/// Who it is that answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The recorder's.
    pub pid: u32,
    /// From one sample to the next, nanoseconds.
    pub interval_ns: u64,
    /// The file that is recorded to, for people.
    pub recording: String,
    pub status: Status,
    /// What the recorder's threads have given up, other than the collecting one.
    pub confinement: Report,
}

/// What a first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    pub protocol: u32,
    pub version: String,
}

impl Greeting {
    pub fn ours() -> Self {
        Self {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub fn line(&self) -> String {
        format!("procwatch {} {}\n", self.protocol, self.version)
    }

    /// Takes the line off the front. `None` while it is not all there.
    ///
    /// # Errors
    /// When it is none.
    pub fn take(incoming: &mut Vec<u8>) -> Result<Option<Self>, Garbled> {
        let Some(end) = incoming.iter().position(|byte| *byte == b'\n') else {
            return if incoming.len() > LINE_MAX {
                Err(Garbled)
            } else {
                Ok(None)
            };
        };
        let line: Vec<u8> = incoming.drain(..=end).collect();
        let mut words = std::str::from_utf8(&line[..end])
            .map_err(|_| Garbled)?
            .split(' ');
        let (Some("procwatch"), Some(protocol), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Garbled);
        };
        Ok(Some(Self {
            protocol: protocol.parse().map_err(|_| Garbled)?,
            version: version.to_owned(),
        }))
    }
}

/// What came is nothing that procwatch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what it says makes no sense")]
pub struct Garbled;

/// A message with its length before it.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    // A Vec takes all.
    let mut bytes = postcard::to_extend(message, vec![0; 4]).unwrap_or_default();
    let length = u32::try_from(bytes.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(place) = bytes.first_chunk_mut() {
        *place = length.to_le_bytes();
    }
    bytes
}

/// Takes a message off the front. `None` while it is not all there.
///
/// # Errors
/// When it is none, or longer than `max`.
pub fn take<T: DeserializeOwned>(incoming: &mut Vec<u8>, max: usize) -> Result<Option<T>, Garbled> {
    let Some(length) = incoming.first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length > max {
        return Err(Garbled);
    }
    let Some(bytes) = incoming.get(4..4 + length) else {
        return Ok(None);
    };
    let message = postcard::from_bytes(bytes).map_err(|_| Garbled)?;
    incoming.drain(..4 + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::ProcessId;

    #[test]
    fn a_message_comes_in_whatever_pieces() {
        let messages = [
            FromViewer::Attach { events: true },
            FromViewer::Ask(Request::Renice(ProcessId::new(7, 1 << 40), -3)),
        ];
        let bytes: Vec<u8> = messages.iter().flat_map(encode).collect();
        let mut incoming = Vec::new();
        let mut taken: Vec<FromViewer> = Vec::new();
        for byte in bytes {
            incoming.push(byte);
            taken.extend(take::<FromViewer>(&mut incoming, REQUEST_MAX).unwrap());
        }
        assert_eq!(taken, messages);
        assert!(incoming.is_empty());
    }

    #[test]
    fn nonsense_is_refused_before_it_takes_room() {
        let mut long = u32::MAX.to_le_bytes().to_vec();
        assert_eq!(take::<FromViewer>(&mut long, REQUEST_MAX), Err(Garbled));
        let mut short = vec![1, 0, 0, 0, 0xff];
        assert_eq!(take::<FromViewer>(&mut short, REQUEST_MAX), Err(Garbled));
        for line in [
            "HTTP/1.1 400\n",
            "procwatch\n",
            "procwatch x 1\n",
            "procwatch 1 2 3\n",
        ] {
            assert_eq!(
                Greeting::take(&mut line.as_bytes().to_vec()),
                Err(Garbled),
                "{line}"
            );
        }
        assert_eq!(Greeting::take(&mut vec![b'a'; LINE_MAX + 1]), Err(Garbled));
        assert_eq!(Greeting::take(&mut b"procwa".to_vec()), Ok(None));
    }

    #[test]
    fn a_greeting_is_understood_by_every_version() {
        let mut line = b"procwatch 3000 1.2.3-rc1\nrest".to_vec();
        let greeting = Greeting::take(&mut line).unwrap().unwrap();
        assert_eq!(
            (greeting.protocol, &greeting.version[..]),
            (3000, "1.2.3-rc1")
        );
        assert_eq!(line, b"rest");
        let ours = Greeting::ours();
        assert_eq!(
            Greeting::take(&mut ours.line().into_bytes()),
            Ok(Some(ours))
        );
    }

    /// Whoever changes what is sent has to change [`PROTOCOL`], or a recorder that runs on is misunderstood.
    #[test]
    fn what_is_sent_is_that_of_this_protocol() {
        let samples = crate::model::made_up::samples(&[vec![crate::model::made_up::Step {
            pid: 3,
            cpu_ns: 5,
            read: Some(9),
            rss: 4096,
            ends: true,
            execs: true,
        }]]);
        let process = samples[0].processes[0].clone();
        let event = Event {
            kind: crate::model::event::EventKind::Exit(Box::new(process.clone())),
            time_ns: Some(1),
            id: process.id,
            parent: Some(process.id),
            facts: process.facts,
            source: crate::model::sample::Source::Ebpf,
        };
        let now = Now {
            boot_ns: 1,
            wall_ns: 2,
        };
        let mut bytes = encode(&ToViewer::Sample(Box::new(Update::whole(&samples[0]))));
        bytes.extend(encode(&ToViewer::Events {
            batch: vec![event],
            now,
        }));
        bytes.extend(encode(&FromViewer::Ask(Request::Standing)));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        insta::assert_snapshot!(format!("protocol_{PROTOCOL}"), hex);
    }
}
