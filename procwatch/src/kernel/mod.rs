//! The kernel edge: loads the programs, attaches them, and turns their bytes into observations.
//!
//! The only place that knows aya and BTF. It decides nothing about processes: what a record means
//! for an account is the model's work.

pub mod btf;
mod decode;
mod layout;
mod probes;
mod session;

pub use decode::{MalformedRecord, decode_record, decode_threads};
pub use layout::LayoutError;
pub use probes::{PROBES, Probe, ProbeState};
pub use session::{AttachError, Options, RingBufferSize, Session};
