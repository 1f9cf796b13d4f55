//! How long devices take, against what fio measured from the outside.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use procwatch_tests::{
    finished::finish_telling,
    loop_device::{self, Backing, LoopDevice},
    procwatch::Running,
    record::number,
    skip::{figure, has_ebpf, program},
    top::device,
};
use serde_json::Value;

use crate::block::{MIB, json_in};

const FIO_S: u64 = 6;
/// fio and what it takes to start and end.
const INTERVAL_S: u64 = FIO_S + 4;
const ATTEMPTS: u32 = 3;
const ALLOWED: f64 = 0.10;

#[test]
fn percentiles_are_those_of_fio() {
    let (true, Some(fio)) = (has_ebpf(), program("fio")) else {
        return;
    };
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // On a disk: in memory the way through the system calls would be the greater part.
    loop_device::with(Backing::Disk(directory), 512 * MIB, |device| {
        let huge_pages = HugePages::reserve();
        let _awake = Awake::start();
        // What fio measures contains its own way to a CPU, and there are few of them.
        let mut best = f64::INFINITY;
        for attempt in 1..=ATTEMPTS {
            best = best.min(compare(&fio, device, huge_pages.as_ref(), attempt));
            if best <= ALLOWED {
                return;
            }
        }
        panic!("a percentile is {:.1} % off fio's at best", best * 100.0);
    });
}

/// Keeps every CPU from sleeping, with what runs only where nobody else wants to: where this is a virtual
/// machine, to wake up takes as long as a part of the I/O, and is nobody's latency.
struct Awake(Arc<AtomicBool>);

impl Awake {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cpus {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                let idle = libc::sched_param { sched_priority: 0 };
                // SAFETY: a plain system call on an object of its own.
                let error =
                    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const idle) };
                while error == 0 && !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(is_over)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More huge pages than there were, for a buffer that is in one piece: a mebibyte of it is one request,
/// beside which the way through the system calls is short.
struct HugePages {
    reserved_before: u64,
}

/// fio forks: the page that it prepared is copied.
const PAGES: u64 = 4;
const RESERVED: &str = "/proc/sys/vm/nr_hugepages";

impl HugePages {
    fn reserve() -> Option<Self> {
        let reserved = || std::fs::read_to_string(RESERVED).ok()?.trim().parse().ok();
        let reserved_before: u64 = reserved()?;
        let page = Self { reserved_before };
        std::fs::write(RESERVED, (reserved_before + PAGES).to_string()).ok()?;
        (reserved()? >= reserved_before + PAGES).then_some(page)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = std::fs::write(RESERVED, self.reserved_before.to_string());
    }
}

/// By how much the worst of the percentiles is off.
fn compare(
    fio: &Path,
    loop_device: &LoopDevice,
    huge_pages: Option<&HugePages>,
    attempt: u32,
) -> f64 {
    let interval = format!("{INTERVAL_S}s");
    let arguments = ["top", "--once", "--interval", &interval, "--format", "json"];
    let running = Running::ready(&arguments);
    let before = loop_device.statistics();
    let mut command = Command::new(fio);
    command
        .args(["--name=latency", "--direct=1", "--ioengine=psync"])
        .args(["--rw=randrw", "--numjobs=1", "--time_based"])
        .args(["--randrepeat=0", "--percentile_list=50:99"])
        .args(["--output-format=json", &format!("--runtime={FIO_S}")])
        .arg(format!("--filename={}", loop_device.path()))
        .args(match huge_pages {
            Some(_) => ["--bs=1M", "--iomem=mmaphuge"],
            None => ["--bs=512k", "--iomem=mmap"],
        });
    // SAFETY: a plain system call on an object of its own. Where it is refused, fio waits for its turn
    // after the device is done, and there are more attempts.
    unsafe {
        command.pre_exec(|| {
            let first = libc::sched_param { sched_priority: 1 };
            libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first);
            Ok(())
        });
    }
    let told = finish_telling(&mut command);
    let (_, told) = told.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let moved = loop_device.statistics().since(&before);
    let patience = Duration::from_secs(INTERVAL_S + 40);
    let snapshot = running.wait_for(patience).done().json_lines().remove(0);
    let entry = device(&snapshot["host"], loop_device.number()).expect("the device was in use");
    assert_eq!(
        number(entry, "attributed_bytes") + number(entry, "unattributed_bytes"),
        number(entry, "read_bytes") + number(entry, "write_bytes"),
        "{entry}"
    );
    assert_eq!(entry["unattributed_bytes"], 0, "fio issued it all: {entry}");
    // All of it but what may have been before the first sample.
    let seen = number(entry, "read_bytes") + number(entry, "write_bytes");
    assert!(
        seen <= moved.bytes() && seen >= moved.bytes() / 100 * 95,
        "{seen} of {} bytes are in the interval",
        moved.bytes()
    );
    let told = json_in(&told);
    let worst =
        ["read", "write"].map(|direction| worst_of(entry, &told["jobs"][0], direction, attempt));
    worst[0].max(worst[1])
}

fn worst_of(entry: &Value, job: &Value, direction: &str, attempt: u32) -> f64 {
    let ios = number(&job[direction], "total_ios");
    assert!(ios > 500, "{ios} are too few for a percentile");
    let mut worst: f64 = 0.0;
    for percentile in [50, 99] {
        let truths = &job[direction]["clat_ns"]["percentile"];
        let truth = number(truths, &format!("{percentile}.000000"));
        let name = format!("{direction}_latency_p{percentile}_ns");
        let measured = number(entry, &name);
        let off = measured as f64 / truth as f64 - 1.0;
        figure(&format!(
            "latency, attempt {attempt}: {name} {:.1} µs, by fio {:.1} µs ({:+.1} %), {ios} I/Os",
            measured as f64 / 1e3,
            truth as f64 / 1e3,
            off * 100.0
        ));
        worst = worst.max(off.abs());
    }
    worst
}
