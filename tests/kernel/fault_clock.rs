//! The time of day is set, back and forth, while procwatch runs. Only in a guest of our own: elsewhere the clock is
//! everybody's.

use std::collections::HashSet;

use procwatch_tests::{
    record::{Recorder, array, number},
    skip::{figure, has_ebpf, is_guest, skip, way_out_ns},
};

use crate::workload;

const HOUR_S: i64 = 3600;

fn step(seconds: i64) {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time);
        time.tv_sec += seconds;
        let error = libc::clock_settime(libc::CLOCK_REALTIME, &raw const time);
        assert_eq!(error, 0, "{}", std::io::Error::last_os_error());
    }
}

#[test]
fn setting_the_time_of_day_changes_no_account() {
    if !has_ebpf() {
        return;
    }
    if !is_guest() {
        skip("it sets the clock, which is everybody's: only in a guest of our own");
        return;
    }
    let recorder = Recorder::start();
    let mut ended = Vec::new();
    for seconds in [0, 30 * HOUR_S, -60 * HOUR_S, 1, -1, 30 * HOUR_S] {
        step(seconds);
        let told = workload(&["burn", "2", "3"]);
        ended.extend(array(&told, "ended").to_vec());
    }
    let record = recorder.stop();
    record.assert_lossless();
    let mut identities = HashSet::new();
    let mut last_start_ns = 0;
    for burner in &ended {
        let exit = record.the("exit", number(burner, "pid"));
        let start_ns = number(exit, "start_time_ns");
        assert!(identities.insert((number(exit, "pid"), start_ns)));
        assert!(start_ns > last_start_ns, "starts are in order: {exit}");
        last_start_ns = start_ns;
        let lifetime_ns = number(exit, "lifetime_ns");
        assert!(
            lifetime_ns < number(burner, "reaped_ns") - start_ns,
            "{exit} {burner}"
        );
        let truth = number(&burner["usage"], "cpu_time_ns");
        let off = number(exit, "cpu_time_ns").abs_diff(truth);
        let is_final = exit["totals_at"] == "final";
        assert!(
            !is_final || off <= way_out_ns(),
            "{off} ns off: {exit} {burner}"
        );
    }
    figure(&format!(
        "clock set back and forth by days: {} accounts as wait4 tells them",
        ended.len()
    ));
}
