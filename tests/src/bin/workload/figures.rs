//! A process of many threads, and one that has to wait for the CPU.

use std::sync::{Arc, Barrier};

use serde_json::{Value, json};

use crate::{
    child::{Shared, fork, wait},
    clock::{boot_ns, spin_thread},
    threads::{Io, run_queue_wait_ns},
};

const THREADS: u64 = 8;

/// Eight threads that burn 20 ms each, touch memory, write, sleep and yield. Four end early, four when
/// the process does. Each tells at its end how long it has waited; the main thread adds up the I/O.
pub fn of_threads() -> Value {
    const WAIT: usize = 0;
    const WAIT_MAX: usize = 1;
    const WRITTEN: usize = 2;
    const LATE_TOLD: usize = 3;
    let shared: &'static Shared = Box::leak(Box::new(Shared::new(4)));
    let pid = fork(|| {
        let last = Arc::new(Barrier::new(THREADS as usize / 2 + 1));
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let last = Arc::clone(&last);
                std::thread::spawn(move || {
                    spin_thread(20_000_000);
                    let memory = vec![number as u8; 4 << 20];
                    std::hint::black_box(&memory);
                    std::fs::write("/dev/null", vec![0; 1000 * (number as usize + 1)])
                        .expect("writing to nowhere");
                    for _ in 0..50 {
                        std::thread::sleep(std::time::Duration::from_micros(100));
                        std::thread::yield_now();
                    }
                    shared.add(WAIT, run_queue_wait_ns());
                    // From here on it cannot wait longer than time goes by.
                    let told_ns = boot_ns();
                    if number >= THREADS / 2 {
                        shared.add(LATE_TOLD, told_ns);
                        last.wait();
                        loop {
                            std::thread::park();
                        }
                    }
                    told_ns
                })
            })
            .collect();
        for thread in threads.into_iter().take(THREADS as usize / 2) {
            let told_ns = thread.join().expect("a thread");
            shared.add(WAIT_MAX, boot_ns() - told_ns);
        }
        last.wait();
        shared.add(WAIT, run_queue_wait_ns());
        shared.add(LATE_TOLD, boot_ns());
        shared.set(WRITTEN, Io::read("/proc/self/io").get("wchar"));
        0
    });
    let ended = wait(pid);
    // The four late threads and the main one.
    let late_max_ns = 5 * ended.reaped_ns - shared.get(LATE_TOLD);
    json!({
        "ended": ended.json(),
        "run_queue_wait_ns": shared.get(WAIT),
        "wait_after_telling_max_ns": shared.get(WAIT_MAX) + late_max_ns,
        "logical_write_bytes": shared.get(WRITTEN),
    })
}

/// Five processes that burn CPU at once, on fewer CPUs: each tells at its end how long it has waited,
/// and when it looked.
pub fn contended(milliseconds: u64) -> Value {
    let shared: &'static Shared = Box::leak(Box::new(Shared::new(10)));
    let pids: Vec<_> = (0..5)
        .map(|number| {
            fork(|| {
                spin_thread(milliseconds * 1_000_000);
                shared.set(2 * number, run_queue_wait_ns());
                shared.set(2 * number + 1, boot_ns());
                0
            })
        })
        .collect();
    // Whoever ends first is reaped first.
    let mut ended: Vec<_> = pids.iter().map(|_| wait(-1)).collect();
    ended.sort_by_key(|ended| pids.iter().position(|pid| *pid == ended.pid));
    let mut ended: Vec<_> = ended.iter().map(crate::child::Ended::json).collect();
    for (number, ended) in ended.iter_mut().enumerate() {
        ended["run_queue_wait_ns"] = shared.get(2 * number).into();
        ended["told_ns"] = shared.get(2 * number + 1).into();
    }
    json!({"ended": ended})
}
