//! What the benches share: children that end with us, CPU time by the scheduler's count, medians.

#![allow(dead_code, reason = "each bench uses its part")]

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The program under test.
pub fn procwatch() -> String {
    std::env::var("PROCWATCH_BIN")
        .unwrap_or_else(|_| format!("{}/../target/release/procwatch", env!("CARGO_MANIFEST_DIR")))
}

/// `--quick` was asked for: figures that show that the bench works, no more.
pub fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// A command that is killed when this bench ends, however it ends.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // SAFETY: prctl is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command
}

/// A running program that is ended by SIGINT, and then by force.
pub struct Running(pub Child);

impl Running {
    pub fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    /// Starts procwatch and waits until it says that it is ready.
    pub fn ready(arguments: &[&str], stdout: Stdio) -> Self {
        let mut command = command(&procwatch(), arguments);
        let mut child = command
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("procwatch starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("stderr is text");
        assert!(line.starts_with("ready"), "procwatch is not ready: {line}");
        // Whoever writes to a pipe without a reader is told so; this one is to write on.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self(child)
    }

    /// Starts a program on a terminal of 80 by 24 that nobody looks at.
    pub fn on_terminal(program: &str, arguments: &[&str]) -> Self {
        let (mut master, mut slave) = (0, 0);
        let size = libc::winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: valid pointers; name and attributes may be null.
        let error = unsafe {
            libc::openpty(
                &raw mut master,
                &raw mut slave,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                (&raw const size).cast_mut(),
            )
        };
        assert_eq!(error, 0, "a terminal");
        let open = |fd| {
            // SAFETY: openpty has just made them, and each is taken once.
            unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(fd) }
        };
        let (mut master, slave) = (open(master), open(slave));
        assert!(master.as_raw_fd() >= 0);
        let mut command = command(program, arguments);
        command
            .env("TERM", "xterm")
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(slave);
        let running = Self::start(command);
        std::thread::spawn(move || std::io::copy(&mut master, &mut std::io::sink()));
        running
    }

    pub fn cpu_ns(&self) -> u64 {
        cpu_ns(self.0.id())
    }

    /// Resident memory now and at its highest, in kB.
    pub fn memory_kb(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))
            .expect("the program runs");
        let field = |name: &str| {
            let line = status
                .lines()
                .find(|line| line.starts_with(name))
                .expect("a field");
            line.split_ascii_whitespace()
                .nth(1)
                .and_then(|kb| kb.parse().ok())
                .expect("a number")
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// CPU of this program over a span, in percent of a core.
    pub fn share_pct(&self, span: Duration) -> f64 {
        let (before, start) = (self.cpu_ns(), Instant::now());
        std::thread::sleep(span);
        (self.cpu_ns() - before) as f64 * 100.0 / start.elapsed().as_nanos() as f64
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: our own child, which has not been waited for.
        unsafe { libc::kill(self.0.id() as i32, libc::SIGINT) };
        let deadline = Instant::now() + Duration::from_secs(12);
        while Instant::now() < deadline {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nanoseconds on a CPU of all of a process's threads, by the scheduler's count.
pub fn cpu_ns(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the program runs");
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// Sleeping processes, of one thread each.
pub struct Sleepers(Vec<i32>);

impl Sleepers {
    pub fn start(count: usize) -> Self {
        let mut pids = Vec::with_capacity(count);
        for _ in 0..count {
            // SAFETY: the child only calls async-signal-safe functions; this process has one thread
            // when it forks.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: as above.
                unsafe {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    loop {
                        libc::pause();
                    }
                }
            }
            assert!(pid > 0, "a process could be forked");
            pids.push(pid);
        }
        Self(pids)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for pid in &self.0 {
            // SAFETY: our own children, none waited for yet.
            unsafe {
                libc::kill(*pid, libc::SIGKILL);
                libc::waitpid(*pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// The median, and half the distance between the quartiles.
pub fn median(values: &[f64]) -> (f64, f64) {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    (at(0.5), (at(0.75) - at(0.25)) / 2.0)
}

/// Where a program is, by the usual directories.
pub fn find(program: &str) -> Option<String> {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .iter()
        .map(|directory| format!("{directory}/{program}"))
        .find(|path| std::path::Path::new(path).exists())
}

/// The machine, in a line.
pub fn print_machine() {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    println!("Linux {}, {cpus} CPUs", kernel.trim());
}
