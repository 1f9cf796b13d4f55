//! What the agent can turn off while the programs run, to cost less: detail, and never a total.

/// Bits of the one word that the agent writes and the programs read.
pub struct Switches;

impl Switches {
    /// No records of connects, accepts and closes.
    pub const NO_CONNECTION_RECORDS: u32 = 1;
    /// Records of execs without the command line, which is marked as cut off.
    pub const NO_COMMAND_LINES: u32 = 1 << 1;
}
