//! procwatch: exact accounts of every process, from the kernel to the screen.
//!
//! `ARCHITECTURE.md` at the top of the repository has the map, the way of the data and the
//! invariants. In short: the edges ([`kernel`], [`procfs`]) read, the pure core ([`model`]) merges and
//! derives, the [`collector`] drives both on the [`agent`]'s thread, and the faces ([`tui`], [`cli`],
//! [`commands`]) show.

pub mod agent;
pub mod alerts;
pub mod cli;
pub mod collector;
pub mod commands;
pub mod config;
pub mod confine;
pub mod detect;
pub mod history;
pub mod kernel;
pub mod latency;
pub mod model;
pub mod notify;
pub mod procfs;
pub mod report;
pub mod trace;
pub mod tui;
pub mod viewers;
