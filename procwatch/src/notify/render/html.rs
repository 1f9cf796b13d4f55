//! HTML, as the second part of a mail: without anything that is fetched from elsewhere.

use super::{DETAILED_MAX, LISTED_MAX, details, harmless, headline, time, title, value};
use crate::{
    model::alert::{Alert, AlertState, Severity},
    notify::letter::Letter,
};

/// `image` gives the content id of an alert's curve, where the mail has one.
pub(super) fn page(letter: &Letter, image: impl Fn(&Alert) -> Option<String>) -> String {
    let mut body = format!(
        "<h2 style=\"font-size:16px\">{}</h2>\n",
        escaped(&title(letter))
    );
    let mut told = 0;
    for group in letter.groups() {
        if told >= LISTED_MAX {
            break;
        }
        if letter.alerts.len() > 1 {
            body.push_str(&format!(
                "<h3 style=\"font-size:14px\">{}: {} ({})</h3>\n",
                escaped(&harmless(group.rule, 60)),
                escaped(&harmless(&group.program, 64)),
                group.alerts.len()
            ));
        }
        for alert in group.alerts.iter().take(LISTED_MAX - told) {
            body.push_str(&format!(
                "<p style=\"border-left:4px solid {};padding-left:8px\"><b>{}</b></p>\n",
                colour(alert),
                escaped(&headline(alert))
            ));
            if told < DETAILED_MAX {
                body.push_str(&detailed(alert, image(alert).as_deref()));
            }
            told += 1;
        }
    }
    let untold = letter.alerts.len() - told;
    if untold > 0 {
        body.push_str(&format!(
            "<p>and {untold} more, which the recording has</p>\n"
        ));
    }
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head>\n<body style=\"font-family:sans-serif;font-size:13px\">\n{body}<p style=\"color:#777777\">procwatch on {}</p>\n</body></html>\n",
        escaped(&harmless(&letter.host, 64))
    )
}

fn detailed(alert: &Alert, image: Option<&str>) -> String {
    let mut text = String::from("<table style=\"font-size:13px\">\n");
    for (name, value) in details(alert) {
        text.push_str(&format!(
            "<tr><td style=\"color:#777777;vertical-align:top\">{name}</td><td>{}</td></tr>\n",
            escaped(&value)
        ));
    }
    text.push_str("</table>\n");
    if let (Some(image), (Some(first), Some(last))) =
        (image, (alert.curve.first(), alert.curve.last()))
    {
        let name = alert
            .figure
            .as_ref()
            .map_or("", |figure| figure.name.as_str());
        let highest = alert
            .curve
            .iter()
            .map(|(_, value)| *value)
            .fold(f64::MIN, f64::max);
        let said = escaped(&format!(
            "{} from {} to {}, at most {}",
            harmless(name, 64),
            time(first.0),
            time(last.0),
            value(name, highest)
        ));
        text.push_str(&format!(
            "<p><img src=\"cid:{}\" width=\"480\" height=\"120\" alt=\"{said}\"><br><small>{said}</small></p>\n",
            escaped(image)
        ));
    }
    text
}

fn colour(alert: &Alert) -> &'static str {
    match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => "#2e7d32",
        (_, Severity::Critical) => "#c62828",
        (_, Severity::Warning) => "#ef6c00",
        (_, Severity::Info) => "#1565c0",
    }
}

/// For text between tags, and for values in double quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
