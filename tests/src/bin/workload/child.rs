//! Children, and what wait4 tells of them.

use std::{ffi::CString, time::Duration};

use serde_json::{Value, json};

/// What wait4 told.
pub struct Ended {
    pub pid: i32,
    pub status: i32,
    pub usage: libc::rusage,
    /// `CLOCK_BOOTTIME` when wait4 came back.
    pub reaped_ns: u64,
}

impl Ended {
    pub fn json(&self) -> Value {
        json!({
            "pid": self.pid,
            "status": self.status,
            "exit_code": libc::WIFEXITED(self.status).then(|| libc::WEXITSTATUS(self.status)),
            "exit_signal": libc::WIFSIGNALED(self.status).then(|| libc::WTERMSIG(self.status)),
            "core_dumped": libc::WIFSIGNALED(self.status) && libc::WCOREDUMP(self.status),
            "usage": usage(&self.usage),
            "reaped_ns": self.reaped_ns,
        })
    }
}

/// Of getrusage and wait4, in the units of procwatch.
pub fn usage(usage: &libc::rusage) -> Value {
    let nanoseconds = |time: libc::timeval| {
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1000
    };
    json!({
        "cpu_time_ns": nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime),
        "peak_rss_bytes": usage.ru_maxrss.unsigned_abs() * 1024,
        "minor_faults": usage.ru_minflt,
        "major_faults": usage.ru_majflt,
        "voluntary_switches": usage.ru_nvcsw,
        "involuntary_switches": usage.ru_nivcsw,
    })
}

/// What all reaped children have used.
pub fn usage_of_children() -> Value {
    usage_of(libc::RUSAGE_CHILDREN)
}

/// What this process has used.
pub fn usage_of_self() -> Value {
    usage_of(libc::RUSAGE_SELF)
}

fn usage_of(whom: libc::c_int) -> Value {
    // SAFETY: rusage is plain data, for which zero is a value.
    let mut told: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to an rusage of ours.
    unsafe { libc::getrusage(whom, &raw mut told) };
    usage(&told)
}

/// Forks; the child runs `work` and ends with the code that it returns.
pub fn fork(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this program has one thread when it forks.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        let code = work();
        // SAFETY: ends this process.
        unsafe { libc::_exit(code) };
    }
    pid
}

/// Reaps one child.
pub fn wait(pid: i32) -> Ended {
    let mut status = 0;
    // SAFETY: rusage is plain data, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to objects of ours.
        let ended = unsafe { libc::wait4(pid, &raw mut status, libc::__WALL, &raw mut usage) };
        if ended > 0 {
            return Ended {
                pid: ended,
                status,
                usage,
                reaped_ns: crate::clock::boot_ns(),
            };
        }
        let error = std::io::Error::last_os_error();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::Interrupted,
            "wait4 of {pid}: {error}"
        );
    }
}

/// Replaces the program; only comes back to panic.
pub fn execute(program: &str, arguments: &[&str]) -> ! {
    let program = text(program);
    let arguments: Vec<CString> = arguments.iter().copied().map(text).collect();
    let mut pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: an array of pointers to NUL-ended texts that a null pointer ends.
    unsafe { libc::execv(program.as_ptr(), pointers.as_ptr()) };
    panic!("exec of {program:?}: {}", std::io::Error::last_os_error());
}

/// Starts a program with posix_spawn(3), that is with CLONE_VFORK and CLONE_VM.
pub fn spawn(program: &CString, arguments: &[CString]) -> i32 {
    let mut pointers: Vec<_> = arguments
        .iter()
        .map(|argument| argument.as_ptr().cast_mut())
        .collect();
    pointers.push(std::ptr::null_mut());
    let environment = [std::ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: arrays of pointers to NUL-ended texts that a null pointer ends.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            pointers.as_ptr(),
            environment.as_ptr(),
        )
    };
    assert_eq!(error, 0, "posix_spawn of {program:?}");
    pid
}

pub fn text(text: &str) -> CString {
    CString::new(text).expect("no NUL in it")
}

pub fn own_program() -> String {
    std::env::current_exe()
        .expect("our own path")
        .to_string_lossy()
        .into_owned()
}

/// Asks until it is true, for ten seconds.
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(
            std::time::Instant::now() < deadline,
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Numbers that parent and child share, so that telling them moves no counter.
pub struct Shared(&'static [std::sync::atomic::AtomicU64]);

impl Shared {
    pub fn new(count: usize) -> Self {
        let bytes = count * 8;
        // SAFETY: a new mapping, which stays for as long as this program runs.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(memory, libc::MAP_FAILED, "mmap");
        // SAFETY: zeroed, aligned to a page, and of that length.
        Self(unsafe { std::slice::from_raw_parts(memory.cast(), count) })
    }

    pub fn set(&self, slot: usize, value: u64) {
        self.0[slot].store(value, std::sync::atomic::Ordering::SeqCst);
    }

    pub fn add(&self, slot: usize, value: u64) {
        self.0[slot].fetch_add(value, std::sync::atomic::Ordering::SeqCst);
    }

    pub fn get(&self, slot: usize) -> u64 {
        self.0[slot].load(std::sync::atomic::Ordering::SeqCst)
    }
}
