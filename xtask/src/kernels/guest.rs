//! A machine under emulation that boots a kernel, runs the tests, and powers off.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    images::Image,
    initramfs::Userland,
    results::{Ended, FIRST_LINE, Results, Run, Test},
};
use crate::child::{self, Progress};

const EMULATOR: &str = "qemu-system-x86_64";
const CPUS: &str = "2";
const MEMORY: &str = "2G";
/// Sparse: takes what the tests write.
const DISK: &str = "1G";
/// On the console only what is wrong; what a kernel does not survive ends the machine. Older kernels
/// would take the emulated clock for unstable, and count CPU time in ticks.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic random.trust_cpu=on tsc=reliable mitigations=off";

/// What timeout(1) ends with when it had to end the program.
const TIMED_OUT: i32 = 124;
const KILLED: i32 = 137;

pub struct Guest {
    vmlinuz: PathBuf,
    initramfs: PathBuf,
    disk: PathBuf,
    console: PathBuf,
}

impl Guest {
    /// Lays out in `place` what the machine starts from.
    pub fn prepare(image: &Image, userland: &Userland, place: &Path) -> Result<Self> {
        let guest = Self {
            vmlinuz: image.vmlinuz.clone(),
            initramfs: userland.with_modules_of(image, place)?,
            disk: place.join("disk"),
            console: place.join("console"),
        };
        // A console of an earlier run says nothing of this one.
        File::create(&guest.console)
            .with_context(|| format!("writing {}", guest.console.display()))?;
        let _ = fs::remove_file(&guest.disk);
        let mut mke2fs = child::command("mke2fs");
        mke2fs.args(["-q", "-t", "ext4"]).arg(&guest.disk).arg(DISK);
        child::succeed(&mut mke2fs, Progress::Hide).context("making the guest's disk")?;
        Ok(guest)
    }

    /// Runs it to its end, or for `limit`, and hands out the results as they come.
    pub fn run(&self, limit: Duration, mut tell: impl FnMut(&Test)) -> Result<Run> {
        let mut emulator = self
            .command(limit)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {EMULATOR}\ntry: cargo xtask setup --kernels"))?;
        let lines = emulator.stdout.take().context("the guest has no results")?;
        let mut results = Results::default();
        let mut since = Instant::now();
        // Ends when the machine does.
        for line in BufReader::new(lines).split(b'\n') {
            let line = line.context("reading the guest's results")?;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            let is_first = line == FIRST_LINE;
            if let Some(test) = results.line(line) {
                test.wall_time = since.elapsed();
                tell(test);
            } else if !is_first {
                continue;
            }
            since = Instant::now();
        }
        let status = emulator.wait().context("waiting for the guest")?;
        let console = fs::read(&self.console)
            .with_context(|| format!("reading {}", self.console.display()))?;
        let ended = match status.code() {
            Some(0) => Ended::PoweredOff,
            Some(TIMED_OUT | KILLED) => Ended::TimedOut(limit),
            _ => bail!("{EMULATOR} ended with {status}\ntry: read its messages above"),
        };
        Ok(results.finish(ended, String::from_utf8_lossy(&console).into_owned()))
    }

    /// Under timeout(1), which holds the limit also when xtask itself is killed.
    fn command(&self, limit: Duration) -> Command {
        let mut command = child::command("timeout");
        command.args(["--foreground", "--kill-after=10"]);
        command.arg(limit.as_secs().to_string());
        command.args([EMULATOR, "-nodefaults", "-no-user-config", "-no-reboot"]);
        command.args(["-display", "none", "-monitor", "none"]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "Nehalem"]);
        command.args(["-smp", CPUS, "-m", MEMORY]);
        command.arg("-kernel").arg(&self.vmlinuz);
        command.arg("-initrd").arg(&self.initramfs);
        command.args(["-append", COMMAND_LINE]);
        command
            .arg("-serial")
            .arg(with_path("file:", &self.console));
        // The second line: standard output.
        command.args([
            "-chardev",
            "stdio,id=results,signal=on",
            "-serial",
            "chardev:results",
        ]);
        command.arg("-drive").arg(with_path(
            "if=virtio,format=raw,cache=unsafe,file=",
            &self.disk,
        ));
        command
    }
}

/// QEMU's options end at a comma, which a path has twice then.
fn with_path(option: &str, path: &Path) -> String {
    format!("{option}{}", path.display().to_string().replace(',', ",,"))
}
