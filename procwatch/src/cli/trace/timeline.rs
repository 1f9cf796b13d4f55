//! A trace as a page: one file that asks for nothing else, with every thread on a lane of its own.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{
    json::{self, kind},
    text::{self, End},
};
use crate::{
    cli::json::write_json,
    trace::{
        calls,
        cause::Cause,
        names::Names,
        record::{Record, What},
    },
};

const STYLE: &str = include_str!("timeline/style.css");
const SCRIPT: &str = include_str!("timeline/script.js");
/// What a browser still draws at once; what comes after is in the sums alone.
const EVENTS_MAX: u64 = 1_000_000;

/// Writes the page as records come.
#[derive(Debug, Default)]
pub struct Timeline {
    written: u64,
    left_out: u64,
}

impl Timeline {
    /// What every page begins with. `title` is what was traced.
    pub fn begin(&self, out: &mut impl Write, title: &str) -> io::Result<()> {
        let head = maud::html! {
            (maud::DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    // The one script is this file's; nothing can be fetched or sent.
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
                    meta name="color-scheme" content="light dark";
                    title { (title) " – procwatch" }
                    style { (maud::PreEscaped(STYLE)) }
                }
                body {
                    p.kicker { "procwatch trace" }
                    h1 { (title) }
                    p.faint #facts {}
                    p #trust {}
                    div.tools {
                        input #search type="search" placeholder="Show only what has these words, such as read or /etc" aria-label="Search";
                        span.faint #found {}
                        button #in { "+" } button #out { "−" } button #all { "all" }
                    }
                    canvas #timeline tabindex="0" aria-label="Timeline" {}
                    div #legend {}
                    div #detail aria-live="polite" {}
                    section #threads { h2 { "Where the time went" } }
                    section #calls { h2 { "System calls" } }
                    section #files { h2 { "Files, by bytes" } }
                    section #connections { h2 { "Connections, by bytes" } }
                    section #slowest { h2 { "Slowest single operations" } }
                    footer { "Made by procwatch " (env!("CARGO_PKG_VERSION")) "." }
                }
            }
        };
        let head = head.into_string();
        let body = head.trim_end_matches("</body></html>");
        write!(
            out,
            "{body}\n<script id=\"data\" type=\"application/json\">{{\"events\":[0"
        )
    }

    /// One record.
    pub fn write(
        &mut self,
        out: &mut impl Write,
        record: &Record,
        names: &Names,
        start_ns: u64,
    ) -> io::Result<()> {
        if self.written >= EVENTS_MAX {
            self.left_out += 1;
            return Ok(());
        }
        self.written += 1;
        let what = text::what(record, names);
        let mut slice = |from_ns: u64, to_ns: u64, name: &str, state: Option<Cause>| {
            let from_ns = from_ns.max(start_ns);
            let event = json!([
                kind(record),
                record.pid,
                record.tid,
                microseconds(from_ns - start_ns),
                microseconds(to_ns.saturating_sub(from_ns)),
                name,
                what,
                state.map(Cause::name)
            ]);
            out.write_all(b",\n")?;
            write_embedded(&mut *out, &event)
        };
        let end_ns = record.time_ns;
        match &record.what {
            What::Call(call) => {
                let begun_ns = call.entered_ns.unwrap_or(start_ns);
                slice(begun_ns, end_ns, &calls::label(call.number), None)
            }
            What::OffCpu(off) => {
                let ready_ns = off.ready_ns.max(off.since_ns);
                if ready_ns > off.since_ns {
                    let cause = Cause::of(off);
                    slice(off.since_ns, ready_ns, cause.words(), Some(cause))?;
                }
                let wait = Cause::RunQueue;
                slice(ready_ns, end_ns, wait.words(), Some(wait))
            }
            What::Block(block) => {
                let name = format!("block {}", block.operation.name());
                slice(block.queued_ns, end_ns, &name, None)
            }
            _ => slice(end_ns, end_ns, kind(record), None),
        }
    }

    /// What every page ends with.
    pub fn finish(&self, out: &mut impl Write, end: &End<'_>) -> io::Result<()> {
        let words = Cause::ALL
            .into_iter()
            .map(|cause| (cause.name().to_owned(), Value::from(cause.words())));
        let words: serde_json::Map<_, _> = words.collect();
        write!(out, "],\"left_out\":{},\"causes\":", self.left_out)?;
        write_embedded(&mut *out, &words.into())?;
        out.write_all(b",\"summary\":")?;
        write_embedded(&mut *out, &json::summary(end))?;
        write!(
            out,
            "}}</script>\n<script>\n{SCRIPT}</script>\n</body></html>\n"
        )
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

/// JSON in which nothing can end the element that it is in.
fn write_embedded(mut out: impl Write, value: &Value) -> io::Result<()> {
    let mut json = Vec::new();
    write_json(&mut json, value)?;
    // Outside of strings there is no such character.
    for part in json.split_inclusive(|byte| *byte == b'<') {
        match part.split_last() {
            Some((b'<', before)) => {
                out.write_all(before)?;
                out.write_all(b"\\u003c")?;
            }
            _ => out.write_all(part)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_embedded_cannot_end_its_element() {
        let mut out = Vec::new();
        let value = json!(["</script><!--", "a<"]);
        write_embedded(&mut out, &value).unwrap();
        assert!(!out.contains(&b'<'));
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), value);
    }
}
