//! A program that is run to its end, and what the kernel says of it before it is reaped.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{procfs::Io, wait::until};

/// No program of a test takes this long.
const LIMIT: Duration = Duration::from_secs(60);

/// A program that has ended well.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    pub pid: u64,
    /// With that of the children that it has reaped.
    pub io: Io,
    /// Of its main thread alone.
    pub own_io: Io,
}

/// Runs a program to its end, and asks the kernel for its counters while it is a zombie: nothing changes
/// them any more.
///
/// # Panics
/// When it fails, or does not end in a minute.
pub fn finish(command: &mut Command) -> Finished {
    let finished = finish_telling(command);
    let (finished, _) = finished.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    finished
}

/// The same, and what it wrote to its standard output.
///
/// # Errors
/// What it said on its standard error, when it failed.
///
/// # Panics
/// When it cannot be started, or does not end in a minute.
pub fn finish_telling(command: &mut Command) -> Result<(Finished, String), String> {
    let (mut stdout, mut stderr) = (memory(), memory());
    let twin = |file: &File| file.try_clone().expect("a second descriptor");
    let child = command
        .stdin(Stdio::null())
        .stdout(twin(&stdout))
        .stderr(twin(&stderr))
        .spawn()
        .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let (finished, status) = reap(Owned(child), &format!("{command:?}"));
    let read = |file: &mut File| {
        let mut text = String::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_string(&mut text))
            .expect("what a program wrote");
        text
    };
    if status.success() {
        Ok((finished, read(&mut stdout)))
    } else {
        Err(format!("{status}: {}", read(&mut stderr).trim()))
    }
}

/// A file that no disk is behind: what is written to it is no I/O.
fn memory() -> File {
    // SAFETY: a NUL-ended text; the descriptor is new, and owned by the file alone.
    unsafe {
        let fd = libc::memfd_create(c"output".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0, "memfd: {}", std::io::Error::last_os_error());
        <File as std::os::fd::FromRawFd>::from_raw_fd(fd)
    }
}

/// Waits for the end of a child, which has to be a good one, and asks as [`finish`] does.
///
/// # Panics
/// As [`finish`].
pub fn finish_child(child: Owned, what: &str) -> Finished {
    let (finished, status) = reap(child, what);
    assert!(status.success(), "{what} failed: {status}");
    finished
}

fn reap(mut child: Owned, what: &str) -> (Finished, ExitStatus) {
    drop(child.0.stdin.take());
    let pid = child.pid();
    until(&format!("the end of {what}"), LIMIT, || {
        is_zombie(child.0.id()).then_some(())
    });
    let counters = Io::of_process(pid).zip(Io::of_main_thread(pid));
    let status = child.0.wait().expect("waiting for our own child");
    let (io, own_io) = counters.expect("a zombie has counters");
    (Finished { pid, io, own_io }, status)
}

/// A child that does not outlive the test.
#[derive(Debug)]
pub struct Owned(pub Child);

impl Owned {
    pub fn pid(&self) -> u64 {
        u64::from(self.0.id())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Both do nothing to a child that has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a child has ended and waits to be reaped.
fn is_zombie(pid: u32) -> bool {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: siginfo is plain data, for which zero is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a siginfo of ours.
    let error = unsafe { libc::waitid(libc::P_PID, pid, &raw mut info, flags) };
    // SAFETY: waitid has filled it in, or left it zero.
    error == 0 && unsafe { info.si_pid() } != 0
}
