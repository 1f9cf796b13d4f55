//! A panic gives the terminal back before it is told.
//!
//! The test starts itself on a terminal of its own, takes the terminal as the live view does, and panics.

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsRawFd as _, FromRawFd as _},
    process::Command,
};

use procwatch::tui::terminal::Screen;

/// Set in the process that is to panic.
const PANICS: &str = "PROCWATCH_TEST_PANICS";

fn open_terminal() -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: valid pointers; the others may be null.
    let error = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    assert_eq!(error, 0, "a terminal");
    // SAFETY: just opened, and each is taken once.
    unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) }
}

fn modes(terminal: &File) -> libc::tcflag_t {
    // SAFETY: all zeros is a valid termios, which the call fills in.
    unsafe {
        let mut modes: libc::termios = std::mem::zeroed();
        libc::tcgetattr(terminal.as_raw_fd(), &raw mut modes);
        modes.c_lflag
    }
}

#[test]
fn a_panic_gives_the_terminal_back() {
    if std::env::var_os(PANICS).is_some() {
        let _screen = Screen::take().expect("the terminal");
        panic!("as it was told to");
    }
    let (mut ours, theirs) = open_terminal();
    let before = modes(&ours);
    let end = || theirs.try_clone().expect("a descriptor");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["a_panic_gives_the_terminal_back", "--nocapture"])
        .env(PANICS, "1")
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .expect("this program again");
    let status = child.wait().expect("waiting for our own child");
    assert!(!status.success(), "it panicked");
    assert_eq!(
        modes(&ours),
        before,
        "the terminal's modes are as they were"
    );
    drop(theirs);
    let mut shown = Vec::new();
    // Ends with an error when nobody has the other end any more.
    let _ = ours.read_to_end(&mut shown);
    let shown = String::from_utf8_lossy(&shown);
    let at = |what: &str| {
        shown
            .rfind(what)
            .unwrap_or_else(|| panic!("no {what:?} in {shown:?}"))
    };
    assert!(
        at("\x1b[?1049l") < at("as it was told to"),
        "told on the usual screen: {shown:?}"
    );
    assert!(
        shown.contains("\x1b[?1049h") && shown.contains("\x1b[?25h"),
        "{shown:?}"
    );
}
