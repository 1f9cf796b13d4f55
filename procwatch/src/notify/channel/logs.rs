//! The host's logs: systemd's journal by its own protocol, and syslog.

use std::io;

use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixDatagram, UnixStream},
};

use crate::notify::{failure::Failure, letter::Letter, render::line};

const JOURNAL: &str = "/run/systemd/journal/socket";
const SYSLOG: &str = "/dev/log";

pub(super) async fn journal(letter: &Letter) -> Result<String, Failure> {
    to_journal(JOURNAL, letter).await
}

pub(super) async fn syslog(letter: &Letter) -> Result<String, Failure> {
    to_syslog(SYSLOG, letter).await
}

async fn to_journal(path: &str, letter: &Letter) -> Result<String, Failure> {
    for alert in &letter.alerts {
        datagram(path, &line::journal(letter, alert))
            .await
            .map_err(|error| {
                Failure::temporary(format!(
                    "{path}: {error}; where there is no systemd, take syslog instead"
                ))
            })?;
    }
    Ok(format!("{path} has taken it"))
}

async fn to_syslog(path: &str, letter: &Letter) -> Result<String, Failure> {
    for alert in &letter.alerts {
        let entry = line::syslog(letter, alert);
        let sent = match datagram(path, entry.as_bytes()).await {
            // A daemon that wants a stream: an entry ends with its line.
            Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
                stream(path, &entry).await
            }
            sent => sent,
        };
        sent.map_err(|error| {
            Failure::temporary(format!("{path}: {error}; is a syslog daemon running?"))
        })?;
    }
    Ok(format!("{path} has taken it"))
}

async fn datagram(path: &str, bytes: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.send_to(bytes, path).await.map(drop)
}

async fn stream(path: &str, entry: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(path).await?;
    stream.write_all(format!("{entry}\n").as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        os::unix::net::{UnixDatagram, UnixListener},
        sync::Arc,
    };

    use super::*;
    use crate::notify::made_up;

    fn letter() -> Letter {
        Letter {
            host: "db1".to_owned(),
            key: "k".to_owned(),
            made_ns: 1,
            alerts: vec![Arc::new(made_up::alert(1))],
        }
    }

    #[tokio::test]
    async fn an_entry_is_a_datagram_or_a_line_of_a_stream() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let mut buffer = [0; 8192];
        let journal = UnixDatagram::bind(place("journal")).unwrap();
        to_journal(&place("journal"), &letter()).await.unwrap();
        let length = journal.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"MESSAGE=FIRING info: test of a notifier"));

        let datagrams = UnixDatagram::bind(place("datagrams")).unwrap();
        to_syslog(&place("datagrams"), &letter()).await.unwrap();
        let length = datagrams.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"<30>1 1970-01-01T00:00:00.000Z db1 procwatch "));

        let stream = UnixListener::bind(place("stream")).unwrap();
        to_syslog(&place("stream"), &letter()).await.unwrap();
        let mut line = String::new();
        stream
            .accept()
            .unwrap()
            .0
            .read_to_string(&mut line)
            .unwrap();
        assert!(
            line.starts_with("<30>1 ") && line.ends_with("key k\n"),
            "{line}"
        );

        let nobody = to_syslog(&place("nobody"), &letter()).await.unwrap_err();
        assert!(
            nobody.why().contains("is a syslog daemon running?"),
            "{nobody}"
        );
    }
}
