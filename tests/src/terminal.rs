//! A terminal of our own: a program runs on it, and we read the screen and press the keys.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Both ends of a new terminal of so many columns and lines: ours, and the program's.
///
/// # Panics
/// When the system has none left.
pub fn open(columns: u16, lines: u16) -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    let size = winsize(columns, lines);
    // SAFETY: valid pointers; name and attributes may be null.
    let error = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            (&raw const size).cast_mut(),
        )
    };
    assert_eq!(error, 0, "a terminal");
    for fd in [ours, theirs] {
        // SAFETY: just opened; takes numbers.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: openpty has just made them, and each is taken once.
    unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) }
}

fn winsize(columns: u16, lines: u16) -> libc::winsize {
    libc::winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn some(size: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(size).expect("a terminal has lines and columns")
}

/// A program on a terminal. Dropping it kills the program.
pub struct OnTerminal {
    child: Child,
    ours: Option<File>,
    /// What a person would see.
    screen: Arc<Mutex<vt100::Parser>>,
}

impl OnTerminal {
    /// Starts a program with the terminal as its own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, columns: u16, lines: u16) -> Self {
        let (ours, theirs) = open(columns, lines);
        let end = || theirs.try_clone().expect("a descriptor");
        command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(end())
            .stdout(end())
            .stderr(end());
        // SAFETY: between fork and exec, system calls alone.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().expect("the program starts");
        drop(theirs);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            some(lines),
            some(columns),
            0,
        )));
        let mut reader = ours.try_clone().expect("a descriptor");
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                seen.lock().expect("no panic").process(&bytes[..read]);
            }
        });
        Self {
            child,
            ours: Some(ours),
            screen,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Presses keys, as the bytes that a terminal sends for them.
    ///
    /// # Panics
    /// When the terminal has been hung up.
    pub fn press(&mut self, keys: &str) {
        let ours = self.ours.as_mut().expect("hung up");
        ours.write_all(keys.as_bytes()).expect("the keys are taken");
    }

    /// What is on the screen.
    ///
    /// # Panics
    /// When the reading thread has panicked.
    pub fn text(&self) -> String {
        self.with_screen(vt100::Screen::contents)
    }

    /// Waits until something is true of the screen's text.
    ///
    /// # Panics
    /// When it does not come true.
    pub fn wait_for(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        self.wait_so_long_for(what, PATIENCE, is_there)
    }

    /// The same, for longer than other things may take.
    ///
    /// # Panics
    /// When it does not come true.
    pub fn wait_so_long_for(
        &self,
        what: &str,
        patience: Duration,
        is_there: impl Fn(&str) -> bool,
    ) -> String {
        let deadline = Instant::now() + patience;
        loop {
            let text = self.text();
            if is_there(&text) {
                return text;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}; the screen is\n{text}"
            );
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Whether the program has the other screen, the mouse, or hides the cursor.
    ///
    /// # Panics
    /// When the reading thread has panicked.
    pub fn is_taken(&self) -> bool {
        self.with_screen(|screen| {
            screen.alternate_screen()
                || screen.hide_cursor()
                || screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None
        })
    }

    /// Whether every cell has the terminal's own colours.
    ///
    /// # Panics
    /// When the reading thread has panicked.
    pub fn is_colourless(&self) -> bool {
        self.with_screen(|screen| {
            let (lines, columns) = screen.size();
            let (lines, columns) = (lines.get(), columns.get());
            let cells = (0..lines).flat_map(|line| (0..columns).map(move |column| (line, column)));
            cells
                .filter_map(|(line, column)| screen.cell(line, column))
                .all(|cell| {
                    cell.fgcolor() == vt100::Color::Default
                        && cell.bgcolor() == vt100::Color::Default
                })
        })
    }

    /// Whether keys are echoed and lines edited by the terminal, as a shell wants it.
    ///
    /// # Panics
    /// When the terminal has been hung up.
    pub fn is_cooked(&self) -> bool {
        let ours = self.ours.as_ref().expect("hung up");
        // SAFETY: all zeros is a valid termios, which the call fills in.
        let modes = unsafe {
            let mut modes: libc::termios = std::mem::zeroed();
            libc::tcgetattr(ours.as_raw_fd(), &raw mut modes);
            modes
        };
        modes.c_lflag & (libc::ECHO | libc::ICANON) == libc::ECHO | libc::ICANON
    }

    /// Asks something of the screen.
    ///
    /// # Panics
    /// When the reading thread has panicked.
    pub fn with_screen<T>(&self, ask: impl FnOnce(&vt100::Screen) -> T) -> T {
        ask(self.screen.lock().expect("no panic").screen())
    }

    /// Makes the terminal another size, as pulling at a window's corner does.
    ///
    /// # Panics
    /// When the terminal has been hung up.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        let size = winsize(columns, lines);
        let ours = self.ours.as_ref().expect("hung up");
        let mut parser = self.screen.lock().expect("no panic");
        parser.screen_mut().set_size(some(lines), some(columns));
        // SAFETY: the structure lives until the call returns.
        unsafe { libc::ioctl(ours.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: i32) {
        // SAFETY: takes numbers; the child is ours and not waited for yet.
        unsafe { libc::kill(self.child.id().cast_signed(), signal) };
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(&mut self) -> ExitStatus {
        until("the program's end", PATIENCE, || {
            self.child.try_wait().expect("waiting for our own child")
        })
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
