//! Every other figure of the exit, against what the kernel told the process or its parent.

use procwatch_tests::{
    record::{array, assert_close, number},
    skip::{figure, has_ebpf},
};

use crate::recorded_closed;

#[test]
fn a_process_of_many_threads_has_the_figures_of_wait4() {
    if !has_ebpf() {
        return;
    }
    let (record, told) = recorded_closed(&["figures"], |told| vec![number(&told["ended"], "pid")]);
    let (ended, usage) = (&told["ended"], &told["ended"]["usage"]);
    let exit = record.the("exit", number(ended, "pid"));
    let difference =
        |field: &str| number(exit, field).cast_signed() - number(usage, field).cast_signed();
    let truth = number(usage, "cpu_time_ns");
    assert!(truth >= 8 * 20_000_000);
    let off = assert_close("CPU time", number(exit, "cpu_time_ns"), truth, 0.01);
    figure(&format!(
        "threads: CPU {off:+.4} % off wait4's {:.1} ms; switches {:+} and {:+}, faults {:+} and {:+}, peak RSS {:+}",
        truth as f64 / 1e6,
        difference("voluntary_switches"),
        difference("involuntary_switches"),
        difference("minor_faults"),
        difference("major_faults"),
        difference("peak_rss_bytes"),
    ));
    for field in ["minor_faults", "major_faults", "peak_rss_bytes"] {
        assert_eq!(number(exit, field), number(usage, field), "{field}");
    }
    // The parent may be told (exit_notify) before the main thread has left its CPU for the last time
    // (do_task_dead): that switch is in the closed account and not in wait4's answer. It counts as
    // voluntary, or as involuntary when the parent's wake-up preempts it on its way.
    for field in ["voluntary_switches", "involuntary_switches"] {
        assert!(
            (0..=1).contains(&difference(field)),
            "{field}: {:+}",
            difference(field)
        );
    }
    assert_eq!(
        number(exit, "logical_write_bytes"),
        number(&told, "logical_write_bytes"),
        "writes of living and dead threads"
    );
    assert_eq!(
        number(exit, "logical_write_bytes"),
        (1..=8).map(|k| k * 1000).sum::<u64>()
    );

    // Threads tell their wait just before they end; what a thread can wait after that is less than
    // the time that goes by.
    let waited = number(exit, "run_queue_wait_ns");
    let told_wait = number(&told, "run_queue_wait_ns");
    let slack = number(&told, "wait_after_telling_max_ns");
    figure(&format!(
        "threads: waited {waited} ns, of which the threads told {told_wait} (at most {slack} after that)"
    ));
    assert!(
        waited >= told_wait,
        "waited {waited} ns of at least {told_wait}"
    );
    assert!(
        waited <= told_wait + slack,
        "waited {waited} ns of at most {told_wait} + {slack}"
    );
}

#[test]
fn the_wait_for_a_cpu_is_the_one_the_kernel_told_the_process() {
    if !has_ebpf() {
        return;
    }
    let (record, told) = recorded_closed(&["contended", "60"], |told| {
        array(told, "ended")
            .iter()
            .map(|ended| number(ended, "pid"))
            .collect()
    });
    let mut waits = Vec::new();
    for ended in array(&told, "ended") {
        let exit = record.the("exit", number(ended, "pid"));
        let (measured, truth) = (
            number(exit, "run_queue_wait_ns"),
            number(ended, "run_queue_wait_ns"),
        );
        // From its reading on it can have waited no longer than time went by until it was reaped.
        let slack = number(ended, "reaped_ns") - number(ended, "told_ns");
        assert!(measured >= truth, "{measured} of at least {truth}");
        // Its parent may be told before it has left its CPU for the last time: preempted there it waits once more, and
        // that switch is in its account alone.
        let usage = &ended["usage"];
        let switches = |told: &serde_json::Value| {
            number(told, "voluntary_switches") + number(told, "involuntary_switches")
        };
        assert!(
            measured <= truth + slack || switches(exit) > switches(usage),
            "{measured} of at most {truth} + {slack}: {exit} {ended}"
        );
        waits.push((truth, measured - truth));
    }
    let total: u64 = waits.iter().map(|(truth, _)| truth).sum();
    figure(&format!("wait: (by schedstat, beyond it) in ns: {waits:?}"));
    assert!(
        total > 100_000_000,
        "five processes on two CPUs have to wait: {total}"
    );
}
