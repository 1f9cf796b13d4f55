//! Text, as the first part of a mail.

use super::{DETAILED_MAX, LISTED_MAX, details, harmless, headline, title};
use crate::notify::letter::Letter;

pub(super) fn text(letter: &Letter) -> String {
    let mut text = String::new();
    let groups = letter.groups();
    if letter.alerts.len() > 1 {
        text.push_str(&format!("{}\n", title(letter)));
    }
    let mut told = 0;
    for group in &groups {
        if told >= LISTED_MAX {
            break;
        }
        if letter.alerts.len() > 1 {
            text.push_str(&format!(
                "\n{}: {}: {}\n",
                harmless(group.rule, 60),
                harmless(&group.program, 64),
                match group.alerts.len() {
                    1 => "1 alert".to_owned(),
                    count => format!("{count} alerts"),
                }
            ));
        }
        for alert in group.alerts.iter().take(LISTED_MAX - told) {
            text.push_str(&format!("\n{}\n", headline(alert)));
            if told < DETAILED_MAX {
                for (name, value) in details(alert) {
                    text.push_str(&format!("  {name:<9} {value}\n"));
                }
            }
            told += 1;
        }
    }
    let untold = letter.alerts.len() - told;
    if untold > 0 {
        text.push_str(&format!("\nand {untold} more, which the recording has\n"));
    }
    text.push_str(&format!(
        "\n-- \nprocwatch on {}\n",
        harmless(&letter.host, 64)
    ));
    text
}
