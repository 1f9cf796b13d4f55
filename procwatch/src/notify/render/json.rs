//! JSON of our own: all that alerts carry, for programs. Fields are added, and never renamed.

use serde_json::{Value, json};

use super::time;
use crate::{
    model::{
        alert::{Alert, Subject},
        identity::ProcessId,
    },
    notify::letter::Letter,
};

pub(in crate::notify) fn document(letter: &Letter) -> Value {
    let alerts: Vec<Value> = letter
        .alerts
        .iter()
        .map(|one| alert(one, &letter.name_of(one)))
        .collect();
    json!({
        "version": 1,
        "key": letter.key,
        "host": letter.host,
        "time": time(letter.made_ns),
        "title": super::title(letter),
        "alerts": alerts,
    })
}

pub(in crate::notify) fn alert(alert: &Alert, dedup_key: &str) -> Value {
    let culprit = alert.culprit.as_ref().map(|culprit| {
        json!({
            "pid": culprit.id.pid,
            "start_time_ns": culprit.id.start_time_ns,
            "comm": culprit.comm,
            "command_line": culprit.command_line,
            "exe": culprit.exe,
            "user": culprit.user,
            "container": culprit.container,
            "cgroup": culprit.cgroup,
            "ancestry": culprit.ancestry,
        })
    });
    let top = alert.top.iter().map(|share| {
        json!({
            "pid": share.id.pid,
            "start_time_ns": share.id.start_time_ns,
            "comm": share.comm,
            "value": share.value,
        })
    });
    json!({
        "id": alert.id,
        "dedup_key": dedup_key,
        "rule": alert.rule,
        "severity": alert.severity.name(),
        "state": alert.state.name(),
        "subject": subject(&alert.subject),
        "began": time(alert.began_ns),
        "fired": alert.fired_ns.map(time),
        "resolved": alert.resolved_ns.map(time),
        "summary": alert.summary,
        "figure": alert.figure,
        "culprit": culprit,
        "top": top.collect::<Vec<_>>(),
        "curve": alert.curve.iter().map(|(at, value)| json!([time(*at), value])).collect::<Vec<_>>(),
        "replay": alert.replay,
    })
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::Host => json!({"kind": "host"}),
        Subject::Process(ProcessId { pid, start_time_ns }) => {
            json!({"kind": "process", "pid": pid, "start_time_ns": start_time_ns})
        }
        Subject::Program(exe) => json!({"kind": "program", "exe": exe}),
        Subject::Container(container) => json!({"kind": "container", "container": container}),
    }
}
