//! The targets under libFuzzer: `PROCWATCH_FUZZ_TARGET=btf fuzz CORPUS …`, as `cargo xtask fuzz` calls it.

#![no_main]

use std::{env, process, sync::OnceLock};

use libfuzzer_sys::fuzz_target;
use procwatch_fuzz::{TARGETS, Target};

/// Names the target, for arguments are libFuzzer's.
const CHOICE: &str = "PROCWATCH_FUZZ_TARGET";

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let wanted = env::var(CHOICE).unwrap_or_default();
        TARGETS
            .iter()
            .find(|target| target.name == wanted)
            .unwrap_or_else(|| {
                let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                eprintln!(
                    "{CHOICE}={wanted:?}: no such target\ntry: one of {}",
                    names.join(" ")
                );
                process::exit(2)
            })
    })
}

fuzz_target!(
    init: { chosen(); },
    |bytes: &[u8]| { (chosen().check)(bytes); }
);
