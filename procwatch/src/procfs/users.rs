//! User names, off /etc/passwd.
//!
//! Deliberately not by way of the name service switch: it may ask a directory server, and wait for it.

use std::{fs, io::Read as _, path::PathBuf, sync::Arc, time::SystemTime};

use hashbrown::HashMap;

/// Between two looks at whether the file has changed.
const CHECK_INTERVAL_NS: u64 = 10_000_000_000;
/// More of the file than this is not read.
const FILE_MAX: u64 = 16 << 20;

/// The names of users by their ids.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    names: HashMap<u32, Arc<str>>,
    modified: Option<SystemTime>,
    next_check_ns: u64,
}

impl Users {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            names: HashMap::new(),
            modified: None,
            next_check_ns: 0,
        }
    }

    /// The name of a user at this time since boot. `None` when the file has none for the id.
    pub fn name(&mut self, uid: u32, now_ns: u64) -> Option<Arc<str>> {
        if now_ns >= self.next_check_ns {
            self.next_check_ns = now_ns.saturating_add(CHECK_INTERVAL_NS);
            self.reread_if_changed();
        }
        self.names.get(&uid).cloned()
    }

    fn reread_if_changed(&mut self) {
        let Ok(file) = fs::File::open(&self.path) else {
            return;
        };
        let modified = file
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok();
        if modified.is_some() && modified == self.modified {
            return;
        }
        let mut text = Vec::new();
        if file.take(FILE_MAX).read_to_end(&mut text).is_ok() {
            self.modified = modified;
            self.names = parse(&String::from_utf8_lossy(&text));
        }
    }
}

/// The first line of an id counts, as it does for `getpwuid`.
fn parse(text: &str) -> HashMap<u32, Arc<str>> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (name, uid) = (
            fields.next(),
            fields.nth(1).and_then(|uid| uid.parse().ok()),
        );
        if let (Some(name), Some(uid)) = (name, uid) {
            names.entry(uid).or_insert_with(|| name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_read_again_but_not_at_every_question() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwd");
        let mut users = Users::new(&path);
        assert_eq!(users.name(0, 0), None);
        fs::write(
            &path,
            "root:x:0:0::/root:/bin/sh\ntoor:x:0:0\n:::\nbad\nweb:x:33:33",
        )
        .unwrap();
        assert_eq!(users.name(0, 1), None);
        assert_eq!(users.name(0, CHECK_INTERVAL_NS).as_deref(), Some("root"));
        assert_eq!(users.name(33, CHECK_INTERVAL_NS).as_deref(), Some("web"));
        assert_eq!(users.name(1, CHECK_INTERVAL_NS), None);
    }
}
