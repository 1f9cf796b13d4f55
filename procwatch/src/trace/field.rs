//! What of a record a filter can compare: the fields of its JSON, under their names there.

use std::borrow::Cow;

use super::{
    calls::{self, Moves},
    cause::Cause,
    names::Names,
    record::{FileId, Record, What},
};
use crate::model::{
    errno,
    field::{Kind, Value},
    filter::{Column, FilterOn, remedy_among},
    signal_name,
    units::Unit,
};

/// Of what happened.
pub type TraceFilter = FilterOn<TraceField>;

/// One field of a record. A kind that has no such thing has it unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceField {
    Type,
    Pid,
    Tid,
    Comm,
    Syscall,
    /// What a call returned, where that is no error.
    Result,
    /// The name of the error that a call ended with.
    Error,
    /// Of calls and block I/O, and how long a time off the CPU was.
    Duration,
    /// Of that, asleep or blocked.
    Blocked,
    RunQueueWait,
    /// What the first descriptor of a call is, or what a thread waited for.
    File,
    /// What a call has moved, or a device was asked to move.
    Bytes,
    /// Why a thread did not run.
    Cause,
    WakerComm,
    Signal,
}

/// A record, and what is needed to name what is in it.
#[derive(Clone, Copy, Debug)]
pub struct TraceRow<'a> {
    pub record: &'a Record,
    /// As JSON has it.
    pub kind: &'static str,
    pub comm: &'a str,
    pub names: &'a Names,
}

impl TraceField {
    const ALL: [Self; 15] = [
        Self::Type,
        Self::Pid,
        Self::Tid,
        Self::Comm,
        Self::Syscall,
        Self::Result,
        Self::Error,
        Self::Duration,
        Self::Blocked,
        Self::RunQueueWait,
        Self::File,
        Self::Bytes,
        Self::Cause,
        Self::WakerComm,
        Self::Signal,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Pid => "pid",
            Self::Tid => "tid",
            Self::Comm => "comm",
            Self::Syscall => "syscall",
            Self::Result => "result",
            Self::Error => "error",
            Self::Duration => "duration_ns",
            Self::Blocked => "blocked_ns",
            Self::RunQueueWait => "run_queue_wait_ns",
            Self::File => "file",
            Self::Bytes => "bytes",
            Self::Cause => "cause",
            Self::WakerComm => "waker_comm",
            Self::Signal => "signal",
        }
    }
}

impl Column for TraceField {
    type Of<'a> = TraceRow<'a>;

    const IS_SEARCHED: bool = false;

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    fn name(self) -> &'static str {
        self.as_str()
    }

    fn kind(self) -> Kind {
        match self {
            Self::Pid
            | Self::Tid
            | Self::Result
            | Self::Duration
            | Self::Blocked
            | Self::RunQueueWait
            | Self::Bytes => Kind::Integer,
            Self::Type
            | Self::Comm
            | Self::Syscall
            | Self::Error
            | Self::File
            | Self::Cause
            | Self::WakerComm
            | Self::Signal => Kind::Text,
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Duration | Self::Blocked | Self::RunQueueWait => Unit::Nanoseconds,
            Self::Bytes => Unit::Bytes,
            _ => Unit::Count,
        }
    }

    fn value<'a>(self, row: &Self::Of<'a>) -> Value<'a> {
        let record = row.record;
        match self {
            Self::Type => Value::Text(row.kind.into()),
            Self::Pid => Value::Integer(record.pid.into()),
            Self::Tid => Value::Integer(record.tid.into()),
            Self::Comm => Value::Text(row.comm.into()),
            Self::Duration => integer(duration_ns(record)),
            _ => match &record.what {
                What::Call(call) => match self {
                    Self::Syscall => Value::Text(calls::label(call.number).into()),
                    Self::Result => integer(u64::try_from(call.result).ok()),
                    Self::Error => text(call.error().map(|error| errno::name(error).into())),
                    Self::Blocked => Value::Integer(call.blocked_ns),
                    Self::RunQueueWait => Value::Integer(call.waited_ns),
                    Self::File => text(call.file.map(|file| named(row, file))),
                    Self::Bytes => {
                        let shape = calls::shape(call.number);
                        let moves = shape.is_some_and(|shape| shape.moves != Moves::Nothing);
                        let moved = u64::try_from(call.result).ok();
                        integer(moved.filter(|_| moves))
                    }
                    _ => Value::Unknown,
                },
                What::OffCpu(off) => match self {
                    Self::Syscall => text(off.call.map(|number| calls::label(number).into())),
                    Self::Blocked => Value::Integer(off.ready_ns.saturating_sub(off.since_ns)),
                    Self::RunQueueWait => {
                        Value::Integer(record.time_ns.saturating_sub(off.ready_ns))
                    }
                    Self::File => text(off.file.map(|file| named(row, file))),
                    Self::Cause => Value::Text(Cause::of(off).name().into()),
                    Self::WakerComm => text(off.waker.as_ref().map(|waker| (&*waker.comm).into())),
                    _ => Value::Unknown,
                },
                What::Block(block) if self == Self::Bytes => Value::Integer(block.bytes.into()),
                What::Signal(signal) if self == Self::Signal => {
                    Value::Text(signal_name::name(signal.number).to_string().into())
                }
                What::Exec(exec) if self == Self::File => Value::Text((&*exec.path).into()),
                _ => Value::Unknown,
            },
        }
    }

    fn remedy_for(name: &str) -> String {
        remedy_among(name, &Self::ALL.map(Self::as_str), "of what happened")
    }
}

/// How long it took. `None` of what takes no time, and of a call whose entry nobody saw.
pub fn duration_ns(record: &Record) -> Option<u64> {
    match &record.what {
        What::Call(call) => call.duration_ns(record.time_ns),
        What::OffCpu(off) => Some(record.time_ns.saturating_sub(off.since_ns)),
        What::Block(block) => Some(record.time_ns.saturating_sub(block.queued_ns)),
        _ => None,
    }
}

fn named<'a>(row: &TraceRow<'a>, file: FileId) -> Cow<'a, str> {
    let ends = match &row.record.what {
        What::Call(call) => call.ends,
        _ => None,
    };
    let mut name = String::new();
    row.names.write(&mut name, file, ends);
    name.into()
}

fn text(text: Option<Cow<'_, str>>) -> Value<'_> {
    text.map_or(Value::Unknown, Value::Text)
}

const fn integer<'a>(number: Option<u64>) -> Value<'a> {
    match number {
        Some(number) => Value::Integer(number),
        None => Value::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::record::Call;

    fn matches(filter: &str) -> bool {
        let read = calls::shapes()
            .map(|(number, _)| number)
            .find(|number| calls::name(*number) == "read")
            .unwrap();
        let record = Record {
            time_ns: 5_000_000,
            pid: 7,
            tid: 8,
            what: What::Call(Box::new(Call {
                number: read,
                entered_ns: Some(1_000_000),
                result: 100,
                arguments: [0; 6],
                file: None,
                second_file: None,
                ends: None,
                texts: [None, None],
                blocked_ns: 3_000_000,
                waited_ns: 0,
            })),
        };
        let names = Names::default();
        let row = TraceRow {
            record: &record,
            kind: "syscall",
            comm: "cat",
            names: &names,
        };
        TraceFilter::parse(filter).unwrap().matches(&row)
    }

    #[test]
    fn a_call_is_compared_by_its_fields() {
        for filter in [
            "syscall == read and duration_ns >= 4ms",
            "bytes == 100",
            "blocked_ns > 1ms and comm ~ ca",
            "error == null and file == null",
            "tid == 8 and not pid == 8",
        ] {
            assert!(matches(filter), "{filter}");
        }
        for filter in ["duration_ns > 4ms", "error == EINTR", "cause == disk"] {
            assert!(!matches(filter), "{filter}");
        }
    }

    #[test]
    fn every_field_has_its_name_and_others_get_a_remedy() {
        for field in TraceField::ALL {
            assert_eq!(TraceField::from_name(field.as_str()), Some(field));
        }
        let error = TraceFilter::parse("duration > 5").unwrap_err().to_string();
        assert!(error.contains("duration_ns"), "{error}");
    }
}
