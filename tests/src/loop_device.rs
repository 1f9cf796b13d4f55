//! A block device of our own: a file behind a loop device, with or without a file system on it.
//!
//! Everything is mounted in a mount namespace of the test's own thread, and the device detaches itself
//! when its last user closes it, so nothing stays behind even when the test is killed.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{skip::skip, wait::until, workload::argument};

/// Where the bytes of a device are in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing<'a> {
    /// On a tmpfs: no other device moves a byte, and the loop driver's own threads dirty no page.
    Memory,
    /// In a file in this directory, past the page cache: as slow as the disk that it is on.
    Disk(&'a Path),
}

/// An attached loop device.
#[derive(Debug)]
pub struct LoopDevice {
    /// Kept open, for the device is to detach itself at the last close. `None` while that happens.
    device: Option<File>,
    path: PathBuf,
    name: String,
    number: String,
    /// Where the file behind the device is, and where file systems are mounted.
    directory: TempDir,
    is_in_memory: bool,
}

/// A file system on a loop device.
#[derive(Debug)]
pub struct Mounted<'a> {
    device: &'a LoopDevice,
    pub path: PathBuf,
}

/// What a device has done: see Documentation/ABI/stable/sysfs-block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    pub reads: u64,
    pub read_bytes: u64,
    /// From the making of requests to their completion, summed; counted in milliseconds.
    pub read_ns: u64,
    pub writes: u64,
    pub write_bytes: u64,
    pub write_ns: u64,
    pub in_flight: u64,
    pub flushes: u64,
}

impl Statistics {
    /// # Panics
    /// When there is no device of that name.
    pub fn of(device: &str) -> Self {
        let path = format!("/sys/block/{device}/stat");
        let text = std::fs::read_to_string(&path).expect("a device's statistics");
        let numbers: Vec<u64> = text
            .split_ascii_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        Self {
            reads: numbers[0],
            read_bytes: numbers[2] * 512,
            read_ns: numbers[3] * 1_000_000,
            writes: numbers[4],
            write_bytes: numbers[6] * 512,
            write_ns: numbers[7] * 1_000_000,
            in_flight: numbers[8],
            // Not counted before Linux 5.5.
            flushes: numbers.get(15).copied().unwrap_or(0),
        }
    }

    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            read_bytes: self.read_bytes - before.read_bytes,
            read_ns: self.read_ns - before.read_ns,
            writes: self.writes - before.writes,
            write_bytes: self.write_bytes - before.write_bytes,
            write_ns: self.write_ns - before.write_ns,
            in_flight: self.in_flight,
            flushes: self.flushes - before.flushes,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.read_bytes + self.write_bytes
    }
}

/// Runs a test with a device of that size. Skips it, and says why, where there can be none.
///
/// # Panics
/// When the test does.
pub fn with(backing: Backing<'_>, bytes: u64, test: impl FnOnce(&LoopDevice) + Send) {
    if !Path::new("/dev/loop-control").exists() {
        return skip("there are no loop devices");
    }
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn_scoped(scope, || {
                match own_mounts().and_then(|()| LoopDevice::attach(backing, bytes)) {
                    Ok(device) => test(&device),
                    Err(error) => skip(&error),
                }
            })
            .expect("a thread");
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Gives the calling thread mounts of its own. The root's keeps no times of access: else a program's first start in
/// a day dirties a page of the file system that it lies on, in that program's name.
fn own_mounts() -> Result<(), String> {
    let none = std::ptr::null();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    let without_times = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_NOATIME;
    // SAFETY: plain system calls on constant strings. The thread is one that nothing else runs in.
    let failed = unsafe {
        libc::unshare(libc::CLONE_NEWNS) != 0
            || libc::mount(none, c"/".as_ptr(), none, private, none.cast()) != 0
            || libc::mount(none, c"/".as_ptr(), none, without_times, none.cast()) != 0
    };
    if failed {
        let error = std::io::Error::last_os_error();
        return Err(format!("no mount namespace of our own: {error}"));
    }
    Ok(())
}

impl LoopDevice {
    fn attach(backing: Backing<'_>, bytes: u64) -> Result<Self, String> {
        let parent = match backing {
            Backing::Memory => std::env::temp_dir(),
            Backing::Disk(directory) => directory.to_owned(),
        };
        let directory = tempfile::Builder::new()
            .prefix("procwatch-loop-")
            .tempdir_in(&parent)
            .map_err(|error| format!("a directory in {}: {error}", parent.display()))?;
        let file = directory.path().join("device");
        if backing == Backing::Memory {
            run(
                "mount",
                &["-t", "tmpfs", "tmpfs", argument(directory.path())],
            )?;
        }
        // From here on the tmpfs has to go when something fails.
        let attached = fill(&file, bytes).and_then(|()| losetup(&file, backing));
        let attached = attached.and_then(|path| {
            let device = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
            // In use by us, so the device goes when its last user does.
            run("losetup", &["--detach", &path])?;
            let name = path.trim_start_matches("/dev/").to_owned();
            let number = std::fs::read_to_string(format!("/sys/block/{name}/dev"))
                .map_err(|error| format!("the number of {name}: {error}"))?;
            Ok((device, path, name, number.trim().to_owned()))
        });
        match attached {
            Ok((device, path, name, number)) => Ok(Self {
                device: Some(device),
                path: path.into(),
                name,
                number,
                directory,
                is_in_memory: backing == Backing::Memory,
            }),
            Err(error) => {
                unmount(directory.path());
                Err(error)
            }
        }
    }

    pub fn path(&self) -> &str {
        argument(&self.path)
    }

    /// As in `/sys/block`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `MAJOR:MINOR`.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// What it has done so far. Waits until nothing is in flight.
    ///
    /// # Panics
    /// When the device does not come to rest.
    pub fn statistics(&self) -> Statistics {
        // A request may be out of flight a moment before it is counted.
        let mut before = None;
        until("the device to rest", Duration::from_secs(10), || {
            let statistics = Statistics::of(&self.name);
            let is_same = before == Some(statistics);
            before = Some(statistics);
            (statistics.in_flight == 0 && is_same).then_some(statistics)
        })
    }

    /// Makes an ext4 of 4 KiB blocks on it that does nothing by itself, and mounts it.
    ///
    /// # Panics
    /// When that fails.
    pub fn formatted(&self) -> Mounted<'_> {
        // What is initialised lazily would be written later by a kernel thread.
        let options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
        run(
            "mkfs.ext4",
            &["-q", "-F", "-b", "4096", "-E", options, self.path()],
        )
        .expect("a file system");
        let path = self.directory.path().join("mounted");
        std::fs::create_dir_all(&path).expect("a directory");
        mount(self.path(), &path);
        Mounted { device: self, path }
    }
}

impl Mounted<'_> {
    pub fn file(&self, name: &str) -> String {
        argument(&self.path.join(name)).to_owned()
    }

    /// Unmounts and mounts it, so that nothing of it is dirty or in the page cache.
    ///
    /// # Panics
    /// When that fails.
    pub fn mount_anew(&self) {
        run("umount", &[argument(&self.path)]).expect("unmounting");
        mount(self.device.path(), &self.path);
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        drop(self.device.take());
        let backing_file = format!("/sys/block/{}/loop/backing_file", self.name);
        let own = argument(&self.directory.path().join("device")).to_owned();
        // It may be somebody else's device by now.
        let is_attached = || {
            std::fs::read_to_string(&backing_file).is_ok_and(|file| file.trim_end().ends_with(&own))
        };
        for _ in 0..1000 {
            if !is_attached() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if is_attached() {
            let _ = run("losetup", &["--detach", self.path()]);
        }
        if self.is_in_memory {
            unmount(self.directory.path());
        }
    }
}

fn mount(device: &str, path: &Path) {
    run("mount", &["-o", "noatime", device, argument(path)]).expect("mounting");
}

fn unmount(path: &Path) {
    let path = std::ffi::CString::new(argument(path)).expect("no NUL in it");
    // SAFETY: a NUL-ended text. The mounts are this thread's own.
    unsafe {
        if libc::umount2(path.as_ptr(), 0) != 0 {
            libc::umount2(path.as_ptr(), libc::MNT_DETACH);
        }
    }
}

/// Fills a file with something that is not zero, so that it has no holes.
fn fill(path: &Path, bytes: u64) -> Result<(), String> {
    let fill = || {
        let file = File::create(path)?;
        let piece = vec![0xa5; 1 << 20];
        for at in (0..bytes).step_by(piece.len()) {
            let length = piece.len().min((bytes - at) as usize);
            file.write_all_at(&piece[..length], at)?;
        }
        file.sync_all()
    };
    fill().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
}

fn losetup(file: &Path, backing: Backing<'_>) -> Result<String, String> {
    let direct = match backing {
        Backing::Memory => "--direct-io=off",
        Backing::Disk(_) => "--direct-io=on",
    };
    run("losetup", &["--find", "--show", direct, argument(file)])
}

/// Runs a tool to its end, which has to be a good one. What it printed.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {arguments:?}: {}", error.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
