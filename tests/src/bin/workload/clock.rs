//! Clocks, and burning time on them.

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

pub fn boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// Until the process has had this much CPU time since it began.
pub fn spin_process(nanoseconds: u64) {
    while read(libc::CLOCK_PROCESS_CPUTIME_ID) < nanoseconds {
        std::hint::spin_loop();
    }
}

/// What the calling thread has had of CPUs.
pub fn thread_cpu_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Until the calling thread has had this much more CPU time.
pub fn spin_thread(nanoseconds: u64) {
    let end = thread_cpu_ns() + nanoseconds;
    while thread_cpu_ns() < end {
        std::hint::spin_loop();
    }
}
