//! Names of signals.

/// As in signal(7), on x86 and ARM; `SIGRTMIN+N` for those of real time.
pub fn name(number: u32) -> String {
    const NAMES: [&str; 32] = [
        "0", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
        "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
        "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match NAMES.get(number as usize) {
        Some(name) if number > 0 => format!("SIG{name}"),
        // The C library keeps the first two for itself.
        _ if (32..=64).contains(&number) => format!("SIGRTMIN{:+}", i64::from(number) - 34),
        _ => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names() {
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(31), "SIGSYS");
        assert_eq!(name(34), "SIGRTMIN+0");
        assert_eq!(name(0), "signal 0");
        assert_eq!(name(65), "signal 65");
    }
}
