//! Processes made of files in a directory.

use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::*;

mod vanishing;

/// A line of stat.
#[derive(Clone, Copy)]
struct Line {
    comm: &'static str,
    state: char,
    ppid: u32,
    flags: u32,
    ticks: u64,
    threads: u32,
    start: u64,
    argv_address: u64,
    exit_code: u32,
}

const PROGRAM: Line = Line {
    comm: "name",
    state: 'S',
    ppid: 0,
    flags: 0,
    ticks: 0,
    threads: 1,
    start: 100,
    argv_address: 4096,
    exit_code: 0,
};

impl Line {
    fn text(&self, pid: u32) -> String {
        let Self {
            comm,
            state,
            ppid,
            flags,
            ticks,
            threads,
            start,
            argv_address,
            exit_code,
        } = self;
        format!(
            "{pid} ({comm}) {state} {ppid} 1 1 0 -1 {flags} 11 0 22 0 {ticks} 0 0 0 20 0 {threads} 0 \
             {start} 1000 25 {}{argv_address} 0 0 0 {exit_code}\n",
            "0 ".repeat(48 - 25),
        )
    }
}

struct Fake {
    directory: tempfile::TempDir,
    root: ProcRoot,
}

impl Fake {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = ProcRoot::new(directory.path()).unwrap();
        Self { directory, root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn stat(&self, pid: u32, line: Line) {
        self.write(&format!("{pid}/stat"), line.text(pid));
    }

    /// Reads a process that is there, without knowing it.
    fn sample(&mut self, pid: u32) -> ProcessSample {
        self.root
            .try_sample(pid, &mut OneUser, |_| None)
            .unwrap()
            .unwrap()
    }

    fn totals(&mut self, pid: u32, counters: &[Counter]) -> Vec<Option<u64>> {
        let sample = self.sample(pid);
        counters
            .iter()
            .map(|counter| sample.totals.get(*counter))
            .collect()
    }
}

#[test]
fn every_file_has_its_part() {
    let mut fake = Fake::new();
    fake.stat(
        7,
        Line {
            start: 90,
            ..PROGRAM
        },
    );
    fake.stat(
        42,
        Line {
            ppid: 7,
            ticks: 3,
            ..PROGRAM
        },
    );
    fake.write("42/schedstat", "31000000 500 9\n");
    fake.write(
        "42/io",
        "rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4\ncancelled_write_bytes: 5\n",
    );
    fake.write(
        "42/status",
        "Name:\tname\nUid:\t1000\t0\t0\t0\nVmHWM:\t  200 kB\nvoluntary_ctxt_switches:\t6\n\
         nonvoluntary_ctxt_switches:\t7\n",
    );
    fake.write("42/cmdline", "name\0-x");
    fake.write("42/cgroup", "0::/lxc.payload.web/x.service\n");
    std::os::unix::fs::symlink("/usr/bin/name (deleted)", fake.path("42/exe")).unwrap();
    let sample = fake.sample(42);
    let tick_ns = fake.root.tick_ns();
    assert_eq!(sample.id, ProcessId::new(42, 100 * tick_ns));
    assert_eq!(sample.parent, Some(ProcessId::new(7, 90 * tick_ns)));
    let expected = Totals::UNKNOWN
        .with(Counter::CpuTime, 31_000_000)
        .with(Counter::RunQueueWait, 500)
        .with(Counter::VoluntarySwitches, 6)
        .with(Counter::InvoluntarySwitches, 7)
        .with(Counter::MinorFaults, 11)
        .with(Counter::MajorFaults, 22)
        .with(Counter::Read, 3)
        .with(Counter::Write, 4)
        .with(Counter::CancelledWrite, 5)
        .with(Counter::LogicalRead, 1)
        .with(Counter::LogicalWrite, 2);
    assert_eq!(sample.totals, expected);
    assert_eq!(sample.rss_bytes, Some(25 * fake.root.page_size()));
    assert_eq!(sample.peak_rss_bytes, Some(200 * 1024));
    assert_eq!((sample.threads, sample.state), (Some(1), State::Sleeping));
    let facts = Facts {
        comm: "name".into(),
        exe: Some("/usr/bin/name (deleted)".into()),
        argv: Some("name\0-x\0".into()),
        argv_truncated: false,
        uid: Some(1000),
        user: Some("user".into()),
        cgroup: Some("/lxc.payload.web/x.service".into()),
        container: Some("web".into()),
        is_kernel_thread: false,
    };
    assert_eq!(*sample.facts, facts);
    let (start_ns, once) = fake.root.facts(42, &mut OneUser).unwrap();
    assert_eq!((start_ns, once), (100 * tick_ns, facts));
}

#[test]
fn what_is_gone_is_none_and_what_cannot_be_read_is_an_error() {
    let mut fake = Fake::new();
    let read = |fake: &mut Fake| fake.root.try_sample(42, &mut OneUser, |_| None);
    assert!(matches!(read(&mut fake), Ok(None)));
    fs::create_dir(fake.path("42")).unwrap();
    assert!(matches!(read(&mut fake), Ok(None)));
    fs::create_dir(fake.path("42/stat")).unwrap();
    let error = read(&mut fake).unwrap_err();
    assert!(
        matches!(&error, ProcError::Read { path, .. } if path.ends_with("42/stat")),
        "{error}"
    );
    assert!(fake.root.sample(42, &mut OneUser, |_| None).is_none());
    fs::remove_dir(fake.path("42/stat")).unwrap();
    for text in ["", "42 (x) S", "no stat at all"] {
        fake.write("42/stat", text);
        assert!(
            matches!(read(&mut fake), Err(ProcError::Format { .. })),
            "{text}"
        );
        assert_eq!(fake.root.start_time_ns(42), None);
        assert!(fake.root.facts(42, &mut OneUser).is_none());
    }
}

#[test]
fn what_is_not_told_is_unknown_and_not_zero() {
    let mut fake = Fake::new();
    fake.stat(
        42,
        Line {
            ticks: 11,
            ..PROGRAM
        },
    );
    fs::create_dir(fake.path("42/io")).unwrap();
    fake.write("42/schedstat", "0 0 0\n");
    fake.write("42/status", "Name:\tname\nUid:\t10");
    fake.write("42/cmdline", "");
    let sample = fake.sample(42);
    let expected = Totals::UNKNOWN
        .with(Counter::CpuTime, 11 * fake.root.tick_ns())
        .with(Counter::MinorFaults, 11)
        .with(Counter::MajorFaults, 22);
    assert_eq!(sample.totals, expected);
    assert_eq!((sample.parent, sample.peak_rss_bytes), (None, None));
    let expected = Facts {
        comm: "name".into(),
        uid: Some(10),
        ..Facts::default()
    };
    assert_eq!(*sample.facts, expected);
}

#[test]
fn a_kernel_thread_has_no_memory() {
    let mut fake = Fake::new();
    fake.stat(
        42,
        Line {
            comm: "kworker/0:1-events",
            flags: 0x0420_8060,
            state: 'I',
            ..PROGRAM
        },
    );
    let sample = fake.sample(42);
    assert!(sample.facts.is_kernel_thread);
    assert_eq!(
        (&*sample.facts.comm, sample.rss_bytes),
        ("kworker/0:1", None)
    );
    assert_eq!(sample.state, State::Sleeping);
}

#[test]
fn a_command_line_is_cut_at_what_a_record_holds() {
    let mut fake = Fake::new();
    fake.stat(42, PROGRAM);
    for (length, is_cut) in [(4096, false), (4097, true), (100_000, true)] {
        fake.write("42/cmdline", "x".repeat(length));
        let facts = fake.sample(42).facts;
        assert_eq!(
            (facts.argv.as_ref().unwrap().len(), facts.argv_truncated),
            (4097, is_cut)
        );
    }
}

#[test]
fn a_process_of_several_threads_tells_no_waits() {
    let counters = [
        Counter::RunQueueWait,
        Counter::VoluntarySwitches,
        Counter::CpuTime,
    ];
    let mut fake = Fake::new();
    fake.write("42/schedstat", "1000000000 500 9\n");
    fake.write("42/status", "voluntary_ctxt_switches:\t6\n");
    fake.stat(
        42,
        Line {
            threads: 2,
            ticks: 150,
            ..PROGRAM
        },
    );
    let ticks_ns = 150 * fake.root.tick_ns();
    assert_eq!(fake.totals(42, &counters), [None, None, Some(ticks_ns)]);
    // What the other had up is missing from the files of the one that is left.
    fake.stat(
        42,
        Line {
            ticks: 50,
            ..PROGRAM
        },
    );
    assert_eq!(
        fake.totals(42, &counters),
        [None, None, Some(1_000_000_000)]
    );
    // Another process with the same pid starts afresh.
    fake.stat(
        42,
        Line {
            ticks: 50,
            start: 200,
            ..PROGRAM
        },
    );
    assert_eq!(
        fake.totals(42, &counters),
        [Some(500), Some(6), Some(1_000_000_000)]
    );
    // More CPU time than the only thread's: there have been others.
    fake.stat(
        42,
        Line {
            ticks: 150,
            start: 300,
            ..PROGRAM
        },
    );
    assert_eq!(fake.totals(42, &counters), [None, None, Some(ticks_ns)]);
}

#[test]
fn what_has_not_run_is_not_read_again() {
    let mut fake = Fake::new();
    let read = |fake: &mut Fake| fake.totals(42, &[Counter::LogicalRead])[0];
    fake.stat(42, PROGRAM);
    fake.write("42/schedstat", "100 0 1\n");
    fake.write("42/io", "rchar: 1\n");
    assert_eq!(read(&mut fake), Some(1));
    fake.write("42/io", "rchar: 2\n");
    assert_eq!(read(&mut fake), Some(1));
    fake.stat(
        42,
        Line {
            state: 'R',
            ..PROGRAM
        },
    );
    assert_eq!(read(&mut fake), Some(2));
    fake.stat(42, PROGRAM);
    fake.write("42/schedstat", "101 0 1\n");
    fake.write("42/io", "rchar: 3\n");
    assert_eq!(read(&mut fake), Some(3));
    fake.write("42/io", "rchar: 4\n");
    fs::remove_file(fake.path("42/schedstat")).unwrap();
    assert_eq!(read(&mut fake), Some(4));
    fake.write("42/io", "rchar: 5\n");
    assert_eq!(read(&mut fake), Some(5));
}

#[test]
fn readings_of_what_is_gone_are_forgotten() {
    let mut fake = Fake::new();
    for pid in [1, 2] {
        fake.stat(pid, PROGRAM);
        fake.write(&format!("{pid}/schedstat"), "100 0 1\n");
        fake.write(&format!("{pid}/io"), "rchar: 1\n");
        fake.sample(pid);
    }
    fs::rename(fake.path("2"), fake.path("away")).unwrap();
    assert_eq!(fake.root.pids().unwrap(), [1]);
    fs::rename(fake.path("away"), fake.path("2")).unwrap();
    for pid in [1, 2] {
        fake.write(&format!("{pid}/io"), "rchar: 2\n");
    }
    assert_eq!(fake.totals(1, &[Counter::LogicalRead]), [Some(1)]);
    assert_eq!(fake.totals(2, &[Counter::LogicalRead]), [Some(2)]);
}

#[test]
fn a_main_thread_that_has_ended_is_no_zombie() {
    let mut fake = Fake::new();
    let leader = Line {
        state: 'Z',
        threads: 2,
        argv_address: 0,
        ..PROGRAM
    };
    fake.stat(42, leader);
    fake.write("42/task/42/stat", leader.text(42));
    fake.write(
        "42/task/43/stat",
        Line {
            state: 'D',
            comm: "worker",
            ..PROGRAM
        }
        .text(43),
    );
    fake.write("42/task/43/status", "Uid:\t1000\nVmHWM:\t200 kB\n");
    fake.write("42/task/43/cmdline", "name\0");
    fake.write("42/task/43/io", "rchar: 1\n");
    fake.write("42/io", "rchar: 5\n");
    let sample = fake.sample(42);
    assert_eq!(
        (sample.state, sample.threads),
        (State::Uninterruptible, Some(2))
    );
    assert_eq!(sample.rss_bytes, Some(25 * fake.root.page_size()));
    assert_eq!(sample.peak_rss_bytes, Some(200 * 1024));
    assert_eq!(sample.totals.get(Counter::LogicalRead), Some(5));
    assert_eq!(
        (&*sample.facts.comm, sample.facts.argv.as_deref()),
        ("name", Some("name\0"))
    );
    assert_eq!(sample.facts.uid, Some(1000));
}

#[test]
fn a_process_of_several_threads_has_not_ended_for_want_of_a_living_one() {
    let mut fake = Fake::new();
    fake.stat(
        42,
        Line {
            state: 'Z',
            threads: 2,
            argv_address: 0,
            ..PROGRAM
        },
    );
    let sample = fake.sample(42);
    assert_eq!((sample.state, sample.rss_bytes), (State::Sleeping, None));
}

#[test]
fn a_zombie_tells_its_status_to_who_may_know() {
    let mut fake = Fake::new();
    let status = |fake: &mut Fake, exit_code| {
        fake.stat(
            42,
            Line {
                state: 'Z',
                argv_address: 0,
                exit_code,
                ..PROGRAM
            },
        );
        let sample = fake.sample(42);
        assert_eq!(sample.rss_bytes, None);
        sample.state.ending().unwrap().status
    };
    assert_eq!(status(&mut fake, 0), None);
    assert_eq!(status(&mut fake, 9), Some(WaitStatus(9)));
    fake.write("42/io", "rchar: 0\n");
    assert_eq!(status(&mut fake, 0), Some(WaitStatus(0)));
}

#[test]
fn facts_are_read_again_when_a_process_has_changed() {
    let mut fake = Fake::new();
    let known: Arc<Facts> = Arc::new(Facts {
        comm: "name".into(),
        ..Facts::default()
    });
    let is_kept = |fake: &mut Fake, uid: &str, line: Line| {
        fake.stat(42, line);
        fake.write("42/status", format!("Uid:\t{uid}\n"));
        let known = Arc::clone(&known);
        let sample = fake
            .root
            .sample(42, &mut OneUser, |_| Some(Arc::clone(&known)))
            .unwrap();
        Arc::ptr_eq(&sample.facts, &known)
    };
    assert!(is_kept(&mut fake, "0", PROGRAM));
    assert!(is_kept(&mut fake, "0", PROGRAM));
    assert!(!is_kept(
        &mut fake,
        "0",
        Line {
            comm: "other",
            ..PROGRAM
        }
    ));
    assert!(is_kept(&mut fake, "0", PROGRAM));
    // An exec of a program with the same name.
    assert!(!is_kept(
        &mut fake,
        "0",
        Line {
            argv_address: 8192,
            ..PROGRAM
        }
    ));
    assert!(is_kept(
        &mut fake,
        "0",
        Line {
            argv_address: 8192,
            ..PROGRAM
        }
    ));
    assert!(!is_kept(
        &mut fake,
        "1000",
        Line {
            argv_address: 8192,
            ..PROGRAM
        }
    ));
    // On its way out it has no memory, and at its end no files: what is known stays.
    assert!(is_kept(
        &mut fake,
        "1000",
        Line {
            argv_address: 0,
            ..PROGRAM
        }
    ));
    assert!(is_kept(
        &mut fake,
        "",
        Line {
            state: 'Z',
            argv_address: 0,
            ..PROGRAM
        }
    ));
}

#[test]
fn a_parent_is_never_younger_than_its_child() {
    let mut fake = Fake::new();
    fake.stat(
        7,
        Line {
            start: 101,
            ..PROGRAM
        },
    );
    fake.stat(42, Line { ppid: 7, ..PROGRAM });
    assert_eq!(fake.sample(42).parent, None);
    fake.stat(
        7,
        Line {
            start: 100,
            ..PROGRAM
        },
    );
    fake.stat(
        42,
        Line {
            ppid: 7,
            start: 101,
            ..PROGRAM
        },
    );
    let parent = ProcessId::new(7, 100 * fake.root.tick_ns());
    assert_eq!(fake.sample(42).parent, Some(parent));
    // The pid is in other hands, and the child has not been handed on: stat would tell.
    fake.stat(
        7,
        Line {
            start: 500,
            ..PROGRAM
        },
    );
    assert_eq!(fake.sample(42).parent, Some(parent));
    fake.stat(
        1,
        Line {
            start: 1,
            ..PROGRAM
        },
    );
    fake.stat(
        42,
        Line {
            ppid: 1,
            start: 101,
            ..PROGRAM
        },
    );
    assert_eq!(
        fake.sample(42).parent,
        Some(ProcessId::new(1, fake.root.tick_ns()))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_files_are_a_process_or_not(
        files in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 6),
        is_stat_whole: bool,
        state in proptest::char::range('A', 'Z'),
        threads in 0_u32..3,
    ) {
        let mut fake = Fake::new();
        for (name, content) in ["stat", "status", "io", "schedstat", "cmdline", "cgroup"].iter().zip(files) {
            fake.write(&format!("42/{name}"), content);
        }
        if is_stat_whole {
            fake.stat(42, Line { state, threads, ..PROGRAM });
        }
        let read = fake.root.try_sample(42, &mut OneUser, |_| None);
        prop_assert_eq!(matches!(read, Ok(Some(_))), is_stat_whole);
    }
}
