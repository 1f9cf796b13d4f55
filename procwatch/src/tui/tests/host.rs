//! A host made up for frames: two CPUs, a few processes, three seconds of history.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use crate::{
    collector::{Answer, Now},
    model::{
        connection::{Connection, Direction, Protocol, SocketState},
        device::{Bucket, DeviceNumber, DeviceSample, DirectionSample, Histogram},
        event::{Event, EventKind},
        field::fixture::{Fixture, ended, sample_of},
        identity::ProcessId,
        inspection::{Inspection, OpenFile, ThreadLine},
        observation::Comm,
        sample::{
            CoreSample, HostCpu, HostSample, InterfaceSample, Pressure, Sample, Source, State,
            TotalsAt,
        },
        totals::{Counter, Totals},
    },
    tui::Data,
};

const SECOND: u64 = 1_000_000_000;
/// When the last sample was taken, since boot.
const NOW_NS: u64 = 5_000 * SECOND;
/// 2026-11-23 12:00:00 UTC.
const WALL_NS: u64 = 1_795_435_200 * SECOND;

struct Spec {
    pid: u32,
    parent: u32,
    argv: &'static str,
    user: &'static str,
    cgroup: &'static str,
    /// Milliseconds of CPU a second.
    cpu_ms: u64,
    wait_ms: u64,
    rss_mib: u64,
    read_kib: u64,
    received_kib: u64,
}

const fn spec(
    pid: u32,
    parent: u32,
    argv: &'static str,
    user: &'static str,
    cgroup: &'static str,
) -> Spec {
    Spec {
        pid,
        parent,
        argv,
        user,
        cgroup,
        cpu_ms: 0,
        wait_ms: 0,
        rss_mib: 4,
        read_kib: 0,
        received_kib: 0,
    }
}

const NGINX: &str = "/system.slice/nginx.service";
const SPECS: &[Spec] = &[
    spec(1, 0, "/sbin/init", "root", "/init.scope"),
    spec(2, 0, "", "root", "/"),
    spec(17, 2, "", "root", "/"),
    Spec {
        rss_mib: 12,
        ..spec(
            310,
            1,
            "nginx: master process /usr/sbin/nginx",
            "root",
            NGINX,
        )
    },
    Spec {
        cpu_ms: 312,
        wait_ms: 45,
        rss_mib: 38,
        received_kib: 5_400,
        ..spec(311, 310, "nginx: worker process", "www-data", NGINX)
    },
    Spec {
        cpu_ms: 298,
        wait_ms: 12,
        rss_mib: 37,
        received_kib: 5_100,
        ..spec(312, 310, "nginx: worker process", "www-data", NGINX)
    },
    Spec {
        cpu_ms: 640,
        wait_ms: 210,
        rss_mib: 1_420,
        read_kib: 20_480,
        ..spec(
            400,
            1,
            "/usr/bin/postgres\0-D\0/var/lib/postgresql",
            "postgres",
            "/system.slice/postgresql.service",
        )
    },
    Spec {
        rss_mib: 210,
        ..spec(
            520,
            1,
            "/usr/bin/dockerd",
            "root",
            "/system.slice/docker.service",
        )
    },
    Spec {
        cpu_ms: 20,
        rss_mib: 96,
        ..spec(
            601,
            520,
            "node\0server.js\0--port\08080",
            "1000",
            "/docker/4f1c2ab7d9e0/app",
        )
    },
    Spec {
        rss_mib: 6,
        ..spec(900, 1, "sshd: alice [priv]", "root", "/user.slice")
    },
    Spec {
        rss_mib: 9,
        ..spec(901, 900, "-bash", "alice", "/user.slice")
    },
    Spec {
        cpu_ms: 1,
        rss_mib: 5,
        ..spec(
            950,
            901,
            "vim\0notes \u{1b}[31m.txt",
            "alice",
            "/user.slice",
        )
    },
];

/// The second of the last three, from 0, that a process is seen in.
fn fixtures(second: u64) -> Vec<Fixture> {
    let mut fixtures: Vec<_> = SPECS.iter().map(|spec| fixture(spec, second)).collect();
    if second >= 1 {
        // Lived between the first sample and the second.
        let mut brief = fixture(
            &Spec {
                cpu_ms: 2,
                ..spec(960, 901, "grep\0-r\0TODO\0.", "alice", "/user.slice")
            },
            0,
        );
        brief.process.id.start_time_ns = NOW_NS - 2 * SECOND + SECOND / 2;
        brief.process.state = State::Exited(ended(
            Some(NOW_NS - SECOND - 1),
            Some(1 << 8),
            TotalsAt::Final,
        ));
        brief.process.rss_bytes = None;
        if second == 1 {
            fixtures.push(brief);
        }
    }
    fixtures
}

fn fixture(spec: &Spec, second: u64) -> Fixture {
    let mut fixture = Fixture::new(spec.pid, "");
    let name = spec.argv.split(['\0', ' ', ':']).next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    fixture.facts(|facts| {
        facts.comm = if name.is_empty() { "kworker/0:1" } else { name }.into();
        facts.argv = (!spec.argv.is_empty()).then(|| format!("{}\0", spec.argv).into());
        facts.exe = (!spec.argv.is_empty()).then(|| format!("/usr/bin/{name}").into());
        facts.is_kernel_thread = spec.argv.is_empty();
        facts.uid = Some(1000);
        facts.user = spec.user.parse::<u32>().is_err().then(|| spec.user.into());
        facts.cgroup = Some(spec.cgroup.into());
        facts.container = spec
            .cgroup
            .starts_with("/docker/")
            .then(|| "4f1c2ab7d9e0".into());
    });
    let process = &mut fixture.process;
    process.id.start_time_ns = u64::from(spec.pid) * SECOND;
    let parent_start = u64::from(spec.parent) * SECOND;
    process.parent = (spec.parent > 0).then(|| ProcessId::new(spec.parent, parent_start));
    process.rss_bytes = Some(spec.rss_mib << 20);
    process.peak_rss_bytes = Some((spec.rss_mib + 3) << 20);
    process.state = if spec.cpu_ms > 500 {
        State::Running
    } else {
        State::Sleeping
    };
    let seconds = 100 + second;
    process.totals = Totals::ZERO
        .with(Counter::CpuTime, seconds * spec.cpu_ms * 1_000_000)
        .with(Counter::RunQueueWait, seconds * spec.wait_ms * 1_000_000)
        .with(Counter::Read, seconds * (spec.read_kib << 10))
        .with(Counter::NetReceived, seconds * (spec.received_kib << 10));
    fixture
}

fn sample(second: u64) -> Sample {
    let at_ns = NOW_NS - (3 - second) * SECOND;
    let part = |of_second: u64| of_second * (10 + second) / 10;
    let core = |number, user: u64, system: u64| CoreSample {
        number,
        user_ns: second * user * SECOND / 100,
        system_ns: second * system * SECOND / 100,
        idle_ns: second * (100 - user - system) * SECOND / 100,
        steal_ns: 0,
    };
    let moved = |bytes: u64| DirectionSample {
        bytes: second * bytes,
        requests: second * bytes / 65_536,
        latencies: Histogram(vec![Bucket {
            from_ns: 200_000,
            to_ns: 220_000,
            count: second * 40,
        }]),
        ..DirectionSample::default()
    };
    Sample {
        time_ns: WALL_NS - (3 - second) * SECOND,
        host: HostSample {
            cpu: Some(HostCpu {
                cpus: 2,
                awake_ns: at_ns,
                idle_ns: second * 720_000_000,
                steal_ns: 0,
            }),
            memory_total_bytes: Some(8 << 30),
            memory_available_bytes: Some(5 << 30),
            swap_total_bytes: Some(2 << 30),
            swap_free_bytes: Some(2 << 30),
            load: Some([1.25, 0.9, 0.7]),
            pressure: Pressure {
                cpu_pct: Some(12.5),
                memory_pct: Some(0.0),
                io_pct: Some(1.2),
            },
        },
        cores: vec![core(0, 70, 12), core(1, 30, 15)],
        devices: vec![DeviceSample {
            number: DeviceNumber {
                major: 254,
                minor: 0,
            },
            name: Some("vda".into()),
            read: moved(20 << 20),
            write: moved(1 << 20),
            attributed_bytes: second * (20 << 20),
            unattributed_bytes: second * (1 << 20),
        }],
        interfaces: vec![
            InterfaceSample {
                name: "lo".into(),
                sent_bytes: part(4096),
                received_bytes: part(4096),
            },
            InterfaceSample {
                name: "eth0".into(),
                sent_bytes: second * (300 << 10),
                received_bytes: second * (10 << 20),
            },
        ],
        ..sample_of(&fixtures(second), at_ns, |fixture| fixture.process.totals)
    }
}

fn connection(
    pid: u32,
    socket: u64,
    local: &str,
    remote: &str,
    direction: Direction,
) -> Connection {
    Connection {
        socket,
        owner: Some(ProcessId::new(pid, u64::from(pid) * SECOND)),
        comm: Comm::new(if pid == 901 { "curl" } else { "nginx" }),
        protocol: Protocol::Tcp,
        state: SocketState(1),
        direction: Some(direction),
        local: local.parse().unwrap(),
        remote: Some(remote.parse().unwrap()),
        network_namespace: 1,
        connecting_ns: None,
        opened_ns: Some(NOW_NS - 42 * SECOND),
        closed_ns: None,
        sent_bytes: socket << 20,
        received_bytes: 12_345,
        retransmits: Some(u32::from(socket == 2)),
        rtt_ns: Some(184_000),
        error: None,
    }
}

fn events() -> Vec<Event> {
    let fixtures = fixtures(1);
    let event = |pid: u32, kind: EventKind, ago_ms: u64| {
        let process = &fixtures
            .iter()
            .find(|one| one.process.id.pid == pid)
            .unwrap()
            .process;
        Event {
            kind,
            time_ns: Some(NOW_NS - ago_ms * 1_000_000),
            id: process.id,
            parent: process.parent,
            facts: Arc::clone(&process.facts),
            source: Source::Ebpf,
        }
    };
    let brief = fixtures.last().unwrap().process.clone();
    vec![
        event(960, EventKind::Fork, 1_503),
        event(960, EventKind::Exec, 1_501),
        event(960, EventKind::Exit(Box::new(brief)), 1_100),
        event(
            311,
            EventKind::Accept(Box::new(connection(
                311,
                1,
                "10.0.0.5:443",
                "10.0.0.9:50122",
                Direction::Incoming,
            ))),
            400,
        ),
    ]
}

pub fn data() -> Data {
    let now = Now {
        boot_ns: NOW_NS,
        wall_ns: WALL_NS,
    };
    let mut data = Data::new(Duration::from_secs(1), now, TimeZone::UTC);
    for second in 0..=3 {
        data.sample(Arc::new(sample(second)));
    }
    data.events(events(), now);
    data.answer(Answer::Connections(Ok(vec![
        connection(
            311,
            1,
            "10.0.0.5:443",
            "10.0.0.9:50122",
            Direction::Incoming,
        ),
        connection(
            312,
            2,
            "127.0.0.1:443",
            "127.0.0.1:50124",
            Direction::Incoming,
        ),
        connection(
            901,
            3,
            "127.0.0.1:50124",
            "127.0.0.1:443",
            Direction::Outgoing,
        ),
    ])));
    data.answer(Answer::Inspection(Box::new(Inspection {
        id: Some(ProcessId::new(400, 400 * SECOND)),
        working_directory: Some("/var/lib/postgresql".to_owned()),
        nice: Some(0),
        oom_score_adj: Some(-900),
        threads: vec![ThreadLine {
            tid: 400,
            comm: "postgres".to_owned(),
            state: 'R',
            cpu_time_ns: 64 * SECOND,
        }],
        files: vec![OpenFile {
            descriptor: 3,
            target: "/var/lib/postgresql/base\n/evil".to_owned(),
        }],
        files_open: 1,
        limits: vec![(
            "open files".to_owned(),
            "1024".to_owned(),
            "unlimited".to_owned(),
        )],
        environment: Some(vec!["LANG=C.UTF-8".to_owned()]),
        missing: None,
    })));
    data
}
