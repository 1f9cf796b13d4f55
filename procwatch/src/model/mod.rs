//! The pure core: what a process is, what it cost, and how facts from several sources become one
//! account.
//!
//! Nothing here reads a clock, a file or a socket; time is an argument. It can therefore be tested
//! without root and without a kernel: observations in, accounts and events out.

pub mod alert;
pub mod connection;
pub mod delivery;
pub mod device;
pub mod errno;
pub mod escape;
pub mod event;
pub mod facts;
pub mod family;
pub mod field;
pub mod filter;
pub mod groups;
pub mod host_field;
pub mod identity;
pub mod inspection;
pub mod ledger;
pub mod lineage;
#[cfg(test)]
pub mod made_up;
pub mod moment;
pub mod mute;
pub mod notifier;
pub mod observation;
pub mod redact;
pub mod rule;
pub mod sample;
pub mod secret;
pub mod selection;
pub mod series;
pub mod shed;
pub mod shown;
pub mod signal_name;
pub mod snapshot;
pub mod subtree;
pub mod sums;
pub mod threads;
pub mod timeline;
pub mod totals;
pub mod tree;
pub mod units;
pub mod update;
pub mod url;
