//! A process that is not.

use std::sync::Arc;

use procwatch::model::{
    facts::Facts,
    identity::ProcessId,
    sample::{ProcessSample, Source, State},
    snapshot::ProcessView,
    totals::Totals,
};

/// A process that calls itself this in every way.
pub(crate) fn made_up(text: &str) -> ProcessSample {
    let name: Arc<str> = text.into();
    ProcessSample {
        id: ProcessId::new(7, 1_000_000_000),
        parent: Some(ProcessId::new(1, 0)),
        facts: Arc::new(Facts {
            comm: text.into(),
            exe: Some(format!("/{text}").into()),
            argv: Some(format!("{text}\0-x\0").into()),
            argv_truncated: false,
            uid: Some(33),
            user: Some(Arc::clone(&name)),
            cgroup: Some(name),
            container: None,
            is_kernel_thread: false,
        }),
        totals: Totals::ZERO,
        rss_bytes: Some(64 << 20),
        peak_rss_bytes: None,
        memory: None,
        pss_bytes: None,
        threads: Some(1),
        state: State::Sleeping,
        source: Source::Ebpf,
        predates_collection: false,
        flows_since_ns: None,
    }
}

/// It, without an interval.
pub(crate) fn view(process: &ProcessSample) -> ProcessView<'_> {
    ProcessView {
        process,
        delta: &Totals::UNKNOWN,
        interval_ns: 0,
    }
}
