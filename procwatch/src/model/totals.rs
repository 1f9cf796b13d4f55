//! What a process has cost since it started: one counter per kind of cost.

use std::ops::Index;

use serde::{Deserialize, Serialize};

/// A kind of cost. Every counter only grows while its process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum Counter {
    CpuTime,
    RunQueueWait,
    VoluntarySwitches,
    InvoluntarySwitches,
    MinorFaults,
    MajorFaults,
    Read,
    Write,
    CancelledWrite,
    LogicalRead,
    LogicalWrite,
    /// Bytes that the process's own threads handed to a block device's queue.
    BlockRead,
    BlockWrite,
    /// Bytes that the process dirtied and a kernel thread wrote to a device.
    BlockWriteback,
    /// Requests that were completed.
    BlockIos,
    /// Their time at the device, summed.
    BlockLatency,
    /// Their time before that, in the queue, summed.
    BlockQueue,
    /// Over inet and inet6 sockets, as calls told it.
    NetSent,
    NetReceived,
    UnixSent,
    UnixReceived,
}

impl Counter {
    pub const ALL: [Self; 21] = [
        Self::CpuTime,
        Self::RunQueueWait,
        Self::VoluntarySwitches,
        Self::InvoluntarySwitches,
        Self::MinorFaults,
        Self::MajorFaults,
        Self::Read,
        Self::Write,
        Self::CancelledWrite,
        Self::LogicalRead,
        Self::LogicalWrite,
        Self::BlockRead,
        Self::BlockWrite,
        Self::BlockWriteback,
        Self::BlockIos,
        Self::BlockLatency,
        Self::BlockQueue,
        Self::NetSent,
        Self::NetReceived,
        Self::UnixSent,
        Self::UnixReceived,
    ];
    /// What calls moved over sockets: no kernel keeps these totals.
    pub const NETWORK: [Self; 4] = [
        Self::NetSent,
        Self::NetReceived,
        Self::UnixSent,
        Self::UnixReceived,
    ];
    /// Requests to block devices: no kernel keeps these totals.
    pub const BLOCK: [Self; 6] = [
        Self::BlockRead,
        Self::BlockWrite,
        Self::BlockWriteback,
        Self::BlockIos,
        Self::BlockLatency,
        Self::BlockQueue,
    ];
    pub const COUNT: usize = Self::ALL.len();

    /// The name in JSON, CSV, filters and rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuTime => "cpu_time_ns",
            Self::RunQueueWait => "run_queue_wait_ns",
            Self::VoluntarySwitches => "voluntary_switches",
            Self::InvoluntarySwitches => "involuntary_switches",
            Self::MinorFaults => "minor_faults",
            Self::MajorFaults => "major_faults",
            Self::Read => "read_bytes",
            Self::Write => "write_bytes",
            Self::CancelledWrite => "cancelled_write_bytes",
            Self::LogicalRead => "logical_read_bytes",
            Self::LogicalWrite => "logical_write_bytes",
            Self::BlockRead => "block_read_bytes",
            Self::BlockWrite => "block_write_bytes",
            Self::BlockWriteback => "block_writeback_bytes",
            Self::BlockIos => "block_ios",
            Self::BlockLatency => "block_latency_ns",
            Self::BlockQueue => "block_queue_ns",
            Self::NetSent => "net_sent_bytes",
            Self::NetReceived => "net_received_bytes",
            Self::UnixSent => "unix_sent_bytes",
            Self::UnixReceived => "unix_received_bytes",
        }
    }

    /// The name of its rate.
    pub const fn rate_name(self) -> &'static str {
        match self {
            Self::CpuTime => "cpu_time_ns_per_sec",
            Self::RunQueueWait => "run_queue_wait_ns_per_sec",
            Self::VoluntarySwitches => "voluntary_switches_per_sec",
            Self::InvoluntarySwitches => "involuntary_switches_per_sec",
            Self::MinorFaults => "minor_faults_per_sec",
            Self::MajorFaults => "major_faults_per_sec",
            Self::Read => "read_bytes_per_sec",
            Self::Write => "write_bytes_per_sec",
            Self::CancelledWrite => "cancelled_write_bytes_per_sec",
            Self::LogicalRead => "logical_read_bytes_per_sec",
            Self::LogicalWrite => "logical_write_bytes_per_sec",
            Self::BlockRead => "block_read_bytes_per_sec",
            Self::BlockWrite => "block_write_bytes_per_sec",
            Self::BlockWriteback => "block_writeback_bytes_per_sec",
            Self::BlockIos => "block_ios_per_sec",
            Self::BlockLatency => "block_latency_ns_per_sec",
            Self::BlockQueue => "block_queue_ns_per_sec",
            Self::NetSent => "net_sent_bytes_per_sec",
            Self::NetReceived => "net_received_bytes_per_sec",
            Self::UnixSent => "unix_sent_bytes_per_sec",
            Self::UnixReceived => "unix_received_bytes_per_sec",
        }
    }
}

/// One value per [`Counter`], each known or not. Eight bytes a counter: there are many of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals([u64; Counter::COUNT]);

/// No counter of a real process comes near this; it marks what is not known.
pub(crate) const UNKNOWN: u64 = u64::MAX;

impl Totals {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self([UNKNOWN; Counter::COUNT]);
    /// Everything is known to be zero: a process at its start.
    pub const ZERO: Self = Self([0; Counter::COUNT]);

    /// By slot; [`UNKNOWN`] where that is so.
    pub(crate) const fn raw(&self) -> &[u64; Counter::COUNT] {
        &self.0
    }

    pub(crate) const fn from_raw(raw: [u64; Counter::COUNT]) -> Self {
        Self(raw)
    }

    /// `None` when the source does not tell this counter.
    pub fn get(&self, counter: Counter) -> Option<u64> {
        let value = self.0[counter as usize];
        (value != UNKNOWN).then_some(value)
    }

    pub fn set(&mut self, counter: Counter, value: u64) {
        self.0[counter as usize] = value.min(UNKNOWN - 1);
    }

    #[must_use]
    pub fn with(mut self, counter: Counter, value: u64) -> Self {
        self.set(counter, value);
        self
    }

    /// The same, with these not known.
    #[must_use]
    pub fn without(mut self, counters: &[Counter]) -> Self {
        for counter in counters {
            self.0[*counter as usize] = UNKNOWN;
        }
        self
    }

    /// Raises each counter to the other's value where that is higher or where it was unknown. A total
    /// never falls: a lower reading is a reading that missed a thread on its way out.
    pub fn raise_to(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            if theirs != UNKNOWN && (*mine == UNKNOWN || *mine < theirs) {
                *mine = theirs;
            }
        }
    }

    /// Adds each counter that both know; a counter that either does not know becomes unknown.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = if *mine == UNKNOWN || theirs == UNKNOWN {
                UNKNOWN
            } else {
                mine.saturating_add(theirs).min(UNKNOWN - 1)
            };
        }
    }

    /// What has been added since `earlier`; unknown where either is.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut delta = *self;
        for (mine, theirs) in delta.0.iter_mut().zip(earlier.0) {
            *mine = if *mine == UNKNOWN || theirs == UNKNOWN {
                UNKNOWN
            } else {
                mine.saturating_sub(theirs)
            };
        }
        delta
    }

    /// Every counter with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, Option<u64>)> + '_ {
        Counter::ALL
            .into_iter()
            .map(|counter| (counter, self.get(counter)))
    }
}

/// The raw value, for comparisons: unknown sorts highest. Prefer [`Totals::get`].
impl Index<Counter> for Totals {
    type Output = u64;

    fn index(&self, counter: Counter) -> &u64 {
        &self.0[counter as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_counters_is_in_the_order_of_its_slots() {
        for (slot, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, slot);
            assert_eq!(counter.rate_name(), format!("{}_per_sec", counter.name()));
        }
    }

    #[test]
    fn unknown_is_not_zero() {
        let known = Totals::ZERO.with(Counter::CpuTime, 5);
        let mut sum = known;
        sum.add(&Totals::UNKNOWN);
        assert_eq!(sum, Totals::UNKNOWN);
        assert_eq!(known.since(&Totals::UNKNOWN), Totals::UNKNOWN);
    }

    #[test]
    fn a_total_never_falls() {
        let mut total = Totals::UNKNOWN;
        total.raise_to(&Totals::ZERO.with(Counter::Read, 10));
        total.raise_to(&Totals::ZERO.with(Counter::Read, 4));
        total.raise_to(&Totals::UNKNOWN);
        assert_eq!(total.get(Counter::Read), Some(10));
    }
}
