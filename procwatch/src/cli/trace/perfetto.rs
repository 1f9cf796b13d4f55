//! A trace as a file for Perfetto and for Chrome: a track a thread, what it did on it, and in that why it did not run.
//!
//! The form is that of Chrome's "Trace Event Format"; times are microseconds since the trace began.

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
        record::{OffCpu, Record, What},
    },
};

/// What every file begins with.
pub fn begin(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
    // So that each event after it has a comma before it.
    let ours = json!({"ph": "M", "name": "process_name", "pid": 0, "args": {"name": "procwatch"}});
    write_json(out, &ours)
}

/// One record.
pub fn write(
    out: &mut impl Write,
    record: &Record,
    comm: &str,
    names: &Names,
    start_ns: u64,
) -> io::Result<()> {
    let track = Track {
        record,
        names,
        start_ns,
    };
    match &record.what {
        What::Call(call) => {
            let begun_ns = call.entered_ns.unwrap_or(start_ns);
            track.slice(out, &calls::label(call.number), begun_ns, record.time_ns)
        }
        What::OffCpu(off) => off_cpu(out, &track, off),
        What::Block(block) => {
            let name = format!("block {}", block.operation.name());
            // They overlap: each has a track of its own, by its id.
            let id = format!("{}:{}:{}", block.queued_ns, block.sector, record.tid);
            for (phase, time_ns) in [("b", block.queued_ns), ("e", record.time_ns)] {
                let mut event = track.event(phase, &name, time_ns);
                event["id"] = id.as_str().into();
                add(out, &event)?;
            }
            Ok(())
        }
        What::Born(_) | What::Exec(_) => {
            track.name(out, comm)?;
            track.instant(out)
        }
        What::Exit(_) | What::Signal(_) | What::Fault(_) => track.instant(out),
    }
}

/// The name of a thread that was there when the trace began.
pub fn write_name(out: &mut impl Write, pid: u32, tid: u32, comm: &str) -> io::Result<()> {
    for (what, name) in [("process_name", pid == tid), ("thread_name", true)] {
        if name {
            add(
                out,
                &json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": comm}}),
            )?;
        }
    }
    Ok(())
}

/// What every file ends with; the summary is in it.
pub fn finish(out: &mut impl Write, end: &End<'_>) -> io::Result<()> {
    out.write_all(b"\n],\"otherData\":")?;
    write_json(&mut *out, &json::summary(end))?;
    out.write_all(b"}\n")
}

/// Asleep, then ready: two slices, which lie in that of the call.
fn off_cpu(out: &mut impl Write, track: &Track<'_>, off: &OffCpu) -> io::Result<()> {
    let cause = Cause::of(off);
    if off.ready_ns > off.since_ns {
        track.slice(out, cause.words(), off.since_ns, off.ready_ns)?;
    }
    let ready_ns = off.ready_ns.max(off.since_ns);
    track.slice(out, Cause::RunQueue.words(), ready_ns, track.record.time_ns)
}

/// A record, and where it stands.
struct Track<'a> {
    record: &'a Record,
    names: &'a Names,
    start_ns: u64,
}

impl Track<'_> {
    fn event(&self, phase: &str, name: &str, time_ns: u64) -> Value {
        json!({
            "ph": phase,
            "cat": kind(self.record),
            "name": name,
            "ts": time_ns.saturating_sub(self.start_ns) as f64 / 1000.0,
            "pid": self.record.pid,
            "tid": self.record.tid,
            "args": {"what": text::what(self.record, self.names)},
        })
    }

    fn slice(&self, out: &mut impl Write, name: &str, from_ns: u64, to_ns: u64) -> io::Result<()> {
        let from_ns = from_ns.max(self.start_ns);
        let mut event = self.event("X", name, from_ns);
        event["dur"] = (to_ns.saturating_sub(from_ns) as f64 / 1000.0).into();
        add(out, &event)
    }

    fn instant(&self, out: &mut impl Write) -> io::Result<()> {
        let mut event = self.event("i", kind(self.record), self.record.time_ns);
        event["s"] = "t".into();
        add(out, &event)
    }

    fn name(&self, out: &mut impl Write, comm: &str) -> io::Result<()> {
        write_name(out, self.record.pid, self.record.tid, comm)
    }
}

fn add(out: &mut impl Write, event: &Value) -> io::Result<()> {
    out.write_all(b",\n")?;
    write_json(out, event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{
        record::{Born, Sleep},
        summary::Summary,
    };

    fn record(time_ns: u64, what: What) -> Record {
        Record {
            time_ns,
            pid: 7,
            tid: 8,
            what,
        }
    }

    #[test]
    fn a_file_is_json_with_a_slice_for_each_part_of_a_time_off_the_cpu() {
        let (names, summary) = (Names::default(), Summary::default());
        let mut out = Vec::new();
        begin(&mut out).unwrap();
        let born = Born {
            parent_pid: 1,
            parent_tid: 1,
            comm: "a\"b".into(),
        };
        write(
            &mut out,
            &record(1000, What::Born(born)),
            "a\"b",
            &names,
            1000,
        )
        .unwrap();
        let off = OffCpu {
            since_ns: 2000,
            ready_ns: 5000,
            waker: None,
            sleep: Sleep::ForDevice,
            call: None,
            file: None,
            stack: Vec::new(),
        };
        write(
            &mut out,
            &record(6000, What::OffCpu(off.into())),
            "",
            &names,
            1000,
        )
        .unwrap();
        let end = End {
            summary: &summary,
            names: &names,
            start_ns: 1000,
            now_ns: 9000,
            losses: &[],
            missing: &[],
        };
        finish(&mut out, &end).unwrap();
        let file: Value = serde_json::from_slice(&out).unwrap();
        let slices: Vec<_> = file["traceEvents"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["ph"] == "X")
            .map(|event| {
                (
                    event["name"].clone(),
                    event["ts"].clone(),
                    event["dur"].clone(),
                )
            })
            .collect();
        assert_eq!(
            slices,
            [
                (json!("on a disk"), json!(1.0), json!(3.0)),
                (json!("waiting for a CPU"), json!(4.0), json!(1.0))
            ]
        );
        assert_eq!(file["otherData"]["duration_ns"], 8000);
    }
}
