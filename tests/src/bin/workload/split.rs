//! A thread that spends its time on one thing after another, and how long it was on each by its own clocks.

use std::{
    fs::File,
    io::Write as _,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::clock::{spin_thread, thread_cpu_ns};

/// A second asleep, half of one blocked on a pipe, a file that is forced out to the device, a third of a second for a
/// lock that another thread holds, and a second on the CPU.
pub fn of_time(directory: &str) -> Value {
    let slept_ns = elapsed_ns(|| thread::sleep(Duration::from_secs(1)));
    let piped_ns = on_a_pipe();
    let path = format!("{directory}/split");
    let mut file = File::create(&path).expect("a file");
    file.write_all(&vec![1; 128 << 20]).expect("writing");
    let cpu_before_ns = thread_cpu_ns();
    let synced_ns = elapsed_ns(|| file.sync_all().expect("the device"));
    // On the CPU it did not wait for the device.
    let synced_ns = synced_ns - (thread_cpu_ns() - cpu_before_ns);
    let locked_ns = on_a_lock();
    spin_thread(1_000_000_000);
    json!({
        "sleep_ns": slept_ns,
        "pipe_ns": piped_ns,
        "disk_ns": synced_ns,
        "lock_ns": locked_ns,
        "cpu_ns": thread_cpu_ns(),
    })
}

fn elapsed_ns(act: impl FnOnce()) -> u64 {
    let begun = Instant::now();
    act();
    begun.elapsed().as_nanos() as u64
}

fn on_a_pipe() -> u64 {
    let mut ends = [0; 2];
    // SAFETY: an array of two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both are open, and nobody else's.
    let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        File::from(write).write_all(b"x").expect("the pipe");
    });
    let mut byte = [0u8];
    let piped_ns = elapsed_ns(|| {
        // SAFETY: an open descriptor and a buffer of one byte.
        let taken = unsafe { libc::read(read.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
        assert_eq!(taken, 1);
    });
    writer.join().expect("the writer");
    piped_ns
}

fn on_a_lock() -> u64 {
    static LOCK: Mutex<()> = Mutex::new(());
    let (told, is_held) = mpsc::channel();
    let holder = thread::spawn(move || {
        let _held = LOCK.lock();
        told.send(()).expect("the other thread");
        thread::sleep(Duration::from_millis(300));
    });
    is_held.recv().expect("the holder");
    let locked_ns = elapsed_ns(|| drop(LOCK.lock()));
    holder.join().expect("the holder");
    locked_ns
}
