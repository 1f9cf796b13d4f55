//! The time namespace that we are in: its clocks, and the times since boot in its /proc, run ahead of those in
//! the kernel's records by a fixed offset (time_namespaces(7)).

use std::path::Path;

/// The inode of the first time namespace is a constant of the kernel (`PROC_TIME_INIT_INO`).
const INITIAL: &str = "time:[4026531834]";

/// How far `CLOCK_BOOTTIME`, and the starts of processes in /proc, are ahead of the host's, in nanoseconds; 0 on
/// kernels without such namespaces. `None` when that cannot be told.
///
/// The kernel shows the offsets of the namespace that our children will be in. Before 6.2 that is another one
/// than ours when whoever started us had left theirs and not forked since.
pub fn boottime_offset_ns(proc: &Path) -> Option<i64> {
    let namespaces = proc.join("self/ns");
    let Ok(own) = std::fs::read_link(namespaces.join("time")) else {
        return Some(0);
    };
    if own == Path::new(INITIAL) {
        return Some(0);
    }
    let of_children = std::fs::read_link(namespaces.join("time_for_children")).ok()?;
    if own != of_children {
        return None;
    }
    offset_of(&std::fs::read_to_string(proc.join("self/timens_offsets")).ok()?)
}

fn offset_of(offsets: &str) -> Option<i64> {
    let mut words = offsets
        .lines()
        .map(str::split_ascii_whitespace)
        // The first kernels tell the clock's number.
        .find_map(|mut words| matches!(words.next(), Some("boottime" | "7")).then_some(words))?;
    let seconds: i64 = words.next()?.parse().ok()?;
    let nanoseconds: i64 = words.next()?.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    /// A /proc where we are in one namespace, and our children will be in another.
    fn proc(own: &str, of_children: &str, offsets: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let namespaces = directory.path().join("self/ns");
        fs::create_dir_all(&namespaces).unwrap();
        symlink(own, namespaces.join("time")).unwrap();
        symlink(of_children, namespaces.join("time_for_children")).unwrap();
        fs::write(directory.path().join("self/timens_offsets"), offsets).unwrap();
        directory
    }

    const OFFSETS: &str = "monotonic        -5         0\nboottime        -3         250000000\n";

    #[test]
    fn an_offset_is_that_of_the_namespace_we_are_in() {
        let inside = proc("time:[1]", "time:[1]", OFFSETS);
        assert_eq!(boottime_offset_ns(inside.path()), Some(-2_750_000_000));
        let about_to_leave = proc(INITIAL, "time:[1]", OFFSETS);
        assert_eq!(boottime_offset_ns(about_to_leave.path()), Some(0));
        let between = proc("time:[1]", "time:[2]", OFFSETS);
        assert_eq!(boottime_offset_ns(between.path()), None);
    }

    #[test]
    fn a_kernel_without_such_namespaces_has_no_offset() {
        let bare = tempfile::tempdir().unwrap();
        assert_eq!(boottime_offset_ns(bare.path()), Some(0));
        assert_eq!(boottime_offset_ns(Path::new("/proc")), Some(0));
    }

    #[test]
    fn what_is_no_offset_is_unknown() {
        for text in [
            "",
            "boottime",
            "boottime 1",
            "boottime x 0",
            "monotonic 1 0\n",
        ] {
            assert_eq!(offset_of(text), None, "{text}");
        }
        assert_eq!(offset_of("boottime 9223372036854775807 0"), None);
        assert_eq!(offset_of("1 5 0\n7 6 1\n"), Some(6_000_000_001));
    }
}
