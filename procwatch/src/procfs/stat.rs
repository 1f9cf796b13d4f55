//! /proc/PID/stat. Read by hand: it is read most often of all, and the name in it may hold anything.

use ::procfs::process::StatFlags;

use super::figures::decimal;
use crate::model::observation::Comm;

/// What one line of stat tells. Times are in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// As the kernel's records have it, without the work that stat puts behind a kworker's name.
    pub comm: Comm,
    /// Of the main thread.
    pub state: u8,
    /// 0 for what has no parent, or none in our pid namespace.
    pub ppid: u32,
    flags: u64,
    /// Of all threads, living and dead, as the next three.
    pub minor_faults: u64,
    pub major_faults: u64,
    pub user_ticks: u64,
    pub system_ticks: u64,
    /// Not yet released: a main thread that has ended before the others counts.
    pub threads: u32,
    /// From boot to its start.
    pub start_ticks: u64,
    pub rss_pages: u64,
    /// Where its arguments lie; another place after each exec where addresses are random. 0 to
    /// readers without the right to trace the process.
    pub argv_address: u64,
    /// As `wait4` reports it; 0 to readers without the right to trace the process.
    pub exit_code: u32,
}

impl Stat {
    /// `None` when the line is not in the form of proc(5).
    pub fn parse(line: &[u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        // The name may hold brackets itself; nothing after it does.
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let name = line.get(open + 1..close)?;
        // proc(5) counts from 1; the state is its third field.
        let mut fields = line[close + 1..]
            .trim_ascii()
            .split(|byte| *byte == b' ')
            .skip_while(|f| f.is_empty());
        let state = *fields.next()?.first()?;
        let ppid = decimal(fields.next()?)?.try_into().ok()?;
        let flags = decimal(fields.nth(9 - 5)?)?;
        Some(Self {
            comm: comm(name, StatFlags::from_bits_retain(flags as u32)),
            state,
            ppid,
            flags,
            minor_faults: decimal(fields.next()?)?,
            major_faults: decimal(fields.nth(12 - 11)?)?,
            user_ticks: decimal(fields.nth(14 - 13)?)?,
            system_ticks: decimal(fields.next()?)?,
            threads: decimal(fields.nth(20 - 16)?)?.try_into().ok()?,
            start_ticks: decimal(fields.nth(22 - 21)?)?,
            rss_pages: decimal(fields.nth(24 - 23)?)?,
            argv_address: fields.nth(48 - 25).and_then(decimal).unwrap_or(0),
            exit_code: fields
                .nth(52 - 49)
                .and_then(decimal)
                .and_then(|code| code.try_into().ok())
                .unwrap_or(0),
        })
    }

    pub fn is_kernel_thread(&self) -> bool {
        self.flags & u64::from(StatFlags::PF_KTHREAD.bits()) != 0
    }

    /// The main thread has ended; the process too when that was its only one.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// The task's own name of at most 15 bytes. Of a kernel worker stat tells `NAME-WORK` or `NAME+WORK`,
/// another each time (`wq_worker_comm`), and of other kernel threads a longer form.
fn comm(name: &[u8], flags: StatFlags) -> Comm {
    let is_sign = |byte: &u8| matches!(byte, b'-' | b'+');
    let colon = name.iter().position(|byte| *byte == b':');
    let end = match colon {
        // kworker/CPU:ID has a colon, and kworker/R-QUEUE, which is one with its work, has not.
        Some(colon) if flags.contains(StatFlags::PF_WQ_WORKER | StatFlags::PF_KTHREAD) => name
            [colon..]
            .iter()
            .position(is_sign)
            .map_or(name.len(), |sign| colon + sign),
        _ => name.len(),
    };
    let mut comm = Comm::default();
    let len = end.min(comm.0.len() - 1);
    comm.0[..len].copy_from_slice(&name[..len]);
    comm
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(comm: &[u8], flags: u32) -> Vec<u8> {
        let mut line = b"42 (".to_vec();
        line.extend(comm);
        let rest =
            format!(") S 7 1 1 0 -1 {flags} 100 200 3 4 50 60 7 8 20 -10 2 0 12345 1000000 250");
        line.extend(rest.into_bytes());
        for field in 25..52 {
            line.extend(if field == 48 { " 4242" } else { " 0" }.bytes());
        }
        line.extend(b" 768\n");
        line
    }

    #[test]
    fn fields_are_those_of_the_manual() {
        let stat = Stat::parse(&line(b"name", 0x0040_0000)).unwrap();
        assert_eq!((stat.state, stat.ppid), (b'S', 7));
        assert_eq!((stat.minor_faults, stat.major_faults), (100, 3));
        assert_eq!((stat.user_ticks, stat.system_ticks), (50, 60));
        assert_eq!(
            (stat.threads, stat.start_ticks, stat.rss_pages),
            (2, 12345, 250)
        );
        assert_eq!((stat.argv_address, stat.exit_code), (4242, 768));
        assert!(!stat.is_kernel_thread() && !stat.is_dead());
    }

    #[test]
    fn a_name_cannot_pass_itself_off_as_fields() {
        for name in [
            &b"a) R 1 (b"[..],
            b") S 0",
            b"((",
            b"x y\nz",
            b"\xff)\x80",
            b"",
        ] {
            let stat = Stat::parse(&line(name, 0)).unwrap();
            assert_eq!(stat.ppid, 7);
            assert_eq!(stat.comm.text(), crate::model::facts::kernel_text(name));
        }
    }

    #[test]
    fn a_kernel_worker_keeps_its_name_whatever_its_work() {
        let check = |shown: &str, expected: &str| {
            let stat = Stat::parse(&line(shown.as_bytes(), 0x0420_8060)).unwrap();
            assert!(stat.is_kernel_thread());
            assert_eq!(stat.comm.text(), expected);
        };
        check("kworker/0:0H-events_highpri", "kworker/0:0H");
        check("kworker/u8:2+flush-254:0", "kworker/u8:2");
        check("kworker/u8:2", "kworker/u8:2");
        check("kworker/R-kvfree_rcu_reclaim", "kworker/R-kvfre");
        let program = Stat::parse(&line(b"a:b-c", 0)).unwrap();
        assert_eq!(program.comm.text(), "a:b-c");
    }

    #[test]
    fn a_line_that_is_cut_off_is_none() {
        let whole = line(b"name", 0);
        let start = whole.windows(4).position(|bytes| bytes == b" 250").unwrap();
        for end in 0..=start {
            assert_eq!(Stat::parse(&whole[..end]), None, "{end}");
        }
        // From here on only what not every reader gets is missing.
        assert!(Stat::parse(&whole[..start + 4]).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stat::parse(&bytes);
        }

        #[test]
        fn any_name_leaves_the_fields_alone(name in proptest::collection::vec(any::<u8>(), 0..70), flags: u32) {
            let stat = Stat::parse(&line(&name, flags)).unwrap();
            prop_assert_eq!((stat.ppid, stat.start_ticks), (7, 12345));
        }
    }
}
