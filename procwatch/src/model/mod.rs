//! The pure core: what a process is, what it cost, and how facts from several sources become one
//! account.
//!
//! Nothing here reads a clock, a file or a socket; time is an argument. It can therefore be tested
//! without root and without a kernel: observations in, accounts and events out.

pub mod connection;
pub mod device;
pub mod errno;
pub mod escape;
pub mod event;
pub mod facts;
pub mod field;
pub mod filter;
pub mod identity;
pub mod ledger;
pub mod observation;
pub mod sample;
pub mod selection;
pub mod snapshot;
pub mod threads;
pub mod totals;
pub mod tree;
pub mod units;
