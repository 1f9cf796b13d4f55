//! A host of processes as servers have them: noisy, bursty, with jobs that come and go, and nothing wrong.

use std::sync::Arc;

use procwatch::model::{
    event::{Event, EventKind},
    facts::Facts,
    identity::{ProcessId, WaitStatus},
    sample::{
        Ending, HostCpu, HostSample, Losses, MemoryKinds, ProcessSample, Sample, Source,
        SourceState, Sources, State, TotalsAt,
    },
    shed::Shed,
    totals::{Counter, Totals},
};

use super::families::Chance;

pub const SECOND: u64 = 1_000_000_000;
pub const MIB: f64 = 1_048_576.0;
const EPOCH: u64 = 1_790_000_000 * SECOND;
const BOOT: u64 = 10_000 * SECOND;
pub const MEMORY: u64 = 8 << 30;

/// What a process does in a second.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// Percent of one core.
    pub cpu_pct: f64,
    pub wait_pct: f64,
    pub memory: f64,
    pub read: f64,
    pub write: f64,
    pub threads: u32,
}

impl Deed {
    pub const fn of(cpu_pct: f64, memory: f64) -> Self {
        Self {
            cpu_pct,
            wait_pct: 0.5,
            memory,
            read: 0.0,
            write: 0.0,
            threads: 4,
        }
    }
}

type Does = Box<dyn FnMut(u64, &mut Chance) -> Option<Deed>>;

pub struct Actor {
    sample: ProcessSample,
    does: Does,
}

pub struct Host {
    pub chance: Chance,
    actors: Vec<Actor>,
    sample: Sample,
    second: u64,
    next_pid: u32,
    gone: Vec<ProcessSample>,
    pub events: Vec<Event>,
}

pub fn process(pid: u32, start_time_ns: u64, name: &str) -> ProcessSample {
    ProcessSample {
        id: ProcessId::new(pid, start_time_ns),
        parent: (pid > 1).then_some(ProcessId::new(1, 1)),
        facts: Arc::new(Facts {
            comm: name.chars().take(15).collect::<String>().into(),
            exe: Some(format!("/usr/bin/{name}").into()),
            argv: Some(format!("{name}\0--serve\0").into()),
            uid: Some(1000),
            cgroup: Some(format!("/system.slice/{name}.service").into()),
            ..Facts::default()
        }),
        totals: Totals::ZERO,
        rss_bytes: Some(8 << 20),
        peak_rss_bytes: Some(8 << 20),
        memory: Some(MemoryKinds {
            anon_bytes: 4 << 20,
            file_bytes: 4 << 20,
            shmem_bytes: 0,
            swap_bytes: 0,
        }),
        pss_bytes: None,
        threads: Some(4),
        state: State::Sleeping,
        source: Source::Ebpf,
        predates_collection: false,
        flows_since_ns: Some(start_time_ns),
    }
}

pub fn sample() -> Sample {
    Sample {
        time_ns: EPOCH,
        boot_time_ns: BOOT,
        began_ns: BOOT,
        host: HostSample {
            cpu: Some(HostCpu {
                cpus: 8,
                awake_ns: BOOT,
                idle_ns: 0,
                steal_ns: 0,
            }),
            memory_total_bytes: Some(MEMORY),
            memory_available_bytes: Some(MEMORY / 2),
            ..HostSample::default()
        },
        cores: Vec::new(),
        devices: Vec::new(),
        interfaces: Vec::new(),
        processes: Vec::new(),
        nameless: Totals::ZERO,
        loss: Losses::default(),
        sources: Sources::all(&SourceState::From(Source::Ebpf)),
        shed: Shed::NOTHING,
    }
}

impl Host {
    /// Two hundred processes of a dozen kinds.
    pub fn noisy(seed: u64) -> Self {
        let mut host = Self {
            chance: Chance(seed * 7919 + 17),
            actors: Vec::new(),
            sample: sample(),
            second: 0,
            next_pid: 100,
            gone: Vec::new(),
            events: Vec::new(),
        };
        for _ in 0..120 {
            let idle = host.chance.uniform() * 0.3;
            host.add("worker", move |_, chance| {
                Some(Deed::of(
                    idle * chance.uniform(),
                    20.0 * MIB + 0.2 * MIB * chance.normal(),
                ))
            });
        }
        for _ in 0..20 {
            // Requests, with bursts of a few seconds.
            let mut burst = 0_u64;
            host.add("nginx", move |_, chance| {
                if chance.uniform() < 0.004 {
                    burst = 2 + (chance.uniform() * 6.0) as u64;
                }
                burst = burst.saturating_sub(1);
                let level = if burst > 0 { 40.0 } else { 4.0 };
                Some(Deed::of(
                    level * (0.5 * chance.normal()).exp(),
                    60.0 * MIB + MIB * chance.normal(),
                ))
            });
        }
        for number in 0..6_u64 {
            // Heaps with collections of different length.
            let period = 40 + 37 * number;
            host.add("java", move |second, chance| {
                let filled = (second % period) as f64 / period as f64;
                Some(Deed::of(
                    12.0 * (0.4 * chance.normal()).exp()
                        + if second % period < 2 { 60.0 } else { 0.0 },
                    400.0 * MIB + 300.0 * MIB * filled + 4.0 * MIB * chance.normal(),
                ))
            });
        }
        for _ in 0..8 {
            // A cache that fills within minutes, and is full.
            host.add("redis-server", move |second, chance| {
                let full = 1.0 - (-(second as f64) / 200.0).exp();
                Some(Deed::of(
                    6.0 * (0.3 * chance.normal()).exp(),
                    30.0 * MIB + 150.0 * MIB * full,
                ))
            });
        }
        for number in 0..10_u64 {
            // A checkpoint every five minutes.
            host.add("postgres", move |second, chance| {
                let is_writing = (second + 29 * number) % 300 < 20;
                Some(Deed {
                    read: 2.0 * MIB * (0.8 * chance.normal()).exp(),
                    write: if is_writing { 60.0 * MIB } else { 0.3 * MIB }
                        * (0.3 * chance.normal()).exp(),
                    ..Deed::of(
                        9.0 * (0.5 * chance.normal()).exp(),
                        200.0 * MIB + MIB * chance.normal(),
                    )
                })
            });
        }
        // A job every ten minutes, and one that goes on for minutes once in a while.
        host.add("backup", |second, chance| {
            (second % 600 < 45).then(|| Deed {
                read: 80.0 * MIB * (0.2 * chance.normal()).exp(),
                ..Deed::of(85.0 + 5.0 * chance.normal(), 90.0 * MIB)
            })
        });
        for number in 0..4_u64 {
            host.add("cc1plus", move |second, chance| {
                let at = (second + 211 * number) % 500;
                (at < 30).then(|| Deed::of(97.0 + chance.normal(), (20.0 + 12.0 * at as f64) * MIB))
            });
        }
        // Threads and memory that grow to what they were set to.
        host.add("pool", |second, chance| {
            let threads = 8 + (second / 20).min(56) as u32;
            Some(Deed {
                threads,
                ..Deed::of(20.0 * (0.4 * chance.normal()).exp(), 100.0 * MIB)
            })
        });
        host
    }

    pub fn add(
        &mut self,
        name: &str,
        does: impl FnMut(u64, &mut Chance) -> Option<Deed> + 'static,
    ) {
        self.next_pid += 1;
        let start_ns = self.sample.boot_time_ns.saturating_sub(SECOND / 2);
        self.actors.push(Actor {
            sample: process(self.next_pid, start_ns, name),
            does: Box::new(does),
        });
    }

    /// Lives and ends within this second.
    pub fn lives_shortly(&mut self, name: &str, millis: u64, code: u32, parent: u32) {
        self.next_pid += 1;
        let start_ns = self.sample.boot_time_ns + SECOND / 3;
        let mut process = process(self.next_pid, start_ns, name);
        process.parent = Some(ProcessId::new(parent, 1));
        process
            .totals
            .set(Counter::CpuTime, millis.min(50) * 700_000);
        process.state = State::Exited(Ending {
            time_ns: Some(start_ns + millis * 1_000_000),
            status: Some(WaitStatus(code << 8)),
            totals: TotalsAt::Final,
        });
        (process.rss_bytes, process.memory) = (None, None);
        let event = |kind| Event {
            kind,
            time_ns: Some(start_ns),
            id: process.id,
            parent: process.parent,
            facts: Arc::clone(&process.facts),
            source: Source::Ebpf,
        };
        self.events.push(event(EventKind::Fork));
        self.events.push(event(EventKind::Exec));
        self.events
            .push(event(EventKind::Exit(Box::new(process.clone()))));
        self.gone.push(process);
    }

    /// The usual helpers of scripts, some of which say no.
    pub fn helpers(&mut self) {
        for name in ["grep", "sed", "cat", "test", "date"] {
            if self.chance.uniform() < 0.3 {
                let code = u32::from(self.chance.uniform() < 0.4);
                let parent = 50 + (self.chance.uniform() * 5.0) as u32;
                self.lives_shortly(name, 2, code, parent);
            }
        }
    }

    /// A second later.
    pub fn step(&mut self) -> Sample {
        let sample = &mut self.sample;
        sample.time_ns += SECOND;
        sample.boot_time_ns += SECOND;
        sample.began_ns = sample.boot_time_ns;
        let (mut processes, mut busy) = (Vec::with_capacity(self.actors.len() + 10), 0.0);
        let mut used = 0.0;
        for actor in &mut self.actors {
            let Some(deed) = (actor.does)(self.second, &mut self.chance) else {
                // Whoever comes back is another process.
                self.next_pid += 1;
                let name = actor.sample.facts.comm.to_string();
                let next = process(self.next_pid, sample.boot_time_ns + SECOND / 2, &name);
                actor.sample = next;
                continue;
            };
            let process = &mut actor.sample;
            let mut add = |counter, amount: f64| {
                let before = process.totals.get(counter).unwrap_or(0);
                process.totals.set(counter, before + amount.max(0.0) as u64);
            };
            add(Counter::CpuTime, deed.cpu_pct * 1e7);
            add(Counter::RunQueueWait, deed.wait_pct * 1e7);
            add(Counter::Read, deed.read);
            add(Counter::Write, deed.write);
            busy += deed.cpu_pct * 1e7;
            let anonymous = deed.memory.max(0.0) as u64;
            used += deed.memory.max(0.0);
            process.rss_bytes = Some(anonymous + (4 << 20));
            process.memory = process.memory.map(|memory| MemoryKinds {
                anon_bytes: anonymous,
                ..memory
            });
            process.threads = Some(deed.threads);
            processes.push(process.clone());
        }
        processes.append(&mut self.gone);
        processes.sort_by_key(|process| process.id);
        if let Some(cpu) = &mut sample.host.cpu {
            cpu.awake_ns += SECOND;
            cpu.idle_ns += (8 * SECOND).saturating_sub(busy as u64);
        }
        sample.host.memory_available_bytes =
            Some((2 * MEMORY).saturating_sub(used as u64).min(MEMORY));
        sample.processes = processes;
        self.second += 1;
        sample.clone()
    }
}
