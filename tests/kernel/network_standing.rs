//! A client and a server that stay connected until they are told otherwise, and what is listed of them.

use procwatch_tests::{
    dialogue::Dialogue,
    procfs::{TICK_NS, process},
    record::{array, number, text},
    skip::is_guest,
};
use serde_json::Value;

use crate::WORKLOAD;

/// By the name of its transport.
pub struct Standing {
    name: &'static str,
    pub role: Dialogue,
    told: Value,
    /// Ticks since boot at which client and server started.
    started: [u64; 2],
}

/// One end, by the names under which the role tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What a row may have for a number.
enum Bytes {
    Exactly(u64),
    /// Of a connection that is older than the collection: unknown, or since then, or of its whole life.
    OfOlder {
        since: u64,
        whole: u64,
    },
}

impl Standing {
    pub fn start(name: &'static str, place: &str) -> Self {
        let (role, told) = Dialogue::start(WORKLOAD, &["net", "standing", name, place]);
        let started = ["client", "server"].map(|end| {
            let process = process(number(&told, end)).expect("it stays");
            process.start_ticks
        });
        Self {
            name,
            role,
            told,
            started,
        }
    }

    pub fn pid(&self, end: End) -> u64 {
        number(&self.told, end.name())
    }

    pub fn port(&self, end: End) -> u64 {
        number(&self.told, &format!("{}_port", end.name()))
    }

    fn is_tcp(&self) -> bool {
        !self.name.starts_with("udp")
    }

    /// Whether that end's socket knows where the other is.
    fn is_connected(&self, end: End) -> bool {
        self.is_tcp() || end == End::Client
    }

    fn addresses(&self) -> &[&str] {
        match self.name {
            "tcp6" | "udp6" => &["::1"],
            // Whether a socket of the newer family says so of the older one's address is its business.
            "dual" => &["127.0.0.1", "::ffff:127.0.0.1"],
            _ => &["127.0.0.1"],
        }
    }

    /// The one row of that end.
    pub fn row<'a>(&self, listed: &'a Value, end: End) -> &'a Value {
        let of_pid: Vec<_> = array(listed, "connections")
            .iter()
            .filter(|row| row["pid"] == self.pid(end))
            .collect();
        let found: Vec<_> = of_pid
            .iter()
            .filter(|row| row["local_port"] == self.port(end) && row["state"] != "listen")
            .collect();
        assert_eq!(
            found.len(),
            1,
            "{}: the {} was to have one row; it has {of_pid:#?}",
            self.name,
            end.name()
        );
        found[0]
    }

    /// Checks who holds that end, and where both are.
    pub fn assert_ends(&self, row: &Value, end: End) {
        let what = format!("{}, {}: {row}", self.name, end.name());
        let started = number(row, "start_time_ns") / TICK_NS;
        let own = usize::from(end == End::Server);
        assert_eq!(started, self.started[own], "{what}");
        assert_eq!(text(row, "comm"), "workload", "{what}");
        let protocol = if self.is_tcp() { "tcp" } else { "udp" };
        assert_eq!(text(row, "protocol"), protocol, "{what}");
        let is_address = |field: &str| self.addresses().contains(&text(row, field));
        assert!(is_address("local_address"), "{what}");
        if self.is_connected(end) {
            assert!(is_address("remote_address"), "{what}");
            assert_eq!(row["remote_port"], self.port(end.other()), "{what}");
            if self.is_tcp() {
                self.assert_peer(row, end);
            }
        } else {
            assert!(row["remote_address"].is_null(), "{what}");
            assert!(row["remote_port"].is_null(), "{what}");
        }
    }

    /// Checks who holds the other end.
    pub fn assert_peer(&self, row: &Value, end: End) {
        let (peer, what) = (&row["peer"], format!("the peer of {}: {row}", end.name()));
        assert_eq!(peer["pid"], self.pid(end.other()), "{what}");
        let others = usize::from(end == End::Client);
        let started = number(peer, "start_time_ns") / TICK_NS;
        assert_eq!(started, self.started[others], "{what}");
        assert_eq!(text(peer, "comm"), "workload", "{what}");
    }

    fn assert_bytes(row: &Value, sent: &Bytes, received: &Bytes) {
        for (field, bytes) in [("sent_bytes", sent), ("received_bytes", received)] {
            match bytes {
                Bytes::Exactly(bytes) => assert_eq!(row[field], *bytes, "{field} of {row}"),
                Bytes::OfOlder { since, whole } => assert!(
                    row[field].is_null() || row[field] == *since || row[field] == *whole,
                    "{field} of {row} is neither {since} nor {whole}"
                ),
            }
        }
    }

    /// One that was opened while it was watched.
    pub fn assert_new(&self, listed: &Value, sent: u64, answered: u64) {
        for (end, direction) in [(End::Client, "outgoing"), (End::Server, "incoming")] {
            let row = self.row(listed, end);
            self.assert_ends(row, end);
            if self.is_tcp() {
                assert_eq!(text(row, "direction"), direction, "{row}");
                // An emulated host may take longer to answer than TCP waits.
                assert!(row["retransmits"] == 0 || is_guest(), "{row}");
                assert!(number(row, "rtt_ns") > 0, "{row}");
                text(row, "opened");
            }
            let (out, back) = match end {
                End::Client => (sent, answered),
                End::Server => (answered, sent),
            };
            Self::assert_bytes(row, &Bytes::Exactly(out), &Bytes::Exactly(back));
        }
    }

    /// One that was open before anybody watched. Since then it has moved so much, in its whole life so
    /// much.
    pub fn assert_older(&self, listed: &Value, since: (u64, u64), whole: (u64, u64)) {
        for (end, direction) in [(End::Client, "outgoing"), (End::Server, "incoming")] {
            let row = self.row(listed, end);
            self.assert_ends(row, end);
            let told = &row["direction"];
            assert!(told.is_null() || *told == direction, "{row}");
            let sent = Bytes::OfOlder {
                since: since.0,
                whole: whole.0,
            };
            let answered = Bytes::OfOlder {
                since: since.1,
                whole: whole.1,
            };
            match end {
                End::Client => Self::assert_bytes(row, &sent, &answered),
                End::Server => Self::assert_bytes(row, &answered, &sent),
            }
        }
    }

    pub fn assert_live(&self, listed: &Value) {
        for end in [End::Client, End::Server] {
            let row = self.row(listed, end);
            assert!(row["closed"].is_null(), "{row}");
            if self.is_tcp() {
                let state = text(row, "state").to_lowercase();
                assert_eq!(state, "established", "{row}");
            }
        }
    }

    pub fn assert_closed(&self, listed: &Value) {
        for end in [End::Client, End::Server] {
            let row = self.row(listed, end);
            text(row, "closed");
            let state = text(row, "state").to_lowercase();
            assert_ne!(state, "established", "{row}");
        }
    }
}
