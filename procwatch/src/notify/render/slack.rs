//! Slack's incoming web hooks: `text` and `attachments`, which Mattermost and Rocket.Chat take too.

use serde_json::{Value, json};

use super::{DETAILED_MAX, details, headline, title};
use crate::{
    model::alert::{Alert, AlertState, Severity},
    notify::letter::Letter,
};

/// Lines about alerts that have no attachment.
const LINES_MAX: usize = 30;

pub(in crate::notify) fn document(letter: &Letter) -> Value {
    let groups = letter.groups();
    let in_order: Vec<&Alert> = groups
        .iter()
        .flat_map(|group| group.alerts.iter().copied())
        .collect();
    let (detailed, others) = in_order.split_at(in_order.len().min(DETAILED_MAX));
    let mut text = format!("*{}*", unmarked(&title(letter)));
    for alert in others.iter().take(LINES_MAX) {
        text.push_str(&format!("\n{}", unmarked(&headline(alert))));
    }
    if others.len() > LINES_MAX {
        text.push_str(&format!("\nand {} more", others.len() - LINES_MAX));
    }
    json!({
        "text": text,
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": detailed.iter().map(|alert| attachment(alert)).collect::<Vec<_>>(),
    })
}

fn attachment(alert: &Alert) -> Value {
    let fields = details(alert).into_iter().map(
        |(name, value)| json!({"title": name, "value": escaped(&value), "short": value.len() < 40}),
    );
    json!({
        "color": colour(alert),
        "fallback": escaped(&headline(alert)),
        "title": escaped(&headline(alert)),
        "fields": fields.collect::<Vec<_>>(),
        // Nothing in it is markup.
        "mrkdwn_in": [],
        "ts": alert.fired_ns.unwrap_or(alert.began_ns) / 1_000_000_000,
    })
}

fn colour(alert: &Alert) -> &'static str {
    match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => "good",
        (_, Severity::Critical) => "danger",
        (_, Severity::Warning) => "warning",
        (_, Severity::Info) => "#1565c0",
    }
}

/// What starts a link, a mention of everybody, or an entity.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// For text that is marked up: what would be bold, struck out or code has a character behind it that takes no room.
fn unmarked(text: &str) -> String {
    const WORD_JOINER: char = '\u{2060}';
    let mut unmarked = String::with_capacity(text.len());
    for character in escaped(text).chars() {
        unmarked.push(character);
        if matches!(character, '*' | '_' | '~' | '`' | '@') {
            unmarked.push(WORD_JOINER);
        }
    }
    unmarked
}
