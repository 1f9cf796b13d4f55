//! Drives the procwatch binary, and asks somebody else what the truth was.
//!
//! Nothing here links procwatch: what is compared is what it prints. Truths come from `wait4`, from
//! /proc, and from the `workload` program, which does one hard thing at a time and tells what it did.

pub mod bpf;
pub mod dialogue;
pub mod finished;
pub mod loop_device;
pub mod odd;
pub mod procfs;
pub mod procwatch;
pub mod receiver;
pub mod record;
pub mod short;
pub mod skip;
pub mod terminal;
pub mod top;
pub mod wait;
pub mod workload;
