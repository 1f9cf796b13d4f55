//! Names of disks, and the counters of network interfaces.

use hashbrown::HashMap;

use super::{figures::decimal, root::ProcRoot};
use crate::model::{device::DeviceNumber, sample::InterfaceSample};

/// The kernel's names of disks, looked up when a number is first met.
#[derive(Debug, Default)]
pub struct DiskNames(HashMap<DeviceNumber, Option<Box<str>>>);

impl DiskNames {
    /// `None` when /proc/diskstats does not have the disk.
    pub fn name(&mut self, root: &ProcRoot, number: DeviceNumber) -> Option<Box<str>> {
        if !self.0.contains_key(&number) {
            let text = std::fs::read(root.path().join("diskstats")).unwrap_or_default();
            self.0
                .extend(disks(&text).map(|(number, name)| (number, Some(name))));
            self.0.entry(number).or_insert(None);
        }
        self.0.get(&number).cloned().flatten()
    }
}

/// Disks as /proc/diskstats lists them; lines in another form are left out.
pub fn disks(text: &[u8]) -> impl Iterator<Item = (DeviceNumber, Box<str>)> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut words = words(line);
        let mut number = || u32::try_from(decimal(words.next()?)?).ok();
        let number = DeviceNumber {
            major: number()?,
            minor: number()?,
        };
        Some((number, String::from_utf8_lossy(words.next()?).into()))
    })
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
}

impl ProcRoot {
    /// The interfaces of our own network namespace; none where /proc/net/dev cannot be read.
    pub fn interfaces(&self) -> Vec<InterfaceSample> {
        let text = std::fs::read(self.path().join("net/dev")).unwrap_or_default();
        interfaces(&text).collect()
    }
}

/// Interfaces as /proc/net/dev lists them; lines in another form are left out.
pub fn interfaces(text: &[u8]) -> impl Iterator<Item = InterfaceSample> {
    text.split(|byte| *byte == b'\n').filter_map(interface)
}

/// A line of the form `name: bytes packets … (8 received) bytes …`. `None` for the two of the heading.
fn interface(line: &[u8]) -> Option<InterfaceSample> {
    // A name may have a colon in it (an alias), but no space.
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let name = line.get(..colon)?.trim_ascii();
    let mut counters = words(line.get(colon + 1..)?).map(decimal);
    let received_bytes = counters.next()??;
    Some(InterfaceSample {
        name: String::from_utf8_lossy(name).into(),
        received_bytes,
        sent_bytes: counters.nth(7)??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn disks_have_numbers_and_names() {
        let text = b"   7       0 loop0 11 0 28 0\n 254       0 vda 5 1 2\n garbage\n 8 x sda 1\n";
        let found: Vec<_> = disks(text)
            .map(|(number, name)| format!("{number} {name}"))
            .collect();
        assert_eq!(found, ["7:0 loop0", "254:0 vda"]);
    }

    #[test]
    fn interfaces_have_bytes_both_ways() {
        let check = |line: &str, expected: Option<(&str, u64, u64)>| {
            let found = interface(line.as_bytes());
            let found = found.as_ref().map(|interface| {
                (
                    &*interface.name,
                    interface.sent_bytes,
                    interface.received_bytes,
                )
            });
            assert_eq!(found, expected, "{line}");
        };
        check(
            "  eth0: 1500 10 0 0 0 0 0 0 700 5 0 0 0 0 0 0",
            Some(("eth0", 700, 1500)),
        );
        check(
            "eth0:1: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0",
            Some(("eth0:1", 2, 1)),
        );
        check("Inter-|   Receive  |  Transmit", None);
        check(" face |bytes    packets errs", None);
        check("lo: 1 2 3", None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_lines_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (interface(&bytes), disks(&bytes).count());
        }
    }
}
