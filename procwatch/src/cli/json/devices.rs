//! Block devices and network interfaces of one interval.

use serde::Serialize;

use crate::model::{device::DeviceSample, sample::InterfaceSample};

/// All of it is of the interval. A quantile is `null` when no request was completed.
#[derive(Serialize)]
pub(super) struct Device<'a> {
    device: String,
    name: Option<&'a str>,
    read_bytes: u64,
    write_bytes: u64,
    reads: u64,
    writes: u64,
    read_latency_ns: u64,
    write_latency_ns: u64,
    read_latency_p50_ns: Option<u64>,
    read_latency_p99_ns: Option<u64>,
    write_latency_p50_ns: Option<u64>,
    write_latency_p99_ns: Option<u64>,
    queue_ns: u64,
    attributed_bytes: u64,
    unattributed_bytes: u64,
}

impl<'a> From<&'a DeviceSample> for Device<'a> {
    fn from(device: &'a DeviceSample) -> Self {
        let (read, write) = (&device.read, &device.write);
        Self {
            device: device.number.to_string(),
            name: device.name.as_deref(),
            read_bytes: read.bytes,
            write_bytes: write.bytes,
            reads: read.requests,
            writes: write.requests,
            read_latency_ns: read.latency_ns,
            write_latency_ns: write.latency_ns,
            read_latency_p50_ns: read.latencies.median_ns(),
            read_latency_p99_ns: read.latencies.p99_ns(),
            write_latency_p50_ns: write.latencies.median_ns(),
            write_latency_p99_ns: write.latencies.p99_ns(),
            queue_ns: read.queue_ns + write.queue_ns,
            attributed_bytes: device.attributed_bytes,
            unattributed_bytes: device.unattributed_bytes,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Interface<'a> {
    name: &'a str,
    sent_bytes: u64,
    received_bytes: u64,
}

impl<'a> From<&'a InterfaceSample> for Interface<'a> {
    fn from(interface: &'a InterfaceSample) -> Self {
        Self {
            name: &interface.name,
            sent_bytes: interface.sent_bytes,
            received_bytes: interface.received_bytes,
        }
    }
}
