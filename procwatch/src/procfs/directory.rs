//! One process's directory, held open.

use std::{ffi::CStr, io, os::fd::OwnedFd};

use rustix::{
    buffer::spare_capacity,
    fs::{Mode, OFlags, RawDir, openat},
    io::{Errno, read},
    path::DecInt,
};

/// More of a file is not read: a `status` with tens of thousands of groups is cut.
pub(super) const FILE_MAX: usize = 64 * 1024;
/// What most files fit into.
const FILE_USUAL: usize = 4096;

/// Why a file of a process could not be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// There is no such process any more, or this kernel has no such file.
    Gone,
    /// The process may be there all the same.
    Failed(io::Error),
}

impl From<Errno> for Unreadable {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::SRCH => Self::Gone,
            errno => Self::Failed(errno.into()),
        }
    }
}

/// Reads below it fail once the process is gone, also when its pid has come back since.
#[derive(Debug)]
pub(super) struct ProcessDirectory(OwnedFd);

impl ProcessDirectory {
    pub(super) fn open(root: &OwnedFd, pid: u32) -> Result<Self, Unreadable> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(root, DecInt::new(pid), flags, Mode::empty())?))
    }

    /// Reads at most `limit` bytes of a file into `buffer`, in place of what that held.
    pub(super) fn read<'buffer>(
        &self,
        file: &CStr,
        limit: usize,
        buffer: &'buffer mut Vec<u8>,
    ) -> Result<&'buffer [u8], Unreadable> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.0, file, flags, Mode::empty())?;
        buffer.clear();
        buffer.reserve(FILE_USUAL);
        while buffer.len() < limit {
            if buffer.len() == buffer.capacity() {
                buffer.reserve(buffer.len());
            }
            match read(&file, spare_capacity(buffer)) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        buffer.truncate(limit);
        Ok(buffer)
    }

    /// What a symbolic link points to. `None` when it cannot be told.
    pub(super) fn link(&self, file: &CStr) -> Option<Vec<u8>> {
        let target = rustix::fs::readlinkat(&self.0, file, Vec::new()).ok()?;
        Some(target.into_bytes())
    }

    /// The first of the process's threads that `find` takes, given the directory of each.
    pub(super) fn find_thread<T>(&self, mut find: impl FnMut(Self) -> Option<T>) -> Option<T> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let task = openat(&self.0, c"task", flags | OFlags::RDONLY, Mode::empty()).ok()?;
        let mut buffer = Vec::with_capacity(FILE_USUAL);
        let mut entries = RawDir::new(&task, buffer.spare_capacity_mut());
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            if let Ok(thread) = openat(&task, name, flags | OFlags::PATH, Mode::empty())
                && let Some(found) = find(Self(thread))
            {
                return Some(found);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, process::Command};

    fn root(path: &std::path::Path) -> OwnedFd {
        fs::File::open(path).unwrap().into()
    }

    #[test]
    fn a_file_is_read_whole_up_to_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("7")).unwrap();
        let content: Vec<u8> = (0..30_000).map(|byte| byte as u8).collect();
        fs::write(directory.path().join("7/long"), &content).unwrap();
        let process = ProcessDirectory::open(&root(directory.path()), 7).unwrap();
        let mut buffer = b"of before".to_vec();
        assert_eq!(
            process.read(c"long", FILE_MAX, &mut buffer).unwrap(),
            content
        );
        assert_eq!(
            process.read(c"long", 10, &mut buffer).unwrap(),
            &content[..10]
        );
        assert!(matches!(
            process.read(c"none", 10, &mut buffer),
            Err(Unreadable::Gone)
        ));
    }

    #[test]
    fn a_process_that_has_ended_is_gone_from_its_directory() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let process = ProcessDirectory::open(&root("/proc".as_ref()), child.id()).unwrap();
        let mut buffer = Vec::new();
        assert!(process.read(c"stat", FILE_MAX, &mut buffer).is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(
            process.read(c"stat", FILE_MAX, &mut buffer),
            Err(Unreadable::Gone)
        ));
        assert!(process.find_thread(Some).is_none());
    }
}
