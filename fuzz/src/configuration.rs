//! The configuration file.

use procwatch::config::{self, Format};

/// A text has only values that can be kept to, in either format, or an error of one harmless line that points
/// into it.
pub(crate) fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for format in [Format::Toml, Format::Json] {
        match config::parse(&text, format) {
            Ok(config) => {
                let limits = config.limits;
                let is_share = |pct: f64| pct > 0.0 && pct <= 100.0;
                assert!(limits.cpu_pct.is_none_or(is_share), "{limits:?}");
                assert_ne!(limits.memory_bytes, Some(0));
                let record = config.record;
                assert!(record.interval.is_none_or(|interval| !interval.is_zero()));
                assert!(
                    record
                        .niceness
                        .is_none_or(|niceness| (-20..=19).contains(&niceness))
                );
            }
            Err(error) => {
                let message = error.to_string();
                assert!(!message.contains(char::is_control), "{message:?}");
                let lines = text.split('\n').count();
                assert!(
                    error.line.is_none_or(|line| (1..=lines).contains(&line)),
                    "{message}"
                );
            }
        }
    }
}
