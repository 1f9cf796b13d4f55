//! The socket's place in the file system.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// Who may look besides root.
const GROUP: &str = "procwatch";
/// The host's groups. Deliberately not by way of the name service switch, which may wait for a server.
const GROUPS: &str = "/etc/group";

/// A socket that viewers find. Its file goes with it.
#[derive(Debug)]
pub struct Place {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Of the file: another may have taken its place.
    inode: u64,
    /// Why only its owner may connect. `None` where members of the group may, too.
    pub only_owner: Option<String>,
}

/// Why no socket was made.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("another recorder answers there")]
    Taken,
    #[error("there is something else of that name")]
    NoSocket,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Place {
    /// Makes the socket. To be done before rights are given up, and while there is one thread: the file is ours
    /// alone until its group has been set.
    ///
    /// # Errors
    /// When another recorder answers there already, or the file cannot be made.
    pub fn make(path: &Path) -> Result<Self, PlaceError> {
        if let Some(directory) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o755).create(directory)?;
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(PlaceError::NoSocket),
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(PlaceError::Taken),
            // Of a recorder that was killed.
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = listener?;
        listener.set_nonblocking(true)?;
        let only_owner = share(path).err();
        Ok(Self {
            listener,
            inode: fs::symlink_metadata(path)?.ino(),
            path: path.to_owned(),
            only_owner,
        })
    }

    /// The directory, which the socket is removed from in the end.
    pub fn directory(path: &Path) -> PathBuf {
        path.parent().map_or_else(|| ".".into(), Path::to_owned)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Lets the group in.
fn share(path: &Path) -> Result<(), String> {
    let groups = fs::read_to_string(GROUPS).map_err(|error| format!("{GROUPS}: {error}"))?;
    let group = id(&groups, GROUP).ok_or_else(|| {
        format!(
            "there is no group {GROUP}; `groupadd --system {GROUP}` makes it, from the next start on"
        )
    })?;
    std::os::unix::fs::chown(path, None, Some(group))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o660)))
        .map_err(|error| format!("it cannot be given to group {GROUP}: {error}"))
}

/// A group's number: the third field of its line in group(5).
fn id(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name() {
        let groups = "root:x:0:\nprocwatchers:x:7:\nprocwatch:x:991:ann,ben\nbad:x\n";
        assert_eq!(id(groups, "procwatch"), Some(991));
        assert_eq!(id(groups, "bad"), None);
        assert_eq!(id(groups, "nobody"), None);
    }

    #[test]
    fn a_socket_is_made_once_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/socket");
        let place = Place::make(&path).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(
            mode,
            if place.only_owner.is_none() {
                0o660
            } else {
                0o600
            }
        );
        assert!(matches!(Place::make(&path), Err(PlaceError::Taken)));
        drop(place);
        assert!(!path.exists());

        // One that nobody answers on is left over, and a file is none.
        drop(UnixListener::bind(&path).unwrap());
        drop(Place::make(&path).unwrap());
        fs::write(&path, "mine").unwrap();
        assert!(matches!(Place::make(&path), Err(PlaceError::NoSocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
