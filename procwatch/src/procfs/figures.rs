//! The figures in a process's `status`, `io` and `schedstat`, and how the kernel writes numbers.
//!
//! None of the text in these files is trusted: a figure that is not in its form is unknown.

use crate::model::sample::MemoryKinds;

/// A decimal number of digits alone.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The first value of each line of the form `name: value …`.
pub fn named_values(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let value = line.get(colon + 1..)?.trim_ascii_start();
        let end = value.iter().position(u8::is_ascii_whitespace);
        Some((
            &line[..colon],
            decimal(&value[..end.unwrap_or(value.len())])?,
        ))
    })
}

/// From /proc/PID/status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The real one, in our own user namespace.
    pub uid: Option<u32>,
    /// `VmHWM`. `None` for kernel threads and for what has given up its memory.
    pub peak_rss_bytes: Option<u64>,
    /// `RssAnon`, `RssFile`, `RssShmem` and `VmSwap`. `None` as above.
    pub memory: Option<MemoryKinds>,
    /// Of this one thread.
    pub voluntary_switches: Option<u64>,
    /// Of this one thread.
    pub involuntary_switches: Option<u64>,
}

impl Status {
    pub fn parse(text: &[u8]) -> Self {
        let mut status = Self::default();
        let mut kib = [None; 4];
        // The name comes first, and a line end in it is written as `\n`: it cannot pass for a line.
        for (name, value) in named_values(text) {
            match name {
                b"Uid" => status.uid = u32::try_from(value).ok(),
                b"VmHWM" => status.peak_rss_bytes = value.checked_mul(1024),
                b"RssAnon" => kib[0] = Some(value),
                b"RssFile" => kib[1] = Some(value),
                b"RssShmem" => kib[2] = Some(value),
                b"VmSwap" => kib[3] = Some(value),
                b"voluntary_ctxt_switches" => status.voluntary_switches = Some(value),
                b"nonvoluntary_ctxt_switches" => status.involuntary_switches = Some(value),
                _ => {}
            }
        }
        if let [Some(anon), Some(file), Some(shmem), Some(swap)] = kib {
            status.memory = Some(MemoryKinds {
                anon_bytes: anon.saturating_mul(1024),
                file_bytes: file.saturating_mul(1024),
                shmem_bytes: shmem.saturating_mul(1024),
                swap_bytes: swap.saturating_mul(1024),
            });
        }
        status
    }
}

/// From /proc/PID/io: of all threads, living and dead, and of the children that were waited for, whose
/// account the kernel adds to their parent's (`wait_task_zombie`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Through `read` and its like, whether or not a disk had to move.
    pub logical_read_bytes: Option<u64>,
    pub logical_write_bytes: Option<u64>,
    /// From storage.
    pub read_bytes: Option<u64>,
    pub write_bytes: Option<u64>,
    pub cancelled_write_bytes: Option<u64>,
}

impl Io {
    pub fn parse(text: &[u8]) -> Self {
        let mut io = Self::default();
        for (name, value) in named_values(text) {
            match name {
                b"rchar" => io.logical_read_bytes = Some(value),
                b"wchar" => io.logical_write_bytes = Some(value),
                b"read_bytes" => io.read_bytes = Some(value),
                b"write_bytes" => io.write_bytes = Some(value),
                b"cancelled_write_bytes" => io.cancelled_write_bytes = Some(value),
                _ => {}
            }
        }
        io
    }
}

/// From /proc/PID/schedstat: the scheduler's account of one thread, exact to the nanosecond but for
/// what it has been running since the last tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedStat {
    pub cpu_time_ns: u64,
    pub run_queue_wait_ns: u64,
    /// How often it came onto a CPU.
    runs: u64,
}

impl SchedStat {
    /// `None` also for the three zeros of a kernel that does not keep this account.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut fields = text.trim_ascii().split(|byte| *byte == b' ').map(decimal);
        let schedstat = Self {
            cpu_time_ns: fields.next()??,
            run_queue_wait_ns: fields.next()??,
            runs: fields.next()??,
        };
        (schedstat.runs > 0).then_some(schedstat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_status_is_read_in_spite_of_its_name() {
        let status = Status::parse(
            b"Name:\t\xff\\nUid: 7\nUid:\t1000\t0\t0\t0\nGroups:\t \nVmHWM:\t    1728 kB\nThreads:\t1\n\
              voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n",
        );
        let expected = Status {
            uid: Some(1000),
            peak_rss_bytes: Some(1728 * 1024),
            memory: None,
            voluntary_switches: Some(3),
            involuntary_switches: Some(4),
        };
        assert_eq!(status, expected);
    }

    #[test]
    fn memory_by_kind_is_known_whole_or_not_at_all() {
        let text = "RssAnon:\t 1 kB\nRssFile:\t 2 kB\nRssShmem:\t 3 kB\nVmSwap:\t 4 kB\n";
        let kinds = MemoryKinds {
            anon_bytes: 1024,
            file_bytes: 2048,
            shmem_bytes: 3072,
            swap_bytes: 4096,
        };
        assert_eq!(Status::parse(text.as_bytes()).memory, Some(kinds));
        let cut = &text[..text.len() - 15];
        assert_eq!(Status::parse(cut.as_bytes()).memory, None);
    }

    #[test]
    fn what_is_missing_or_cut_off_is_unknown() {
        assert_eq!(
            Status::parse(b"Uid:\nVmHWM: x kB\nUid 5"),
            Status::default()
        );
        let io = Io::parse(b"rchar: 1\nread_bytes: 99999999999999999999\nwch");
        let expected = Io {
            logical_read_bytes: Some(1),
            ..Io::default()
        };
        assert_eq!(io, expected);
        for text in ["", "1 2", "1 2 x", "-1 2 3", "0 0 0\n"] {
            assert_eq!(SchedStat::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        let check = |text: &str, expected| assert_eq!(decimal(text.as_bytes()), expected, "{text}");
        check("0", Some(0));
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", None);
        check("", None);
        check("+1", None);
        check("-1", None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_figures_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Status::parse(&bytes), Io::parse(&bytes), SchedStat::parse(&bytes));
        }

        #[test]
        fn a_number_is_read_as_it_was_written(number: u64) {
            prop_assert_eq!(decimal(number.to_string().as_bytes()), Some(number));
        }
    }
}
