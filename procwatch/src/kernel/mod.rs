//! The kernel edge: loads the programs, attaches them, and turns their bytes into observations.
//!
//! The only place that knows aya and BTF. It decides nothing about processes: what a record means
//! for an account is the model's work.

mod attach;
pub mod btf;
mod decode;
mod iterators;
mod layout;
mod older;
mod probes;
mod session;
mod skips;

pub use decode::{Decoder, MalformedRecord};
pub use layout::LayoutError;
pub use probes::{Figures, Hook, PROBES, Probe, ProbeState};
pub use session::{AttachError, Options, RingBufferSize, Session};
