//! The living, against /proc.

use procwatch_tests::{
    procfs::{TICK_NS, boot_ns, processes},
    procwatch::snapshot,
    record::{array, number, text},
    skip::{figure, has_ebpf},
};

fn check(arguments: &[&str], source: &str) {
    // A zombie and a stopped process are alive as well.
    let (zombie, stopped) = (Resting::zombie(), Resting::stopped());
    let begun_ns = boot_ns();
    let before = processes();
    let snapshot = snapshot(arguments);
    let after = processes();
    let rows: std::collections::BTreeMap<u64, _> = array(&snapshot, "processes")
        .iter()
        .filter(|row| row["state"] != "exited")
        .map(|row| (number(row, "pid"), row))
        .collect();
    let living = array(&snapshot, "processes")
        .iter()
        .filter(|row| row["state"] != "exited");
    assert_eq!(
        rows.len(),
        living.count(),
        "two living processes of one pid"
    );

    let mut compared = 0;
    for (pid, listed) in &before {
        let Some(later) = after
            .get(pid)
            .filter(|later| later.start_ticks == listed.start_ticks)
        else {
            continue;
        };
        let row = rows
            .get(pid)
            .unwrap_or_else(|| panic!("pid {pid} is missing: {listed:?}"));
        assert_eq!(
            number(row, "start_time_ns") / TICK_NS,
            listed.start_ticks,
            "{row}"
        );
        if listed == later {
            compared += 1;
            assert_eq!(row["ppid"].as_u64().unwrap_or(0), listed.ppid, "{row}");
            // /proc tells kernel threads' names beyond the 15 bytes that they have, and what kworkers do.
            let (comm, listed_comm) = (text(row, "comm"), String::from_utf8_lossy(&listed.comm));
            let is_kernel_thread = *pid == 2 || listed.ppid == 2;
            assert!(
                comm == listed_comm || is_kernel_thread && listed_comm.starts_with(comm),
                "{comm} is {listed_comm}"
            );
            // Our own threads come and go with what reads procwatch's output.
            if *pid != u64::from(std::process::id()) {
                assert_eq!(number(row, "threads"), listed.threads, "{row}");
            }
            assert_eq!(number(row, "uid"), listed.uid, "{row}");
            assert_eq!(row["state"] == "zombie", listed.is_zombie, "{row}");
        }
    }
    for (pid, row) in &rows {
        assert!(
            before.contains_key(pid)
                || after.contains_key(pid)
                || number(row, "start_time_ns") + TICK_NS >= begun_ns,
            "no such process: {row}"
        );
    }
    assert!(rows.contains_key(&1), "pid 1 is there");
    assert!(rows.contains_key(&2), "kernel threads are there");
    assert_eq!(text(rows[&zombie.pid], "state"), "zombie");
    assert_eq!(rows[&zombie.pid]["exit_code"], 23, "{}", rows[&zombie.pid]);
    assert_eq!(text(rows[&stopped.pid], "state"), "stopped");
    for group in ["identity", "cpu", "memory", "io"] {
        assert_eq!(text(&snapshot["sources"], group), source);
    }
    assert_eq!(
        number(&snapshot, "process_count"),
        array(&snapshot, "processes").len() as u64
    );
    figure(&format!(
        "living set ({source}): {} rows, {compared} compared field by field",
        rows.len()
    ));
}

#[test]
fn the_living_are_those_of_proc() {
    if has_ebpf() {
        check(&["--interval", "200ms"], "ebpf");
    }
}

#[test]
fn the_living_are_those_of_proc_without_ebpf() {
    check(&["--interval", "200ms", "--no-ebpf"], "procfs");
}

/// A child that neither runs nor goes away.
struct Resting {
    child: std::process::Child,
    pid: u64,
}

impl Resting {
    fn start(arguments: &[&str]) -> Self {
        let child = procwatch_tests::workload::start(crate::WORKLOAD, arguments);
        let pid = u64::from(child.id());
        Self { child, pid }
    }

    fn zombie() -> Self {
        let resting = Self::start(&["exit", "23"]);
        resting.wait_for("Z");
        resting
    }

    fn stopped() -> Self {
        let resting = Self::start(&["linger", "stopped"]);
        // SAFETY: has no preconditions; the child is ours and not reaped.
        unsafe { libc::kill(resting.child.id().cast_signed(), libc::SIGSTOP) };
        resting.wait_for("T");
        resting
    }

    fn wait_for(&self, state: &str) {
        let path = format!("/proc/{}/stat", self.pid);
        procwatch_tests::wait::until(state, procwatch_tests::wait::PATIENCE, || {
            let stat = std::fs::read_to_string(&path).ok()?;
            stat.rsplit_once(") ")?.1.starts_with(state).then_some(())
        });
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
