//! /proc/PID/stat. Read by hand: it is read most often of all, and the name in it may hold anything.

/// What one line of stat tells. Times are in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat<'a> {
    /// The name, as bytes: it may be no text, and hold brackets and line ends.
    pub comm: &'a [u8],
    pub state: u8,
    pub ppid: u32,
    pub flags: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub threads: u32,
    /// From boot to its start.
    pub start_ticks: u64,
    pub rss_pages: u64,
    /// As `wait4` reports it; 0 to readers without the right to trace the process.
    pub exit_code: u32,
}

/// `PF_KTHREAD`.
const KERNEL_THREAD: u64 = 0x0020_0000;

impl<'a> Stat<'a> {
    /// `None` when the line is not in the form of proc(5).
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        // The name may hold brackets itself; nothing after it does.
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let comm = line.get(open + 1..close)?;
        let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc(5) counts from 1, and the state is its third.
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |at: usize| field(at)?.parse::<u64>().ok();
        Some(Self {
            comm,
            state: *field(3)?.as_bytes().first()?,
            ppid: field(4)?.parse().ok()?,
            flags: number(9)?,
            minor_faults: number(10)?,
            major_faults: number(12)?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            threads: field(20)?.parse().ok()?,
            start_ticks: number(22)?,
            rss_pages: number(24)?,
            exit_code: field(52).and_then(|code| code.parse().ok()).unwrap_or(0),
        })
    }

    pub(super) fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(comm: &str) -> String {
        let mut line = format!(
            "42 ({comm}) S 7 1 1 0 -1 4194560 100 200 3 4 50 60 7 8 20 0 2 0 12345 1000000 250"
        );
        for _ in 25..52 {
            line.push_str(" 0");
        }
        line + " 768"
    }

    #[test]
    fn fields_are_those_of_the_manual() {
        let text = line("name");
        let stat = Stat::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (stat.ppid, stat.minor_faults, stat.major_faults),
            (7, 100, 3)
        );
        assert_eq!((stat.user_ticks, stat.system_ticks), (50, 60));
        assert_eq!(
            (stat.threads, stat.start_ticks, stat.rss_pages),
            (2, 12345, 250)
        );
        assert_eq!(stat.exit_code, 768);
    }

    #[test]
    fn a_name_cannot_pass_itself_off_as_fields() {
        for name in ["a) R 1 (b", ") S 0", "((", "x y\nz"] {
            let text = line(name);
            let stat = Stat::parse(text.as_bytes()).unwrap();
            assert_eq!((stat.comm, stat.ppid), (name.as_bytes(), 7));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stat::parse(&bytes);
        }
    }
}
