//! What the benches share: children that end with us, CPU time by the scheduler's count, medians.

#![allow(dead_code, reason = "each bench uses its part")]

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use procwatch_tests::{procwatch::NOWHERE, terminal};

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
        // What is measured is not what the host's own recorder does.
        .env("PROCWATCH_SOCKET", NOWHERE)
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

/// Gives a command a tracefs of its own, which execsnoop cannot attach without. Where it is mounted
/// for all, or cannot be, nothing changes; [`Running::attached`] tells whether the tool came up.
pub fn with_own_tracefs(mut command: Command) -> Command {
    // SAFETY: plain system calls on constant strings, async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let (none, data) = (std::ptr::null(), std::ptr::null());
            // Only where the new namespace is private may anything be mounted: the host is not ours.
            if libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(
                    none,
                    c"/".as_ptr(),
                    none,
                    libc::MS_REC | libc::MS_PRIVATE,
                    data,
                ) == 0
            {
                let tracefs = c"tracefs".as_ptr();
                libc::mount(tracefs, c"/sys/kernel/tracing".as_ptr(), tracefs, 0, data);
            }
            Ok(())
        });
    }
    command
}

/// A running program that is ended by SIGINT, and then by force.
pub struct Running {
    child: Child,
    output: Arc<Output>,
}

/// What a reader of a program's terminal or pipe has counted.
#[derive(Default)]
pub struct Output {
    pub bytes: AtomicU64,
    pub lines: AtomicU64,
}

impl Output {
    fn drain(&self, mut source: impl std::io::Read) {
        let mut buffer = [0; 65_536];
        // A terminal whose last program has left reads as EIO: its end.
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            let lines = buffer[..length].iter().filter(|byte| **byte == b'\n');
            self.lines
                .fetch_add(lines.count() as u64, Ordering::Relaxed);
            self.bytes.fetch_add(length as u64, Ordering::Relaxed);
        }
    }

    fn drain_aside(source: impl std::io::Read + Send + 'static) -> Arc<Self> {
        let output = Arc::new(Self::default());
        let counter = Arc::clone(&output);
        std::thread::spawn(move || counter.drain(source));
        output
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        Self {
            child: command.spawn().expect("the program starts"),
            output: Arc::default(),
        }
    }

    /// The same, after long enough for a tool that says nothing when it has attached.
    pub fn attached(command: Command) -> Self {
        let mut running = Self::start(command);
        std::thread::sleep(Duration::from_secs(1));
        running.assert_alive();
        running
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
        let mut said = String::new();
        while !said
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("ready"))
        {
            let length = stderr.read_line(&mut said).expect("stderr is text");
            assert!(length > 0, "procwatch is not ready: {said}");
        }
        // Whoever writes to a pipe without a reader is told so; this one is to write on.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let stdout = child.stdout.take();
        Self {
            child,
            output: stdout.map(Output::drain_aside).unwrap_or_default(),
        }
    }

    /// Starts a program on a terminal of 80 by 24 that nobody looks at.
    pub fn on_terminal(program: &str, arguments: &[&str]) -> Self {
        let (master, slave) = terminal::open(80, 24);
        let mut command = command(program, arguments);
        command
            .env("TERM", "xterm")
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(slave);
        let mut running = Self::start(command);
        running.output = Output::drain_aside(master);
        running
    }

    /// A program that has died costs nothing: that is a broken measurement, not a good figure.
    ///
    /// # Panics
    /// When it has ended.
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("waiting for our own child");
        assert!(ended.is_none(), "what was measured has ended: {ended:?}");
    }

    /// Ends it as Ctrl-C does.
    ///
    /// # Panics
    /// When it had ended before, or does not end.
    pub fn stop(mut self) -> ExitStatus {
        self.assert_alive();
        self.interrupt();
        let ended = self.child.try_wait().expect("waiting for our own child");
        ended.expect("the program ends when interrupted")
    }

    fn interrupt(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // SAFETY: our own child, which has not been waited for.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
        let deadline = Instant::now() + Duration::from_secs(12);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lines that its terminal or pipe has carried so far.
    pub fn lines(&self) -> u64 {
        self.output.lines.load(Ordering::Relaxed)
    }

    /// Bytes that its terminal or pipe has carried so far.
    pub fn bytes(&self) -> u64 {
        self.output.bytes.load(Ordering::Relaxed)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn cpu_ns(&self) -> u64 {
        cpu_ns(self.child.id())
    }

    /// Resident memory now and at its highest, in kB.
    pub fn memory_kb(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
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
        self.interrupt();
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    let at = |share: f64| {
        let place = (values.len() - 1) as f64 * share;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        values[low] + (values[high] - values[low]) * place.fract()
    };
    (at(0.5), (at(0.75) - at(0.25)) / 2.0)
}

/// Where a program is, by the usual directories.
pub fn find(program: &str) -> Option<String> {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .iter()
        .map(|directory| format!("{directory}/{program}"))
        .find(|path| std::path::Path::new(path).exists())
}

/// A coin that differs from run to run, for the order in a round.
pub fn toss() -> bool {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(Instant::now()) & 1 == 1
}

/// The machine, the versions, and what else is attached: it would be in every figure, the bare too.
pub fn print_machine(peers: &[(&str, &str)]) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    println!("Linux {}, {cpus} CPUs, load {}", kernel.trim(), load.trim());
    println!("{}", version(&procwatch(), "--version"));
    for (peer, flag) in peers {
        match find(peer) {
            Some(path) => println!("{}", version(&path, flag)),
            None => println!("{peer} is absent"),
        }
    }
    for (pid, comm) in holders_of_bpf() {
        println!("WARNING: {comm} ({pid}) holds BPF programs: no figure here is of a bare machine");
    }
}

/// The first line in which a program tells its version.
fn version(program: &str, flag: &str) -> String {
    let mut command = command(program, &[flag]);
    let output = command
        .stdout(Stdio::piped())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().unwrap_or(program).to_owned()
}

/// Processes with an open BPF link, program or perf event: what may run at the hooks we measure.
fn holders_of_bpf() -> Vec<(u32, String)> {
    let is_hook = |target: std::path::PathBuf| {
        let target = target.to_string_lossy().into_owned();
        ["bpf_link", "bpf-prog", "perf_event", "bpf_iter"]
            .iter()
            .any(|kind| target.contains(kind))
    };
    let mut holders = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        let descriptors = std::fs::read_dir(entry.path().join("fd"));
        let links = descriptors.into_iter().flatten().flatten();
        if links
            .filter_map(|link| std::fs::read_link(link.path()).ok())
            .any(is_hook)
        {
            let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            holders.push((pid, comm.trim().to_owned()));
        }
    }
    holders
}
