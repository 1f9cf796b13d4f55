//! A running `procwatch top --format json`: rows before something, and after it.

use std::time::Duration;

use serde_json::Value;

use crate::{
    procwatch::Running,
    record::{array, number},
    wait::until,
};

/// `top`, which writes a snapshot every 200 ms.
#[derive(Debug)]
pub struct Top {
    running: Running,
    /// Bytes of the snapshots that have been read.
    read: u64,
    snapshots: usize,
    last: Vec<u8>,
    /// What each snapshot said of the host.
    pub hosts: Vec<Value>,
}

impl Top {
    /// Starts it; every hook is attached on return.
    pub fn start() -> Self {
        let arguments = ["top", "--format", "json", "--interval", "200ms"];
        Self {
            running: Running::ready(&arguments),
            read: 0,
            snapshots: 0,
            last: Vec::new(),
            hosts: Vec::new(),
        }
    }

    /// A snapshot that was taken after this call.
    ///
    /// # Panics
    /// When none comes.
    pub fn fresh(&mut self) -> Snapshot {
        self.read_on();
        // The sample of the next one may be under way already.
        let wanted = self.snapshots + 2;
        until("a fresh snapshot", Duration::from_secs(20), || {
            self.read_on();
            (self.snapshots >= wanted).then_some(())
        });
        Snapshot(serde_json::from_slice(&self.last).expect("a line is JSON"))
    }

    fn read_on(&mut self) {
        let written = self.running.written_from(self.read);
        for line in written.split_inclusive(|byte| *byte == b'\n') {
            if line.ends_with(b"\n") {
                self.read += line.len() as u64;
                self.snapshots += 1;
                self.last = line.to_vec();
                let mut snapshot: Value = serde_json::from_slice(line).expect("a line is JSON");
                self.hosts.push(snapshot["host"].take());
            }
        }
    }

    /// Ends it as Ctrl-C does.
    ///
    /// # Panics
    /// When it fails.
    pub fn stop(self) {
        self.running.interrupt().done();
    }
}

/// What `top` wrote at once.
#[derive(Clone, Debug)]
pub struct Snapshot(pub Value);

impl Snapshot {
    pub fn rows(&self) -> impl Iterator<Item = &Value> {
        array(&self.0, "processes").iter()
    }

    /// The row of a living process.
    ///
    /// # Panics
    /// When there is none.
    pub fn row(&self, pid: u64) -> &Value {
        self.rows()
            .find(|row| number(row, "pid") == pid && row["state"] != "exited")
            .unwrap_or_else(|| panic!("process {pid} has no row"))
    }
}

/// What a host, or a snapshot's, says of a block device named `MAJOR:MINOR`. `None` when it is not in use.
pub fn device<'a>(host: &'a Value, number: &str) -> Option<&'a Value> {
    let mut devices = array(host, "devices").iter();
    devices.find(|entry| entry["device"] == number)
}
