//! A trace for programs: a JSON object a line, and a last one of type `summary`.

use serde_json::{Value, json};

use super::text::End;
use crate::{
    cli::{histogram::latencies, json::rfc3339},
    model::{errno, identity::WaitStatus, signal_name},
    trace::{
        arguments, calls,
        cause::Cause,
        names::Names,
        record::{Ends, FileId, OffCpu, Record, SignalStage, What},
        split::Split,
        summary::Moved,
    },
};

/// One record; `wall_ns` is its time since the epoch.
pub fn line(record: &Record, comm: &str, names: &Names, wall_ns: u64) -> Value {
    let mut line = json!({
        "type": kind(record),
        "time": rfc3339(wall_ns),
        "pid": record.pid,
        "tid": record.tid,
        "comm": comm,
    });
    let more = match &record.what {
        What::Call(call) => {
            let mut arguments = String::new();
            arguments::write(&mut arguments, call, |out, file, ends| {
                names.write(out, file, ends);
            });
            json!({
                "syscall": calls::label(call.number),
                "arguments": arguments,
                "result": call.result,
                "error": call.error().map(errno::name),
                "duration_ns": call.duration_ns(record.time_ns),
                "blocked_ns": call.blocked_ns,
                "run_queue_wait_ns": call.waited_ns,
                "file": call.file.map(|file| name_of(names, file, call.ends)),
                "second_file": call.second_file.map(|file| name_of(names, file, call.ends)),
            })
        }
        What::OffCpu(off) => off_cpu(off, record.time_ns, names),
        What::Born(born) => json!({
            "is_thread": record.pid != record.tid,
            "parent_pid": born.parent_pid,
            "parent_tid": born.parent_tid,
        }),
        What::Exec(exec) => json!({
            "path": exec.path,
            "argv": exec.arguments,
            "argv_truncated": exec.is_truncated,
        }),
        What::Exit(exit) => {
            let status = WaitStatus(exit.status);
            json!({
                "is_thread": !exit.is_last,
                "exit_code": status.exit_code(),
                "exit_signal": status.signal(),
                "cpu_time_ns": exit.cpu_time_ns,
                "run_queue_wait_ns": exit.run_queue_wait_ns,
                "minor_faults": exit.minor_faults,
                "major_faults": exit.major_faults,
            })
        }
        What::Signal(signal) => {
            let sender = match &signal.stage {
                SignalStage::Sent { by, .. } => Some(by),
                SignalStage::Taken(_) => None,
            };
            json!({
                "signal": signal_name::name(signal.number),
                "code": signal.code,
                "is_taken": sender.is_none(),
                "sender_pid": sender.map(|by| by.pid),
                "sender_comm": sender.map(|by| &by.comm),
            })
        }
        What::Fault(fault) => json!({
            "address": fault.address,
            "is_write": fault.is_write,
            "is_protection": fault.is_protection,
        }),
        What::Block(block) => json!({
            "operation": block.operation.name(),
            "bytes": block.bytes,
            "sector": block.sector,
            "device": format!("{}:{}", block.major, block.minor),
            "duration_ns": record.time_ns.saturating_sub(block.queued_ns),
            "has_failed": block.has_failed,
        }),
    };
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    line
}

/// As `--kind` has it.
pub fn kind(record: &Record) -> &'static str {
    match &record.what {
        What::Call(_) => "syscall",
        What::OffCpu(_) => "off_cpu",
        What::Born(_) => "fork",
        What::Exec(_) => "exec",
        What::Exit(_) => "exit",
        What::Signal(_) => "signal",
        What::Fault(_) => "fault",
        What::Block(_) => "block",
    }
}

fn name_of(names: &Names, file: FileId, ends: Option<Ends>) -> String {
    let mut name = String::new();
    names.write(&mut name, file, ends);
    name
}

fn off_cpu(off: &OffCpu, now_ns: u64, names: &Names) -> Value {
    json!({
        "cause": Cause::of(off).name(),
        "blocked_ns": off.ready_ns.saturating_sub(off.since_ns),
        "run_queue_wait_ns": now_ns.saturating_sub(off.ready_ns.max(off.since_ns)),
        "syscall": off.call.map(calls::label),
        "file": off.file.map(|file| name_of(names, file, None)),
        "waker_pid": off.waker.as_ref().map(|waker| waker.pid),
        "waker_tid": off.waker.as_ref().map(|waker| waker.tid),
        "waker_comm": off.waker.as_ref().map(|waker| &waker.comm),
        "stack": off.stack,
    })
}

/// The last line.
pub fn summary(end: &End<'_>) -> Value {
    let summary = end.summary;
    let threads: Vec<_> = summary
        .threads()
        .iter()
        .map(|thread| {
            let mut row = split(&thread.split(end.now_ns));
            row["pid"] = thread.pid.into();
            row["tid"] = thread.tid.into();
            row["comm"] = (*thread.comm).into();
            row
        })
        .collect();
    let system_calls: Vec<_> = summary
        .calls()
        .into_iter()
        .map(|(number, sums)| {
            json!({
                "syscall": calls::label(number),
                "count": sums.count,
                "errors": sums.errors,
                "time_ns": sums.time_ns,
                "blocked_ns": sums.blocked_ns,
                "run_queue_wait_ns": sums.waited_ns,
                "longest_ns": sums.longest_ns,
                "latencies": latencies(&sums.latencies.buckets()),
            })
        })
        .collect();
    let files: Vec<_> = summary
        .files()
        .into_iter()
        .map(|(file, sums)| {
            let mut row = moved(sums);
            row["name"] = name_of(end.names, file, None).into();
            row
        })
        .collect();
    let connections: Vec<_> = summary
        .peers()
        .into_iter()
        .map(|(ends, sums)| {
            let mut row = moved(sums);
            row["protocol"] = ends.protocol.name().into();
            row["local"] = ends.local.to_string().into();
            row["remote"] = ends.remote.map(|remote| remote.to_string()).into();
            row
        })
        .collect();
    let block: Vec<_> = summary
        .requests
        .iter()
        .map(|(operation, sums)| {
            json!({
                "operation": operation.name(),
                "count": sums.count,
                "bytes": sums.bytes,
                "failed": sums.failed,
                "time_ns": sums.time_ns,
                "latencies": latencies(&sums.latencies.buckets()),
            })
        })
        .collect();
    let slowest: Vec<_> = summary
        .slowest()
        .into_iter()
        .map(|slow| {
            json!({
                "pid": slow.pid,
                "tid": slow.tid,
                "duration_ns": slow.duration_ns,
                "what": slow.text,
            })
        })
        .collect();
    let loss: serde_json::Map<_, _> = end
        .losses
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), (*count).into()))
        .collect();
    json!({
        "type": "summary",
        "duration_ns": end.now_ns.saturating_sub(end.start_ns),
        "processes": summary.process_count(),
        "time": split(&summary.total(end.now_ns)),
        "threads": threads,
        "threads_left_out": summary.threads_left_out,
        "syscalls": system_calls,
        "files": files,
        "connections": connections,
        "files_left_out": moved(summary.other_files),
        "block": block,
        "slowest": slowest,
        "run_queue_waits": latencies(&summary.run_queue_waits.buckets()),
        "births": summary.births,
        "execs": summary.execs,
        "ends": summary.ends,
        "minor_faults": summary.minor_faults,
        "major_faults": summary.major_faults,
        "missing": end.missing,
        "loss": loss,
    })
}

fn split(split: &Split) -> Value {
    let mut row = json!({ "wall_ns": split.wall_ns });
    for cause in Cause::ALL {
        row[format!("{}_ns", cause.name())] = split.of(cause).into();
    }
    row
}

fn moved(moved: Moved) -> Value {
    json!({
        "read_bytes": moved.read_bytes,
        "written_bytes": moved.written_bytes,
        "calls": moved.calls,
        "time_ns": moved.time_ns,
    })
}
