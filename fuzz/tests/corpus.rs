//! The corpus through every target, on any toolchain and without the engine.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use procwatch_fuzz::TARGETS;

/// What the corpus may grow to: it is in every clone.
const BYTES_MAX: u64 = 256 << 10;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_invariant_holds_for_the_corpus() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let files = files(&corpus().join(target.name));
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for file in files {
            let bytes = fs::read(&file).unwrap();
            // The message is on stderr already.
            if panic::catch_unwind(AssertUnwindSafe(|| (target.check)(&bytes))).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_invariant_holds_for_bytes_cut_short() {
    for target in TARGETS {
        for file in files(&corpus().join(target.name)) {
            let bytes = fs::read(&file).unwrap();
            // Some hundreds of cuts a file, at its start and its end and between.
            for cut in 0..bytes.len() {
                if cut < 64 || bytes.len() - cut < 64 || cut % 61 == 0 {
                    (target.check)(&bytes[..cut]);
                }
            }
        }
    }
}

#[test]
fn the_corpus_is_small_and_of_targets_alone() {
    let mut bytes = 0;
    for directory in files(&corpus()) {
        let name = directory.file_name().unwrap().to_str().unwrap();
        assert!(
            TARGETS.iter().any(|target| target.name == name),
            "{name} is no target"
        );
        for file in files(&directory) {
            bytes += file.metadata().unwrap().len();
        }
    }
    assert!(bytes < BYTES_MAX, "{bytes} bytes: keep what adds something");
}
