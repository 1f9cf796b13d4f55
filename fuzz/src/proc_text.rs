//! The files of /proc, and /etc/passwd.

use std::{os::unix::ffi::OsStrExt as _, str};

use procwatch::{
    kernel::fdinfo_figure,
    model::facts::kernel_text,
    procfs::text::{
        CgroupMounts, CpuTimes, Io, Membership, SchedStat, Stat, Status, argv, boot_time_s,
        decimal, disks, interfaces, named_values, user_names,
    },
};

/// A process's `stat`: a name, whatever is in it, cannot be taken for the fields behind it.
pub(crate) fn stat(bytes: &[u8]) {
    if let Some(stat) = Stat::parse(bytes) {
        assert_eq!(stat.comm.0[15], 0);
        // A line break at the end is none of the fields.
        assert_eq!(Stat::parse(&[bytes, b"\n"].concat()), Some(stat));
        let _ = (stat.is_dead(), stat.is_kernel_thread());
    }
    // A pid holds no bracket, and what follows the name none either.
    let line = [
        b"42 (",
        bytes,
        b") S 7 1 1 0 -1 0 100 200 3 4 50 60 7 8 20 -10 2 0 12345 1000000 250",
    ];
    let named = Stat::parse(&line.concat()).expect("a name hid the fields");
    assert_eq!((named.state, named.ppid, named.threads), (b'S', 7, 2));
    assert_eq!((named.start_ticks, named.rss_pages), (12345, 250));
    let kept = bytes.len().min(15);
    assert_eq!(named.comm.0[..kept], bytes[..kept]);
}

/// `status`, `io`, `schedstat`, `smaps_rollup`, `cmdline` and a program's fdinfo: a figure stands on a line
/// of its own, and lines that say something else do not change it.
pub(crate) fn figures(bytes: &[u8]) {
    let (status, io) = (Status::parse(bytes), Io::parse(bytes));
    let followed = [bytes, b"\nNothing: 1\nUid\nVmHWM: x\n:\n"].concat();
    assert_eq!(Status::parse(&followed), status);
    assert_eq!(Io::parse(&followed), io);
    for (name, value) in named_values(bytes) {
        assert!(!name.contains(&b'\n') && !name.contains(&b':'));
        let line = [name, b":\t", value.to_string().as_bytes(), b" kB"].concat();
        assert_eq!(named_values(&line).collect::<Vec<_>>(), [(name, value)]);
    }
    if let Some(number) = decimal(bytes) {
        let written = str::from_utf8(bytes).unwrap().trim_start_matches('0');
        assert_eq!(number.to_string().trim_start_matches('0'), written);
    }
    if let Some(schedstat) = SchedStat::parse(bytes) {
        let (cpu, wait) = (schedstat.cpu_time_ns, schedstat.run_queue_wait_ns);
        assert_eq!(
            SchedStat::parse(format!("{cpu} {wait} 0\n").as_bytes()),
            None
        );
    }
    let arguments = argv(bytes);
    assert!(arguments.ends_with('\0') && arguments.len() <= 4 * 4096 + 1);
    let fdinfo = format!("{}\nrecursion_misses:\t24\n", kernel_text(bytes));
    let has_none = !kernel_text(bytes).contains("recursion_misses:");
    assert!(!has_none || fdinfo_figure(&fdinfo, "recursion_misses") == Some(24));
}

/// `cgroup`: a group has a path from the root, which may name a container.
pub(crate) fn cgroup(bytes: &[u8]) {
    let text = kernel_text(bytes);
    let Some(membership) = Membership::parse(&text) else {
        return;
    };
    assert!(membership.path.starts_with('/') && text.contains(&*membership.path));
    if let Some(container) = membership.container() {
        assert!(!container.is_empty() && !container.contains('/'));
        assert!(membership.path.contains(&*container));
    }
    let unified = format!("0::{}\n", membership.path);
    assert_eq!(Membership::parse(&unified), Some(membership));
}

/// `mountinfo`: a mount that another user made hides none of ours, and a mount point is read back.
pub(crate) fn mounts(bytes: &[u8]) {
    let mounts = CgroupMounts::parse(bytes);
    let ours = b"30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
    let with_ours = CgroupMounts::parse(&[bytes, b"\n", ours].concat());
    assert!(with_ours.unified.is_some());
    assert_eq!(with_ours.has_v1_controllers, mounts.has_v1_controllers);
    // As the kernel writes a path (`mangle_path`).
    let escaped: String = bytes
        .iter()
        .map(|byte| match byte {
            b'!'..=b'[' | b']'..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\{byte:03o}"),
        })
        .collect();
    let line = format!("30 24 0:26 / /{escaped} rw,nosuid - cgroup2 cgroup2 rw\n");
    let point = CgroupMounts::parse(line.as_bytes()).unified;
    let point = point.expect("a mount point hid its mount");
    assert_eq!(point.as_os_str().as_bytes(), [b"/", bytes].concat());
}

/// `diskstats` and `net/dev`: a line cut off is left out, and takes no other with it.
pub(crate) fn devices(bytes: &[u8]) {
    let disk = b"\n 254 0 vda 1 2 3\n";
    let (number, name) = disks(&[bytes, disk].concat()).last().unwrap();
    assert_eq!((number.major, number.minor, &*name), (254, 0, "vda"));
    let interface = b"\n  eth0: 100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\n";
    let all = [bytes, interface].concat();
    let found = interfaces(&all).last().unwrap();
    assert_eq!(
        (&*found.name, found.received_bytes, found.sent_bytes),
        ("eth0", 100, 200)
    );
    assert_eq!(
        disks(bytes).count() + 1,
        disks(&[bytes, disk].concat()).count()
    );
    assert_eq!(interfaces(bytes).count() + 1, interfaces(&all).count());
    for found in interfaces(bytes) {
        assert!(!found.name.contains('\n'));
    }
}

/// The host's `stat` and `meminfo`.
pub(crate) fn host(bytes: &[u8]) {
    if let Some(times) = CpuTimes::parse(bytes) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        assert!((times.cpus as usize) < lines);
        let (idle, steal) = (times.idle_ticks, times.steal_ticks);
        let again = format!("cpu  0 0 0 {idle} 0 0 0 {steal}\ncpu0");
        let again = CpuTimes::parse(again.as_bytes()).unwrap();
        assert_eq!((again.idle_ticks, again.steal_ticks), (idle, steal));
    }
    if let Some(boot_s) = boot_time_s(bytes) {
        assert_eq!(
            boot_time_s(format!("btime {boot_s}\n").as_bytes()),
            Some(boot_s)
        );
    }
    for (name, _) in named_values(bytes) {
        assert!(!name.contains(&b'\n'));
    }
}

/// `passwd`: a user has one name without a colon, that of the first line; lines behind that change nothing.
pub(crate) fn passwd(bytes: &[u8]) {
    let names = user_names(bytes);
    for name in names.values() {
        assert!(!name.is_empty() && !name.contains([':', '\n']));
        assert!(!name.starts_with(['+', '-', '#']));
    }
    let mut all = user_names(&[bytes, b"\nlast:x:4294967295:0::/:/bin/sh\n"].concat());
    let last = all.remove(&u32::MAX).expect("the last line was not read");
    match names.get(&u32::MAX) {
        Some(first) => assert_eq!(*first, last),
        None => assert_eq!(&*last, "last"),
    }
    let mut others = names;
    others.remove(&u32::MAX);
    assert_eq!(all, others);
}
