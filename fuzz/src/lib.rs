//! A target for everything that reads bytes from outside: what must hold of its answer, whatever the bytes.
//!
//! A target takes any bytes and panics where an invariant does not hold. libFuzzer looks for bytes that make
//! it (`cargo xtask fuzz`); the corpus, one directory a target below `fuzz/corpus`, goes through all of them in
//! `cargo test` as well, so that what was once found stays found. Deliberately absent: targets for what
//! programs of ours hand to each other as types.

mod configuration;
mod filters;
mod lives;
mod proc_text;
mod process;
mod recordings;
mod records;
mod screen;
mod secrets;
mod shown;
mod types;
mod viewers;

/// A decoder, and what must hold of it.
pub struct Target {
    /// Also that of its corpus.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub check: fn(&[u8]),
}

/// Every target. A new one needs a row, and files in `fuzz/corpus/NAME`.
pub const TARGETS: &[Target] = &[
    target("ring_record", records::ring_record),
    target("thread_records", records::thread_records),
    target("connection_records", records::connection_records),
    target("lives", lives::lives),
    target("recorded_block", recordings::block),
    target("recorded_events", recordings::kept_events),
    target("recorder_says", viewers::recorder_says),
    target("viewer_says", viewers::viewer_says),
    target("btf", types::btf),
    target("btf_members", types::btf_members),
    target("proc_stat", proc_text::stat),
    target("proc_figures", proc_text::figures),
    target("proc_cgroup", proc_text::cgroup),
    target("proc_mounts", proc_text::mounts),
    target("proc_devices", proc_text::devices),
    target("proc_host", proc_text::host),
    target("passwd", proc_text::passwd),
    target("configuration", configuration::configuration),
    target("redact", secrets::redact),
    target("redact_pattern", secrets::pattern),
    target("filter", filters::filter),
    target("quantity", filters::quantity),
    target("terminal", shown::terminal_text),
    target("tables", shown::tables),
];

const fn target(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check }
}
