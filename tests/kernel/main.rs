//! What procwatch says of the kernel's processes, against what somebody else says.

mod alerts;
mod argv;
mod balance;
mod block;
mod block_devices;
mod block_latency;
mod block_writeback;
mod bomb;
mod cleanup;
mod cpu;
mod exits;
mod fallback;
mod fault_clock;
mod fault_crowd;
mod fault_maps_full;
mod fault_pids;
mod fault_proc;
mod fault_stalled;
mod fault_stopped;
mod fault_two_agents;
mod figures;
mod identity;
mod io;
mod latency;
mod limits;
mod living_set;
mod loss;
mod memory;
mod network;
mod network_connections;
mod network_ends;
mod network_fetch;
mod network_lives;
mod network_loss;
mod network_older;
mod network_openings;
mod network_rows;
mod network_sharing;
mod network_standing;
mod network_unix;
mod odd_hosts;
mod oom;
mod recording;
mod signals;
mod storm;
mod trace;
mod viewers;

/// Does what is to be watched.
const WORKLOAD: &str = env!("CARGO_BIN_EXE_workload");

/// Records a role of the workload until the accounts of the processes that `pids` picks are closed.
///
/// Some kernels run no BPF program while a thread of pid 1 is current, and a process is freed in a
/// softirq on top of whichever thread that may be: its closing record is then never written. That this
/// happens is `storm`'s to judge; what a closed account says is judged by whoever calls this.
///
/// Kernels that preempt programs skip one now and then, and count it: what a thread had done that ended just
/// then is missing.
fn recorded_closed(
    arguments: &[&str],
    pids: fn(&serde_json::Value) -> Vec<u64>,
) -> (procwatch_tests::record::Record, serde_json::Value) {
    const ATTEMPTS: u32 = 5;
    for attempt in 1..=ATTEMPTS {
        let recorder = procwatch_tests::record::Recorder::start();
        let told = workload(arguments);
        let record = recorder.stop();
        let skipped = procwatch_tests::record::number(&record.summary["loss"], "skipped");
        if skipped == 0
            && pids(&told)
                .into_iter()
                .all(|pid| record.the("exit", pid)["totals_at"] == "final")
        {
            return (record, told);
        }
        procwatch_tests::skip::figure(&format!(
            "attempt {attempt}: an account was not closed, or a run skipped ({skipped})"
        ));
    }
    panic!("{arguments:?}: no whole account in {ATTEMPTS} attempts");
}

/// Runs a role of the workload to its end.
fn workload(arguments: &[&str]) -> serde_json::Value {
    procwatch_tests::workload::run(WORKLOAD, arguments)
}
