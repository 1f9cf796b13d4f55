//! What runs in a guest: procwatch, its kernel tests, and the workload that these start.
//!
//! Deliberately absent: a build for the guest. It runs what this machine runs, with its libraries.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    build::{self, Profile},
    child,
    test::{BINARY, DRIVING_CRATE},
    toolchain::Toolchain,
};

/// Programs that tests start where they are there, and that help to look around in a guest.
const TOOLS: &[&str] = &[
    "sh",
    "cat",
    "dd",
    "fio",
    "ip",
    "kill",
    "losetup",
    "mke2fs",
    "mkfs.ext4",
    "mkswap",
    "mount",
    "ps",
    "sleep",
    "stress-ng",
    "swapoff",
    "swapon",
    "sync",
    "taskset",
    "tc",
    "time",
    "true",
    "umount",
    "unshare",
];

pub struct Programs {
    pub procwatch: PathBuf,
    pub tests: PathBuf,
    /// Its path is compiled into the tests.
    pub workload: PathBuf,
    /// `CARGO_TARGET_TMPDIR`, which is compiled into the tests: on a disk.
    pub scratch: PathBuf,
    pub tools: Vec<PathBuf>,
}

impl Programs {
    /// A procwatch that `PROCWATCH_BIN` names is taken as it is; everything else is built.
    pub fn build(toolchain: Toolchain) -> Result<Self> {
        let procwatch = match env::var_os(BINARY) {
            Some(path) => fs::canonicalize(&path).with_context(|| {
                let path = Path::new(&path).display();
                format!("{BINARY}={path}\ntry: unset {BINARY}, which builds one")
            })?,
            None => {
                build::procwatch(toolchain, Profile::Release)?;
                build::release_binary()?
            }
        };
        let mut cargo = build::cargo(toolchain);
        cargo.args([
            "test",
            "--no-run",
            "--package",
            DRIVING_CRATE,
            "--test",
            "kernel",
        ]);
        cargo.arg("--message-format=json-render-diagnostics");
        let messages = child::output(&mut cargo).context(
            "building the kernel tests\ntry: read the first error above; `cargo xtask setup` if a tool is missing",
        )?;
        let executable = |kind, name| {
            executable(&messages, kind, name)
                .with_context(|| format!("cargo has named no {kind} {name}\ntry: cargo clean"))
        };
        let tests = executable("test", "kernel")?;
        // The test is in target/debug/deps.
        let target = tests.ancestors().nth(3).map(Path::to_owned);
        Ok(Self {
            procwatch,
            workload: executable("bin", "workload")?,
            scratch: target
                .context("the tests are in no target directory")?
                .join("tmp"),
            tests,
            tools: TOOLS.iter().copied().filter_map(child::find).collect(),
        })
    }

    /// The names of all tests there are.
    pub fn list_tests(&self) -> Result<Vec<String>> {
        let mut list = child::command(&self.tests);
        let listed = child::output(list.args(["--list", "--format=terse"]))?;
        let names = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }

    /// Everything that is executed, at the path that it has here.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.procwatch, &self.tests, &self.workload]
            .into_iter()
            .chain(&self.tools)
            .map(PathBuf::as_path)
    }
}

/// Reads cargo's messages, a JSON object a line, for the program that a target was built to.
fn executable(messages: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let kind = format!("\"kind\":[\"{kind}\"]");
    let name = format!("\"name\":\"{name}\"");
    messages
        .lines()
        .filter(|message| message.contains(&kind) && message.contains(&name))
        .find_map(|message| {
            let (_, rest) = message.split_once("\"executable\":\"")?;
            let (path, _) = rest.split_once('"')?;
            // Escaped by JSON: no path of this workspace.
            (!path.contains('\\')).then(|| path.into())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_those_that_cargo_names() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"kernel"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"crate_types":["bin"],"name":"kernel"},"executable":"/t/debug/deps/kernel-1","fresh":true}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"workload"},"executable":"/t/debug/workload","fresh":true}
{"reason":"build-finished","success":true}"#;
        let found = |kind, name| executable(messages, kind, name);
        assert_eq!(
            found("test", "kernel"),
            Some("/t/debug/deps/kernel-1".into())
        );
        assert_eq!(found("bin", "workload"), Some("/t/debug/workload".into()));
        assert_eq!(found("test", "cli"), None);
    }
}
