//! Fuzzing: builds the targets of `fuzz` with libFuzzer's instrumentation, and runs each for a bounded time.
//!
//! Works on a stable compiler, without cargo-fuzz: the instrumentation is a pass that rustc has, and the engine
//! is the crate libfuzzer-sys. What the engine finds goes below the target directory; an input that makes a
//! target fail goes into the corpus, where `cargo test` meets it from then on.
//!
//! Deliberately absent: the address sanitizer, for the decoders have no unsafe code; and taking what was found
//! into the corpus, where files have names and reach nearly all that long runs do.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build, child,
    fuzz_log::{Failure, Figures},
    toolchain::Toolchain,
};

const PACKAGE: &str = "procwatch-fuzz";
/// Tells the program which target it is.
const CHOICE: &str = "PROCWATCH_FUZZ_TARGET";
/// What each target gets in a test of everything: whether that passes is to depend on the change alone, so each of
/// its runs tries the same inputs.
pub const BRIEF: Search = Search {
    time: Duration::from_secs(5),
    seed: Some(1),
};
/// One input that takes this long is a failure.
const INPUT_SECONDS_MAX: u32 = 10;

/// As cargo-fuzz has them: counters on edges, and what is compared with what.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// How a target is fuzzed.
#[derive(Clone, Copy)]
pub struct Search {
    pub time: Duration,
    /// What the inputs follow from, beside the corpus; another at each run without.
    pub seed: Option<u32>,
}

/// Runs the targets of these names, or all. Whether all held.
pub fn run(toolchain: Toolchain, names: &[String], search: Search) -> Result<bool> {
    let places = Places::find()?;
    let targets = places.targets(names)?;
    let program = build(toolchain)?;
    let waiting = Mutex::new(targets.iter());
    let failures = Mutex::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers.min(targets.len()) {
            scope.spawn(|| {
                while let Some(target) = waiting.lock().ok().and_then(|mut next| next.next()) {
                    let outcome = places.fuzz(&program, target, search);
                    let held = outcome.unwrap_or_else(|error| {
                        eprintln!("xtask: {target}: {}", crate::explain(&error));
                        false
                    });
                    if !held && let Ok(mut failures) = failures.lock() {
                        *failures += 1;
                    }
                }
            });
        }
    });
    Ok(failures.into_inner().is_ok_and(|failures| failures == 0))
}

/// The fuzzing program, instrumented. Build scripts and macros are those of the other builds: `--target` keeps
/// the flags off them.
fn build(toolchain: Toolchain) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let mut cargo = build::cargo(toolchain);
    cargo
        .args(["build", "--package", PACKAGE, "--features", "engine"])
        .args(["--target", &target, "--config", "profile.dev.opt-level=1"])
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    child::succeed(&mut cargo, child::Progress::Show).context(
        "building the fuzz targets\ntry: read the first error above; the engine needs g++",
    )?;
    Ok(build::target_directory()?.join(target).join("debug/fuzz"))
}

struct Places {
    /// In the tree: a directory for each target.
    corpus: PathBuf,
    /// Found inputs, and the engine's own words.
    found: PathBuf,
}

impl Places {
    fn find() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        Ok(Self {
            corpus: workspace
                .context("xtask is not in a workspace")?
                .join("fuzz/corpus"),
            found: build::target_directory()?.join("fuzzing"),
        })
    }

    /// All targets, or those named.
    fn targets(&self, names: &[String]) -> Result<Vec<String>> {
        let all = sorted_files(&self.corpus)?;
        let all: Vec<String> = all.iter().filter_map(|path| name_of(path)).collect();
        if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
            bail!("no fuzz target {unknown}\ntry: one of {}", all.join(" "));
        }
        Ok(match names {
            [] => all,
            _ => names.to_vec(),
        })
    }

    fn engine(&self, program: &Path, target: &str) -> Result<Command> {
        let found = self.found.join(target);
        fs::create_dir_all(&found).with_context(|| format!("making {}", found.display()))?;
        let log = self.log(target);
        let log = fs::File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let mut engine = child::command(program);
        engine
            .env(CHOICE, target)
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Ok(engine)
    }

    fn log(&self, target: &str) -> PathBuf {
        self.found.join(format!("{target}.log"))
    }

    /// Runs one target, and says how far it came. Whether it held.
    fn fuzz(&self, program: &Path, target: &str, search: Search) -> Result<bool> {
        let corpus = self.corpus.join(target);
        let mut engine = self.engine(program, target)?;
        if let Some(seed) = search.seed {
            engine.arg(format!("-seed={seed}"));
        }
        let status = engine
            .arg(format!("-max_total_time={}", search.time.as_secs().max(1)))
            .arg(format!("-artifact_prefix={}/", corpus.display()))
            // A slow input that is no failure would be left in the corpus, too.
            .arg(format!("-report_slow_units={}", 2 * INPUT_SECONDS_MAX))
            .arg(self.found.join(target))
            .arg(&corpus)
            .status()
            .context("starting the fuzz targets")?;
        let log = fs::read(self.log(target)).context("reading what the engine said")?;
        let log = String::from_utf8_lossy(&log);
        if status.success() {
            println!("{target:<20} {}", Figures::read(&log));
            return Ok(true);
        }
        eprintln!(
            "{target}: FAILED, {status}\n{}try: cargo test --package {PACKAGE}, which meets that input in the \
             corpus; all the engine said is in {}",
            Failure::read(&log),
            self.log(target).display()
        );
        Ok(false)
    }
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

fn sorted_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.context("reading the corpus")?.path());
    }
    paths.sort();
    Ok(paths)
}
