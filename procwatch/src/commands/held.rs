//! A program that is started, and held before its first instruction.
//!
//! It is forked off before anything else happens here, with all the rights that its user has, and waits for a word; what
//! procwatch gives up afterwards is procwatch's own.

use std::{
    ffi::{CString, OsStr, OsString},
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rustix::fs::Access;

/// What a shell says of a program that it could not start.
const NOT_STARTED: i32 = 127;

/// Who waits for [`Held::release`].
pub(super) struct Held {
    pub pid: u32,
    word: File,
    /// Says an errno when the program could not be started; closed by its start.
    failure: File,
}

impl Held {
    /// Forks. To be called while there is one thread. With `quiet` the program's standard output becomes its standard
    /// error, for ours carries data.
    ///
    /// # Errors
    /// When there is no such program, or no room for another process.
    pub(super) fn fork(command: &[OsString], quiet: bool) -> super::Result<Self> {
        let Some(name) = command.first() else {
            bail!("there is no program to trace");
        };
        let path = find(name)?;
        let text = |text: &OsStr| {
            CString::new(text.as_bytes()).context("a program's argument has a NUL in it")
        };
        let path = text(path.as_os_str())?;
        let arguments: Vec<CString> = command
            .iter()
            .map(|argument| text(argument))
            .collect::<super::Result<_>>()?;
        let mut pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(std::ptr::null());
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (word_end, word) = pipe().context("a pipe")?;
        let (failure, failure_end) = pipe().context("a pipe")?;
        // SAFETY: there is one thread, so the child may do what this process may.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()).context("starting a process"),
            0 => {
                drop((word, failure));
                wait_and_become(&word_end, &failure_end, &path, &pointers, quiet)
            }
            pid => Ok(Self {
                pid: pid.unsigned_abs(),
                word: word.into(),
                failure: failure.into(),
            }),
        }
    }

    /// Lets the program begin.
    ///
    /// # Errors
    /// When it could not be started.
    pub(super) fn release(mut self) -> super::Result<()> {
        self.word
            .write_all(&[1])
            .context("letting the program begin")?;
        let mut errno = [0; 4];
        match self.failure.read_exact(&mut errno) {
            // Closed without a word: it runs.
            Err(_) => Ok(()),
            Ok(()) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno)))
                .context("the program could not be started"),
        }
    }
}

/// What the child does: it waits, and becomes the program.
fn wait_and_become(
    word: &OwnedFd,
    failure: &OwnedFd,
    path: &CString,
    arguments: &[*const libc::c_char],
    quiet: bool,
) -> ! {
    let mut byte = 0u8;
    // SAFETY: plain system calls on descriptors and memory of ours; the arguments end with a null pointer.
    unsafe {
        // Rust ignores it. Now, while nobody traces: what is traced is the program's own.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if quiet {
            libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
        }
        // Without a word from whoever traces: it has failed, and said so.
        if libc::read(word.as_raw_fd(), (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(NOT_STARTED);
        }
        libc::execv(path.as_ptr(), arguments.as_ptr());
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        let errno = errno.to_ne_bytes();
        libc::write(failure.as_raw_fd(), errno.as_ptr().cast(), errno.len());
        libc::_exit(NOT_STARTED)
    }
}

/// As a shell looks for it, so that the program's own first call is the one that starts it.
fn find(name: &OsStr) -> super::Result<PathBuf> {
    let is_program =
        |path: &Path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    let shown = || {
        let lossy = name.to_string_lossy();
        crate::model::escape::quoted(&lossy)
    };
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        if !is_program(&path) {
            bail!("{} is no program that can be run", shown());
        }
        return Ok(path);
    }
    let places =
        std::env::var_os("PATH").map_or_else(|| b"/usr/bin:/bin".to_vec(), OsString::into_vec);
    let found = std::env::split_paths(OsStr::from_bytes(&places))
        .map(|place| place.join(name))
        .find(|path| is_program(path));
    match found {
        Some(path) => Ok(path),
        None => bail!(
            "there is no program {}; is it in the PATH of this user?",
            shown()
        ),
    }
}
