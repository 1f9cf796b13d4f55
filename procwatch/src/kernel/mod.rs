//! The kernel edge: loads the programs, attaches them, and turns their bytes into observations.
//!
//! The only place that knows aya and BTF. It decides nothing about processes: what a record means
//! for an account is the model's work.

mod attach;
pub mod btf;
mod decode;
mod iterators;
mod latency;
pub mod layout;
mod limits;
mod object;
mod older;
mod probes;
mod refusal;
mod session;
mod stacks;
mod syscall;
mod tracer;
mod usage;

pub use decode::{Decoder, MalformedRecord};
pub use latency::LatencyMeter;
pub use layout::LayoutError;
pub use probes::{Figures, Hook, PROBES, Probe, ProbeState};
pub use refusal::AttachError;
pub use session::{Options, RingBufferSize, Session};
pub use tracer::{Known, Left, Tells, Tracer, TracerOptions, Untold};
pub use usage::{MapUsage, ProgramUsage, RingBufferUsage, RunsIn, Usage, fdinfo_figure};
