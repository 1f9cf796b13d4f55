//! What the kernel programs and the agent must agree on, byte for byte.
//!
//! One file per topic, under the same name as in `procwatch-ebpf`. Everything here is `repr(C)`
//! without implicit padding, so that a record is the same bytes on both sides; sizes are asserted.
//! This crate holds no behaviour: no decoding, no accounting, no formatting; but for the buckets of a
//! histogram, which both sides must put a duration into alike.

#![no_std]

/// A structure that programs write and the agent reads: the same bytes on both sides.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($fields:tt)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(
            feature = "user",
            derive(
                zerocopy::FromBytes,
                zerocopy::Immutable,
                zerocopy::IntoBytes,
                zerocopy::KnownLayout
            )
        )]
        pub struct $name { $($fields)* }
    };
}

pub mod block;
pub mod buckets;
pub mod connections;
pub mod deaths;
pub mod latency;
pub mod layout;
pub mod lifecycle;
pub mod loss;
pub mod switches;
pub mod tasks;
pub mod totals;
pub mod trace;

/// Length of the kernel's `task_struct.comm`, terminating NUL included.
pub const COMM_LEN: usize = 16;
