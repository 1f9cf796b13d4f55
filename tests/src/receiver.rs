//! Somebody who takes web hooks: a real server, as small as one can be.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver as Messages, Sender, channel},
    time::Duration,
};

use serde_json::Value;

use crate::wait::PATIENCE;

/// Listens on loopback until the test ends.
pub struct Receiver {
    port: u16,
    messages: Messages<Value>,
}

impl Receiver {
    /// On a port that nobody has.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("the port").port();
        let (told, messages) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                if serve(&stream, &told).is_none() {
                    break;
                }
            }
        });
        Self { port, messages }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The next alert that is told, in the order in which they come.
    pub fn next(&self) -> Value {
        self.within(PATIENCE).expect("an alert within patience")
    }

    /// The same. `None` when none comes for so long.
    pub fn within(&self, patience: Duration) -> Option<Value> {
        self.messages.recv_timeout(patience).ok()
    }
}

/// Reads one message, and thanks for it. `None` when nobody listens any more.
fn serve(stream: &TcpStream, told: &Sender<Value>) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            // Who has come to say nothing.
            return Some(());
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().expect("a length");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    let letter: Value = serde_json::from_slice(&body).expect("JSON");
    for alert in letter["alerts"].as_array().expect("alerts") {
        told.send(alert.clone()).ok()?;
    }
    let thanks = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let mut stream = stream;
    stream.write_all(thanks).ok();
    Some(())
}
