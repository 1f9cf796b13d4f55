//! An alert of nothing, to try out whether it arrives.

use crate::model::{
    alert::{Alert, AlertState, Culprit, Figure, Severity, Share, Subject},
    identity::ProcessId,
};

const SECOND_NS: u64 = 1_000_000_000;
const SECONDS: u64 = 60;

/// As one of a rule would be, and says that it is none.
pub(super) fn alert(now_ns: u64) -> Alert {
    let id = ProcessId::new(std::process::id(), 0);
    let comm = "procwatch".to_owned();
    let began_ns = now_ns.saturating_sub(5 * SECOND_NS);
    let curve = (0..=SECONDS)
        .map(|second| {
            let value = if second + 5 < SECONDS {
                10 + second % 3
            } else {
                97
            };
            (
                now_ns.saturating_sub((SECONDS - second) * SECOND_NS),
                value as f64,
            )
        })
        .collect();
    Alert {
        id: 0,
        rule: "test of a notifier".to_owned(),
        severity: Severity::Info,
        state: AlertState::Firing,
        subject: Subject::Process(id),
        began_ns,
        fired_ns: Some(now_ns),
        resolved_ns: None,
        summary: "This is a test: nothing is wrong, and every figure here is made up".to_owned(),
        figure: Some(Figure {
            name: "cpu_pct".to_owned(),
            value: 97.0,
            baseline: Some(11.0),
            limit: Some(80.0),
            time_until_ns: None,
        }),
        culprit: Some(Culprit {
            id,
            comm: comm.clone(),
            command_line: "procwatch alerts test".to_owned(),
            exe: None,
            user: None,
            container: None,
            cgroup: None,
            ancestry: Vec::new(),
        }),
        top: vec![Share {
            id,
            comm,
            value: 97.0,
        }],
        curve,
        replay: "procwatch replay".to_owned(),
    }
}
