//! A day of a host with 1,000 processes: how fast it is written, how large it is, and how soon questions about it
//! are answered. What the host does is made up; the encoder, SQLite and the file are real.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use procwatch::{
    history::{History, Limits, Store},
    model::{
        facts::Facts,
        identity::{ProcessId, WaitStatus},
        sample::{
            Ending, HostCpu, HostSample, Losses, MemoryKinds, ProcessSample, Sample, Source,
            SourceState, Sources, State, TotalsAt,
        },
        shed::Shed,
        totals::{Counter, Totals},
    },
};

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_700_000_000 * SECOND;
const PROCESSES: u32 = 1_000;
/// Processes that live for less than a second, in each.
const SHORT_LIVED: u32 = 3;

fn main() {
    let is_quick = std::env::var_os("PROCWATCH_BENCH_QUICK").is_some();
    let hours = if is_quick { 2 } else { 24 };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("day.db");
    write(&path, hours);
    ask(&path, hours);
    sizes(directory.path());
}

/// Numbers that look random and are always the same (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

/// A host, second by second.
struct World {
    chance: Chance,
    sample: Sample,
    /// Of each process, one second in how many it does something.
    pace: Vec<u64>,
    next_pid: u32,
    program: Arc<Facts>,
}

impl World {
    /// `busy` processes do something in every second, the others once in a while.
    fn new(processes: u32, busy: u32) -> Self {
        let mut chance = Chance(7);
        let living = (1..=processes)
            .map(|pid| {
                process(
                    pid,
                    u64::from(pid) * 1_000_003,
                    format!("service-{}", pid % 97),
                )
            })
            .collect();
        let pace = (1..=processes)
            .map(|pid| {
                if pid <= busy {
                    1
                } else {
                    10 + chance.below(600)
                }
            })
            .collect();
        let source = SourceState::From(Source::Ebpf);
        Self {
            chance,
            pace,
            next_pid: processes,
            program: Arc::new(Facts {
                comm: "true".into(),
                exe: Some("/bin/true".into()),
                argv: Some("true\0".into()),
                ..Facts::default()
            }),
            sample: Sample {
                time_ns: EPOCH,
                boot_time_ns: 1_000 * SECOND,
                began_ns: 1_000 * SECOND - 900_000,
                host: HostSample {
                    cpu: Some(HostCpu {
                        cpus: 16,
                        awake_ns: 0,
                        idle_ns: 0,
                        steal_ns: 0,
                    }),
                    memory_total_bytes: Some(64 << 30),
                    ..HostSample::default()
                },
                cores: Vec::new(),
                devices: Vec::new(),
                interfaces: Vec::new(),
                processes: living,
                nameless: Totals::ZERO,
                loss: Losses::default(),
                sources: Sources::all(&source),
                shed: Shed::NOTHING,
            },
        }
    }

    fn step(&mut self, short_lived: u32) -> &Sample {
        let chance = &mut self.chance;
        let sample = &mut self.sample;
        sample.time_ns += SECOND + chance.below(2_000_000) - 1_000_000;
        sample.boot_time_ns += SECOND;
        sample.began_ns = sample.boot_time_ns - 800_000 - chance.below(100_000);
        sample.processes.retain(|process| !process.state.has_gone());
        if let Some(cpu) = &mut sample.host.cpu {
            cpu.awake_ns += SECOND;
            cpu.idle_ns += 14 * SECOND + chance.below(SECOND) / 10_000_000 * 10_000_000;
        }
        sample.host.memory_available_bytes = Some((40 << 30) + (chance.below(1 << 20) << 12));
        for (process, pace) in sample.processes.iter_mut().zip(&self.pace) {
            if chance.below(*pace) != 0 {
                continue;
            }
            let mut add = |counter, most| {
                let before = process.totals.get(counter).unwrap_or(0);
                process.totals.set(counter, before + chance.below(most));
            };
            add(Counter::CpuTime, 20_000_000);
            add(Counter::RunQueueWait, 300_000);
            add(Counter::VoluntarySwitches, 40);
            add(Counter::InvoluntarySwitches, 2);
            add(Counter::LogicalRead, 9_000);
            add(Counter::LogicalWrite, 3_000);
            add(Counter::NetReceived, 5_000);
            add(Counter::NetSent, 5_000);
            if process.id.pid % 5 == 0 {
                add(Counter::MinorFaults, 60);
                add(Counter::Write, 65_536);
                process.rss_bytes = Some((8 << 20) + (chance.below(2_000) << 12));
            }
        }
        for _ in 0..short_lived {
            self.next_pid += 1;
            let start_ns = sample.boot_time_ns - chance.below(SECOND / 2) - 3_000_000;
            let mut process = process(self.next_pid, start_ns, String::new());
            process.facts = Arc::clone(&self.program);
            process
                .totals
                .set(Counter::CpuTime, 600_000 + chance.below(400_000));
            process.totals.set(Counter::MinorFaults, 80);
            process.rss_bytes = None;
            process.state = State::Exited(Ending {
                time_ns: Some(start_ns + 1_200_000),
                status: Some(WaitStatus(0)),
                totals: TotalsAt::Final,
            });
            sample.processes.push(process);
        }
        sample.processes.sort_by_key(|process| process.id);
        sample
    }
}

fn process(pid: u32, start_time_ns: u64, name: String) -> ProcessSample {
    let exe = format!("/usr/lib/{name}/{name}");
    let argv = format!("{name}\0--instance\0{pid}\0--config\0/etc/{name}/main.conf\0");
    ProcessSample {
        id: ProcessId::new(pid, start_time_ns),
        parent: (pid > 1).then_some(ProcessId::new(1, 1_000_003)),
        facts: Arc::new(Facts {
            comm: name.into(),
            exe: Some(exe.into()),
            argv: Some(argv.into()),
            uid: Some(pid % 7),
            cgroup: Some("/system.slice/some.service".into()),
            ..Facts::default()
        }),
        totals: Totals::ZERO,
        rss_bytes: Some(8 << 20),
        peak_rss_bytes: Some(16 << 20),
        memory: Some(MemoryKinds {
            anon_bytes: 4 << 20,
            file_bytes: 4 << 20,
            shmem_bytes: 0,
            swap_bytes: 0,
        }),
        pss_bytes: None,
        threads: Some(3),
        state: State::Sleeping,
        source: Source::Ebpf,
        predates_collection: false,
        flows_since_ns: Some(start_time_ns),
    }
}

fn write(path: &Path, hours: u64) {
    let mut world = World::new(PROCESSES, 40);
    let mut store = Store::open(path, "made up", EPOCH, Limits::default()).expect("a recording");
    let mut spent = Duration::ZERO;
    let mut worst = Duration::ZERO;
    let seconds = hours * 3600;
    for _ in 0..seconds {
        let sample = world.step(SHORT_LIVED);
        let start = Instant::now();
        store.write(sample, Vec::new()).expect("room");
        let took = start.elapsed();
        spent += took;
        worst = worst.max(took);
    }
    let start = Instant::now();
    store.finish().expect("room");
    spent += start.elapsed();
    let bytes = std::fs::metadata(path).expect("the file").len();
    let written = seconds * u64::from(PROCESSES);
    println!(
        "{hours} h of {PROCESSES} processes, 40 of them always busy, {SHORT_LIVED} short-lived ones a second"
    );
    println!(
        "  written {:.0} × as fast as it happens; a sample takes {:.0} µs, the longest {:.1} ms",
        seconds as f64 / spent.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / seconds as f64,
        worst.as_secs_f64() * 1e3
    );
    println!(
        "  {:.1} MB: {:.3} bytes a process and sample",
        bytes as f64 / 1e6,
        bytes as f64 / written as f64
    );
}

/// The median and the worst of many answers, each to another question.
fn answers(what: &str, times: u64, mut ask: impl FnMut(u64)) {
    let mut took: Vec<_> = (0..times)
        .map(|time| {
            let start = Instant::now();
            ask(time);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!(
        "  {what}: median {:.1} ms, worst of {times} {:.1} ms",
        took[took.len() / 2],
        took[took.len() - 1]
    );
}

fn ask(path: &Path, hours: u64) {
    let mut chance = Chance(99);
    let open = || History::open(path).expect("a recording");
    answers(
        "top 10 by CPU of any hour, from opening the file",
        50,
        |_| {
            let from = EPOCH + chance.below(((hours - 1) * 3600 * SECOND).max(1));
            let mut history = open();
            let top = history.top(from, from + 3600 * SECOND, Counter::CpuTime, 10);
            assert_eq!(black_box(top.expect("an answer")).len(), 10);
        },
    );
    answers("one process's day, minute by minute", 50, |_| {
        let mut history = open();
        let key = 1 + chance.below(u64::from(PROCESSES));
        let curve = history.curve(
            Some(key),
            Counter::CpuTime,
            EPOCH,
            EPOCH + hours * 3600 * SECOND,
            hours * 60,
        );
        assert!(!black_box(curve.expect("an answer")).is_empty());
    });
    answers("the snapshot of any instant", 50, |_| {
        let mut history = open();
        let at = EPOCH + 2 * SECOND + chance.below((hours * 3600 - 4) * SECOND);
        let snapshot = history
            .snapshot_at(at)
            .expect("an answer")
            .expect("a snapshot");
        assert!(black_box(snapshot).processes().len() >= PROCESSES as usize);
    });
}

/// Ten minutes of other hosts.
fn sizes(directory: &Path) {
    for (what, processes, busy) in [
        ("2,000 mostly idle", 2_000, 10),
        ("2,000, of which 200 are always busy", 2_000, 200),
    ] {
        let path = directory.join(format!("{busy}.db"));
        let mut world = World::new(processes, busy);
        let mut store =
            Store::open(&path, "made up", EPOCH, Limits::default()).expect("a recording");
        for _ in 0..3600 {
            store.write(world.step(0), Vec::new()).expect("room");
        }
        store.finish().expect("room");
        let bytes = std::fs::metadata(&path).expect("the file").len();
        println!(
            "{what}, an hour: {:.3} bytes a process and sample",
            bytes as f64 / 3600.0 / f64::from(processes)
        );
    }
}
