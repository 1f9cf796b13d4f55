//! Programs and arguments, against what was passed.

use std::{
    ffi::{OsStr, OsString},
    os::unix::{ffi::OsStrExt as _, fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use procwatch_tests::{
    record::{Record, Recorder, array, number, text},
    short,
    skip::{figure, has_ebpf},
    workload::argument,
};
use serde_json::Value;

use crate::workload;

/// Bytes of a command line that are kept.
const KEPT: usize = 4096;

/// Runs to its end, and gives the pid.
fn end(command: &mut Command) -> u64 {
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id();
    child.wait().expect("waiting for a child");
    u64::from(pid)
}

/// The arguments as they are to be told: UTF-8 as it is, other bytes as `\xNN`, and of all of them,
/// each ended by a NUL, the first [`KEPT`] bytes.
fn told_as(argv: &[&[u8]]) -> (Vec<String>, bool) {
    let mut bytes = Vec::new();
    for argument in argv {
        bytes.extend_from_slice(argument);
        bytes.push(0);
    }
    let is_truncated = bytes.len() > KEPT;
    bytes.truncate(KEPT);
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    let spelled = |argument: &[u8]| {
        argument
            .utf8_chunks()
            .fold(String::new(), |mut spelled, chunk| {
                spelled.push_str(chunk.valid());
                for byte in chunk.invalid() {
                    spelled.push_str(&format!("\\x{byte:02x}"));
                }
                spelled
            })
    };
    (
        bytes.split(|byte| *byte == 0).map(spelled).collect(),
        is_truncated,
    )
}

#[test]
fn arguments_are_those_that_were_passed() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let program = short::program(directory.path(), "short");
    // Lengths that count: argv[0] is "a", and every argument has its NUL.
    let of_length = |total: usize| vec![b"a".to_vec(), vec![b'x'; total - 3]];
    let cases: Vec<Vec<Vec<u8>>> = vec![
        vec![b"".to_vec()],
        vec![b"".to_vec(), b"".to_vec(), b"".to_vec()],
        vec![b"two words".to_vec(), b" ".to_vec(), b"a  b".to_vec()],
        vec![
            b"new\nline".to_vec(),
            b"\r\n\t".to_vec(),
            b"\x1b[31m\x07\x7f".to_vec(),
        ],
        vec!["grüße".into(), "日本語 🦀".into(), "\u{202e}txt".into()],
        vec![
            b"\xff\xfe".to_vec(),
            b"caf\xe9".to_vec(),
            b"\xe2\x82".to_vec(),
            b"\xed\xa0\x80".to_vec(),
        ],
        vec![b"\"quoted\" \\back".to_vec(), b"{}[],:".to_vec()],
        of_length(KEPT - 1),
        of_length(KEPT),
        of_length(KEPT + 1),
        of_length(100_000),
        // The cut falls between two arguments, and right behind an empty one.
        vec![vec![b'x'; KEPT - 1], b"cut off".to_vec()],
        vec![vec![b'x'; KEPT - 2], b"".to_vec(), b"cut off".to_vec()],
        // The cut falls into a character of several bytes.
        vec![vec![b'x'; KEPT - 2], "\u{1f980}".into()],
        vec![b"many".to_vec(); 1000],
    ];
    let recorder = Recorder::start();
    let pids: Vec<_> = cases
        .iter()
        .map(|argv| {
            let mut command = Command::new(&program);
            command.arg0(OsStr::from_bytes(&argv[0]));
            command.args(argv[1..].iter().map(|argument| OsStr::from_bytes(argument)));
            end(&mut command)
        })
        .collect();
    let record = recorder.stop();
    record.assert_lossless();
    for (pid, argv) in pids.into_iter().zip(&cases) {
        let exec = record.the("exec", pid);
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let (expected, is_truncated) = told_as(&argv);
        let told: Vec<_> = array(exec, "argv").iter().map(Value::as_str).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|argument| Some(argument.as_str()))
            .collect();
        let lengths: Vec<_> = argv.iter().map(|argument| argument.len()).take(9).collect();
        assert!(
            told == expected,
            "arguments of lengths {lengths:?}: {told:?} for {expected:?}"
        );
        assert_eq!(
            exec["argv_truncated"], is_truncated,
            "arguments of lengths {lengths:?}"
        );
        // The end of the process still knows them.
        let exit = record.the("exit", pid);
        assert_eq!((&exit["argv"], &exit["exe"]), (&exec["argv"], &exec["exe"]));
    }
    figure(&format!(
        "argv: {} command lines, byte by byte",
        cases.len()
    ));
}

fn assert_exe(record: &Record, pid: u64, expected: &Path) {
    let exec = record.the("exec", pid);
    assert_eq!(text(exec, "exe"), argument(expected), "{exec}");
}

#[test]
fn the_executable_is_the_file_itself() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let place = directory.path().canonicalize().expect("our directory");
    let program = short::program(&place, "short");
    symlink(&program, place.join("link")).expect("a symlink");
    symlink(place.join("link"), place.join("link-to-link")).expect("a symlink");
    std::fs::create_dir(place.join("sub")).expect("a directory");
    let script = place.join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 7\n").expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("permissions");
    let odd = place.join("odd \n name \u{1f980}");
    short::write(&odd);
    let invalid = place.join(OsStr::from_bytes(b"inv\xffalid"));
    short::write(&invalid);
    let longest = place.join("n".repeat(255));
    short::write(&longest);
    let deleted = short::program(&place, "deleted");
    let shell = Path::new("/bin/sh").canonicalize().expect("a shell");

    let recorder = Recorder::start();
    let absolute = end(&mut Command::new(&program));
    let link = end(&mut Command::new(place.join("link-to-link")));
    let relative = end(Command::new("./short").current_dir(&place));
    let dotted = end(&mut Command::new(place.join("sub/../sub/.././short")));
    let interpreted = end(&mut Command::new(&script));
    let oddly_named = end(&mut Command::new(&odd));
    let invalidly_named = end(&mut Command::new(&invalid));
    let longest_named = end(&mut Command::new(&longest));
    let gone = end(&mut Command::new(&deleted));
    std::fs::remove_file(&deleted).expect("removing the program");
    let record = recorder.stop();

    for pid in [absolute, link, relative, dotted] {
        assert_exe(&record, pid, &program);
    }
    assert_exe(&record, interpreted, &shell);
    let exec = record.the("exec", interpreted);
    assert_eq!(text(exec, "comm"), "script");
    assert_eq!(array(exec, "argv"), ["/bin/sh", argument(&script)]);
    assert_eq!(record.the("exit", interpreted)["exit_code"], 7);
    assert_exe(&record, oddly_named, &odd);
    let exec = record.the("exec", invalidly_named);
    assert_eq!(
        text(exec, "exe"),
        format!("{}/inv\\xffalid", place.display())
    );
    assert_exe(&record, longest_named, &longest);
    assert_exe(&record, gone, &deleted);
}

/// A path of that many components, the file's name included.
fn deep(place: &Path, components: usize, name: &str) -> PathBuf {
    let mut path = place.to_owned();
    while path.iter().count() - 1 < components - 1 {
        path.push(name);
    }
    std::fs::create_dir_all(&path).expect("directories");
    path.push("short");
    short::write(&path);
    path
}

#[test]
fn a_path_too_deep_is_unknown_and_never_wrong() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let place = directory.path().canonicalize().expect("our directory");
    let mut paths: Vec<(PathBuf, bool)> = Vec::new();
    for components in [5, 20, 30, 38, 39, 40, 41, 42, 60, 200] {
        // `EXE_COMPONENTS_MAX` promises forty.
        paths.push((deep(&place, components, "d"), components <= 40));
    }
    // Long rather than deep: a kilobyte is promised.
    for length in 960..1060 {
        let mut path = place.clone();
        while path.as_os_str().len() + 202 < length - 6 {
            path.push("n".repeat(200));
        }
        let rest = (length - 6).saturating_sub(path.as_os_str().len() + 1);
        path.push("m".repeat(rest.max(1)));
        std::fs::create_dir_all(&path).expect("directories");
        path.push("short");
        short::write(&path);
        paths.push((path, length < 1020));
    }
    let recorder = Recorder::start();
    let pids: Vec<_> = paths
        .iter()
        .map(|(path, _)| end(&mut Command::new(path)))
        .collect();
    let record = recorder.stop();
    let mut unknown = 0;
    for (pid, (path, is_known)) in pids.into_iter().zip(&paths) {
        let exec = record.the("exec", pid);
        let is_null = exec["exe"].is_null();
        unknown += u32::from(is_null);
        let components = path.iter().count() - 1;
        let length = path.as_os_str().len();
        assert!(
            exec["exe"] == argument(path) || is_null && !is_known,
            "{components} components, {length} bytes: {}",
            exec["exe"]
        );
        assert_eq!(
            array(exec, "argv"),
            [argument(path)],
            "arguments do not depend on it"
        );
    }
    figure(&format!(
        "exe: {} deep or long paths, {unknown} unknown, none wrong",
        paths.len()
    ));
}

#[test]
fn an_executable_behind_mount_points_has_its_whole_path() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let place = directory.path().canonicalize().expect("our directory");
    let program = short::program(&place, "short");
    let mounts = place.join("mounts");
    std::fs::create_dir(&mounts).expect("a directory");
    let recorder = Recorder::start();
    let told = workload(&["mounts", argument(&mounts), argument(&program)]);
    let record = recorder.stop();
    let pid = number(&told["ended"], "pid");
    assert_exe(&record, pid, Path::new(text(&told, "path")));
    assert_eq!(record.the("exit", pid)["exit_code"], 8);
}

#[test]
fn an_executable_out_of_memory_is_named_as_proc_names_it() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let program = short::program(directory.path(), "short");
    let recorder = Recorder::start();
    let told = workload(&["memfd", argument(&program)]);
    let record = recorder.stop();
    let pid = number(&told, "pid");
    let exec = record.the("exec", pid);
    // proc_pid_exe(5): a file without a name in any directory reads as deleted.
    assert_eq!(text(exec, "exe"), "/memfd:hidden (deleted)");
    assert_eq!(array(exec, "argv"), ["out-of-memory", "9"]);
    assert_eq!(record.the("exit", pid)["exit_code"], 9);
}

#[test]
fn another_users_program_is_told_with_its_user() {
    if !has_ebpf() {
        return;
    }
    let directory = short::directory();
    let program = short::program(directory.path(), "short");
    let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let name_of = |uid: &str| {
        passwd.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            (fields.get(2) == Some(&uid)).then(|| fields[0].to_owned())
        })
    };
    // A user with a name, and one without.
    for uid in [65_534_u32, 4_000_000_001] {
        let recorder = Recorder::start();
        let pid = end(Command::new(&program).arg("3").uid(uid).gid(uid));
        let record = recorder.stop();
        for kind in ["exec", "exit"] {
            let event = record.the(kind, pid);
            assert_eq!(event["uid"], uid, "{event}");
            let name: Option<OsString> = name_of(&uid.to_string()).map(Into::into);
            assert_eq!(event["user"].as_str().map(Into::into), name, "{event}");
        }
        assert_eq!(record.the("fork", pid)["uid"], 0, "it was born as root's");
    }
}
