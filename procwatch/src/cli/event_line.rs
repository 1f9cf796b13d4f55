//! One event as one line for people.

use std::fmt::Write as _;

use crate::{
    cli::json::rfc3339,
    collector::Now,
    model::{
        connection::Connection,
        errno,
        escape::terminal,
        event::{Event, EventKind, FatalSignal, OomKill},
        sample::{ProcessSample, TotalsAt},
        totals::Counter,
        units::{format_bytes, format_nanoseconds},
    },
};

/// The line, without its end.
pub fn text(event: &Event, now: Now) -> String {
    let time = event.time_ns.map_or_else(
        || "time unknown".to_owned(),
        |boot_ns| rfc3339(now.wall_at(boot_ns)),
    );
    // 0 stands for an owner that is not known.
    let pid = match event.id.pid {
        0 => "-".to_owned(),
        pid => pid.to_string(),
    };
    let comm = terminal(&event.facts.comm);
    let (kind, what) = (event.kind.name(), what(event));
    format!("{time} {kind:<7} {pid:>7} {comm:<15} {what}")
}

/// What is told besides when, whose and of which kind it is.
pub fn what(event: &Event) -> String {
    match &event.kind {
        EventKind::Fork => format!("by {}", event.parent.map_or(0, |parent| parent.pid)),
        EventKind::Exec => {
            let exe = event.facts.exe.as_deref().unwrap_or("(path unknown)");
            let command = event.facts.command_line();
            let cut = if event.facts.argv_truncated {
                " …"
            } else {
                ""
            };
            format!("{}: {}{cut}", terminal(exe), terminal(&command))
        }
        EventKind::Exit(account) => exit(account),
        EventKind::Connect(connection) => connect(connection),
        EventKind::Accept(connection) => {
            format!("{} from {}", connection.local, remote(connection))
        }
        EventKind::Close(connection) => close(connection),
        EventKind::Oom(kill) => oom(kill),
        EventKind::Signal(signal) => fatal_signal(signal),
    }
}

fn exit(account: &ProcessSample) -> String {
    let ending = account.state.ending();
    let how = match ending.and_then(|ending| ending.status) {
        None => "how is unknown".to_owned(),
        Some(status) => match (status.exit_code(), status.signal()) {
            (Some(code), _) => format!("code {code}"),
            (None, signal) => format!(
                "signal {}{}",
                signal.unwrap_or(0),
                if status.core_dumped() {
                    ", core dumped"
                } else {
                    ""
                }
            ),
        },
    };
    let figure = |counter, text: fn(u64) -> String| {
        account
            .totals
            .get(counter)
            .map_or_else(|| "-".to_owned(), text)
    };
    let quality = match ending.map(|ending| ending.totals) {
        Some(TotalsAt::Exit) => " (totals up to its exit)",
        Some(TotalsAt::LastSeen) => " (totals when last seen)",
        _ => "",
    };
    format!(
        "{how}  cpu {}  waited {}  read {}  wrote {}  sent {}  received {}{quality}",
        figure(Counter::CpuTime, format_nanoseconds),
        figure(Counter::RunQueueWait, format_nanoseconds),
        figure(Counter::Read, format_bytes),
        figure(Counter::Write, format_bytes),
        figure(Counter::NetSent, format_bytes),
        figure(Counter::NetReceived, format_bytes),
    )
}

fn remote(connection: &Connection) -> String {
    connection
        .remote
        .map_or_else(|| "-".to_owned(), |remote| remote.to_string())
}

fn connect(connection: &Connection) -> String {
    let mut text = format!("{} to {}", connection.local, remote(connection));
    if let Some(error) = connection.error {
        let _ = write!(text, "  failed: {}", errno::name(error));
    } else if let Some(latency_ns) = connection.connect_latency_ns() {
        let _ = write!(text, "  in {}", format_nanoseconds(latency_ns));
    }
    text
}

fn close(connection: &Connection) -> String {
    let mut text = format!(
        "{} with {}  sent {}  received {}",
        connection.local,
        remote(connection),
        format_bytes(connection.sent_bytes),
        format_bytes(connection.received_bytes),
    );
    if let Some(duration_ns) = connection.lifetime_ns() {
        let _ = write!(text, "  in {}", format_nanoseconds(duration_ns));
    }
    if let Some(rtt_ns) = connection.rtt_ns {
        let _ = write!(text, "  rtt {}", format_nanoseconds(rtt_ns));
    }
    if let Some(segments @ 1..) = connection.retransmits {
        let _ = write!(text, "  {segments} retransmitted");
    }
    text
}

fn oom(kill: &OomKill) -> String {
    let by = &kill.asked_by;
    let mut text = format!(
        "killed for memory that {} {} asked for",
        by.id.pid,
        terminal(&by.comm)
    );
    if let Some(cgroup) = &by.cgroup {
        let _ = write!(text, " in {}", terminal(cgroup));
    }
    if let Some(memory) = kill.memory {
        let _ = write!(
            text,
            "  anon {}  file {}  shmem {}",
            format_bytes(memory.anon_bytes),
            format_bytes(memory.file_bytes),
            format_bytes(memory.shmem_bytes),
        );
    }
    text
}

fn fatal_signal(signal: &FatalSignal) -> String {
    match &signal.sender {
        Some(sender) => format!(
            "signal {} from {} {}",
            signal.signal,
            sender.id.pid,
            terminal(&sender.comm)
        ),
        None if signal.code.is_none() => {
            format!("signal {}, which nobody was seen to send", signal.signal)
        }
        None => format!("signal {} from the kernel", signal.signal),
    }
}
