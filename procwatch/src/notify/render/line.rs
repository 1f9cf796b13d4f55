//! An alert as an entry of the host's logs.

use super::{figure_in_words, harmless, headline, priority, program, time};
use crate::{model::alert::Alert, notify::letter::Letter};

/// "daemon", RFC 5424, table 1.
const FACILITY: u8 = 3;
/// Of an alert of ours in the journal: `journalctl MESSAGE_ID=…` finds all.
const MESSAGE_ID: &str = "6b8b1f0d3e5d4c0d9a54f2a6a6f4d7c1";

fn sentence(alert: &Alert) -> String {
    let mut text = format!("{}: {}", headline(alert), harmless(&alert.summary, 400));
    if let Some(figure) = &alert.figure {
        text.push_str(&format!("; {}", figure_in_words(figure)));
    }
    text
}

/// RFC 5424.
pub(in crate::notify) fn syslog(letter: &Letter, alert: &Alert) -> String {
    let is_name = |c: char| c.is_ascii_graphic();
    let host: String = letter
        .host
        .chars()
        .filter(|c| is_name(*c))
        .take(255)
        .collect();
    format!(
        "<{}>1 {} {} procwatch {} alert - \u{feff}{}; key {}",
        FACILITY * 8 + priority(alert),
        time(letter.made_ns),
        if host.is_empty() { "-" } else { &host },
        std::process::id(),
        sentence(alert),
        letter.key,
    )
}

/// Fields of systemd's journal: see systemd.journal-fields(7), and "Native Journal Protocol".
pub(in crate::notify) fn journal(letter: &Letter, alert: &Alert) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut field = |name: &str, value: &str| {
        // A value of one line needs no length before it.
        let value = harmless(value, 2000);
        fields.extend_from_slice(format!("{name}={value}\n").as_bytes());
    };
    field("MESSAGE", &sentence(alert));
    field("MESSAGE_ID", MESSAGE_ID);
    field("PRIORITY", &priority(alert).to_string());
    field("SYSLOG_FACILITY", &FACILITY.to_string());
    field("SYSLOG_IDENTIFIER", "procwatch");
    field("PROCWATCH_KEY", &letter.key);
    field("PROCWATCH_ALERT", &letter.name_of(alert));
    field("PROCWATCH_RULE", &alert.rule);
    field("PROCWATCH_STATE", alert.state.name());
    field("PROCWATCH_SEVERITY", alert.severity.name());
    field("PROCWATCH_PROGRAM", &program(alert));
    if let Some(culprit) = &alert.culprit {
        field("PROCWATCH_PID", &culprit.id.pid.to_string());
        field("PROCWATCH_COMMAND_LINE", &culprit.command_line);
    }
    if let Some(figure) = &alert.figure {
        field("PROCWATCH_FIGURE", &figure.name);
        field("PROCWATCH_VALUE", &figure.value.to_string());
    }
    field("PROCWATCH_REPLAY", &alert.replay);
    fields
}
