//! Files that go, or become another process's, after they were opened and before they are read.

use std::{ffi::CString, io::Write as _, os::unix::ffi::OsStrExt as _, thread::JoinHandle};

use super::*;

/// A file whose reader is held at its first read: once it is open, `meanwhile` happens, and then this is its content.
fn held(
    path: PathBuf,
    content: String,
    meanwhile: impl FnOnce() + Send + 'static,
) -> JoinHandle<()> {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a text that ends with a null byte.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    std::thread::spawn(move || {
        // Opens when the reader does.
        let mut file = fs::File::options().write(true).open(path).unwrap();
        meanwhile();
        file.write_all(content.as_bytes()).unwrap();
    })
}

fn io(bytes: u64) -> String {
    format!(
        "rchar: {bytes}\nwchar: {bytes}\nread_bytes: {bytes}\nwrite_bytes: {bytes}\ncancelled_write_bytes: 0\n"
    )
}

#[test]
fn a_process_that_goes_while_its_stat_is_read_leaves_the_rest_unknown() {
    let mut fake = Fake::new();
    fake.write("42/io", io(7));
    fake.write("42/cmdline", "name\0");
    let directory = fake.path("42");
    let writer = held(fake.path("42/stat"), PROGRAM.text(42), move || {
        fs::remove_dir_all(directory).unwrap();
    });
    let sample = fake.sample(42);
    writer.join().unwrap();
    assert_eq!(sample.id, ProcessId::new(42, 100 * fake.root.tick_ns()));
    assert_eq!(sample.totals.get(Counter::MinorFaults), Some(11));
    for unknown in [Counter::LogicalRead, Counter::Write, Counter::RunQueueWait] {
        assert_eq!(sample.totals.get(unknown), None, "{unknown:?}");
    }
    assert_eq!((&sample.facts.argv, sample.facts.uid), (&None, None));
    assert!(matches!(
        fake.root.try_sample(42, &mut OneUser, |_| None),
        Ok(None)
    ));
}

#[test]
fn nothing_of_the_next_holder_of_a_pid_gets_into_the_one_before() {
    let mut fake = Fake::new();
    fake.write("42/io", io(7));
    let (directory, next) = (fake.path("42"), fake.path("next"));
    fs::create_dir(&next).unwrap();
    fs::write(next.join("io"), io(1_000_000)).unwrap();
    fs::write(next.join("cmdline"), "next\0").unwrap();
    let later = Line {
        start: 101,
        ..PROGRAM
    };
    fs::write(next.join("stat"), later.text(42)).unwrap();
    let writer = held(fake.path("42/stat"), PROGRAM.text(42), move || {
        fs::remove_dir_all(&directory).unwrap();
        fs::rename(next, directory).unwrap();
    });
    let before = fake.sample(42);
    writer.join().unwrap();
    assert_eq!(before.totals.get(Counter::LogicalRead), None);
    assert_eq!(before.facts.argv, None);
    let after = fake.sample(42);
    assert!(after.id > before.id);
    assert_eq!(after.totals.get(Counter::LogicalRead), Some(1_000_000));
    assert_eq!(after.facts.argv.as_deref(), Some("next\0"));
    // Of one that has been read before it keeps nothing either.
    let known = fake.root.try_sample(42, &mut OneUser, |_| None).unwrap();
    assert_eq!(
        known.unwrap().totals.get(Counter::LogicalRead),
        Some(1_000_000)
    );
}

#[test]
fn files_that_are_empty_or_cut_or_may_not_be_read_leave_the_process_in_place() {
    let mut fake = Fake::new();
    fake.stat(42, PROGRAM);
    let whole = [
        ("io", io(7)),
        (
            "status",
            "Name:\tname\nUid:\t1000\t1000\t1000\t1000\nVmHWM:\t 100 kB\n".to_owned(),
        ),
        ("schedstat", "5 6 7\n".to_owned()),
        ("cmdline", "name\0-x\0".to_owned()),
        ("cgroup", "0::/group\n".to_owned()),
    ];
    for (name, content) in &whole {
        for length in 0..=content.len() {
            fake.write(&format!("42/{name}"), &content[..length]);
            assert_eq!(fake.sample(42).totals.get(Counter::MinorFaults), Some(11));
        }
        // A directory cannot be read, whoever we are.
        fs::remove_file(fake.path(&format!("42/{name}"))).unwrap();
        fs::create_dir(fake.path(&format!("42/{name}"))).unwrap();
        assert_eq!(fake.sample(42).totals.get(Counter::MinorFaults), Some(11));
        fs::remove_dir(fake.path(&format!("42/{name}"))).unwrap();
        fake.write(&format!("42/{name}"), content);
    }
    let sample = fake.sample(42);
    assert_eq!(sample.totals.get(Counter::LogicalRead), Some(7));
    assert_eq!(sample.facts.uid, Some(1000));
}
