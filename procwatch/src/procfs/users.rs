//! User names, off /etc/passwd.
//!
//! Deliberately not by way of the name service switch: it may ask a directory server, and wait for it.

use std::{fs, io::Read as _, os::unix::fs::MetadataExt as _, path::PathBuf, sync::Arc};

use hashbrown::HashMap;

use super::figures::decimal;
use crate::model::facts::kernel_text;

/// Between two looks at whether the file has changed.
const CHECK_INTERVAL_NS: u64 = 10_000_000_000;
/// More of the file than this is not read.
const FILE_MAX: u64 = 16 << 20;

/// The names of users by their ids.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    names: HashMap<u32, Arc<str>>,
    read: Option<Version>,
    next_check_ns: u64,
}

/// What changes with a file's content: its tools write a new file and move that in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Users {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            names: HashMap::new(),
            read: None,
            next_check_ns: 0,
        }
    }

    /// The name of a user at this time since boot. `None` when the file has none for the id. While the
    /// file cannot be read, its names are those of before.
    pub fn name(&mut self, uid: u32, now_ns: u64) -> Option<Arc<str>> {
        if now_ns >= self.next_check_ns {
            self.next_check_ns = now_ns.saturating_add(CHECK_INTERVAL_NS);
            // A file that cannot be read now may be at the next look.
            self.read_if_changed().ok();
        }
        self.names.get(&uid).cloned()
    }

    fn read_if_changed(&mut self) -> std::io::Result<()> {
        let file = fs::File::open(&self.path)?;
        let metadata = file.metadata()?;
        let version = Version {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        };
        if self.read == Some(version) {
            return Ok(());
        }
        let mut text = Vec::new();
        file.take(FILE_MAX).read_to_end(&mut text)?;
        self.read = Some(version);
        self.names = user_names(&text);
        Ok(())
    }
}

/// The first line of an id counts, as it does for `getpwuid`. Lines that start with a sign refer to
/// a directory server and name nobody.
pub fn user_names(text: &[u8]) -> HashMap<u32, Arc<str>> {
    let mut names = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1).and_then(decimal)) else {
            continue;
        };
        if let Ok(uid) = u32::try_from(uid)
            && !matches!(name.first(), None | Some(b'+' | b'-' | b'#'))
        {
            names.entry(uid).or_insert_with(|| kernel_text(name).into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_name_of_an_id_counts() {
        let text =
            b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0\n:x:1:1\nbad\n+:x:2:2\n#old:x:3:3\n:::\n\
                     m\xfcller:x:4:4:\nbig:x:4294967296:5\nweb:x:33:33";
        let names = user_names(text);
        let mut ids: Vec<_> = names.iter().map(|(id, name)| (*id, &**name)).collect();
        ids.sort_unstable();
        assert_eq!(ids, [(0, "root"), (4, "m\\xfcller"), (33, "web")]);
    }

    #[test]
    fn a_changed_file_is_read_again_but_not_at_every_question() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwd");
        let mut users = Users::new(&path);
        assert_eq!(users.name(0, 0), None);
        fs::write(&path, "root:x:0:0::/root:/bin/sh\n").unwrap();
        assert_eq!(users.name(0, CHECK_INTERVAL_NS - 1), None);
        assert_eq!(users.name(0, CHECK_INTERVAL_NS).as_deref(), Some("root"));
        assert_eq!(users.name(33, CHECK_INTERVAL_NS), None);
        // Moved in place with the same length and time: only the file is another.
        let old = fs::metadata(&path).unwrap();
        let new = directory.path().join("new");
        fs::write(&new, "boss:x:0:0::/root:/bin/sh\n").unwrap();
        let file = fs::File::options().write(true).open(&new).unwrap();
        file.set_modified(old.modified().unwrap()).unwrap();
        fs::rename(&new, &path).unwrap();
        assert_eq!(
            users.name(0, 2 * CHECK_INTERVAL_NS).as_deref(),
            Some("boss")
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(
            users.name(0, 3 * CHECK_INTERVAL_NS).as_deref(),
            Some("boss")
        );
    }

    #[test]
    fn a_name_is_shared() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwd");
        fs::write(&path, "root:x:0:0\n").unwrap();
        let mut users = Users::new(&path);
        let (one, other) = (users.name(0, 0).unwrap(), users.name(0, 1).unwrap());
        assert!(Arc::ptr_eq(&one, &other));
    }

    proptest! {
        #[test]
        fn any_bytes_are_users_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = user_names(&bytes);
        }
    }
}
