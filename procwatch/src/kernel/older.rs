//! The object for kernels that lack a type of map.
//!
//! A loader makes every map of an object, whether or not a program will use it, and one that the kernel does
//! not know fails the whole. Map types are array lengths in the object's type information, where one can be
//! changed for another.

use super::{btf::Btf, refusal::AttachError};

/// How every BTF section of an object begins: magic, version, flags, and the length of the header.
const BTF_START: [u8; 8] = [0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
const TASK_STORAGE: u32 = 29;
const HASH: u32 = 1;

/// Whether tracing programs of this kernel can keep something with a task: since 5.13.
pub(super) fn has_task_storage() -> bool {
    kernel_version().is_none_or(|version| version >= (5, 13))
}

/// The running kernel's. `None` when its release does not begin with two numbers.
pub(super) fn kernel_version() -> Option<(u32, u32)> {
    version(&rustix::system::uname().release().to_string_lossy())
}

/// The first two numbers of a release such as `5.10.0-32-cloud-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The object with its task storage made a hash table.
///
/// # Errors
/// When the object has not exactly one such map: it is not the one that this program was built with.
pub(super) fn without_task_storage(object: &[u8]) -> Result<Vec<u8>, AttachError> {
    let unfit = |what: &str| AttachError::Load(format!("the object has {what}"));
    let start = object
        .windows(BTF_START.len())
        .position(|window| window == BTF_START)
        .ok_or_else(|| unfit("no type information"))?;
    let section = object.get(start..).unwrap_or_default().to_vec();
    let types = Btf::parse(section, &[]).map_err(|_| unfit("no valid type information"))?;
    let [length_at] = types.array_lengths_at(TASK_STORAGE)[..] else {
        return Err(unfit("no single task storage"));
    };
    let mut older = object.to_vec();
    let at = start + length_at;
    let length = older
        .get_mut(at..at + size_of::<u32>())
        .ok_or_else(|| unfit("type information that is cut off"))?;
    length.copy_from_slice(&HASH.to_ne_bytes());
    Ok(older)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_begin_with_two_numbers() {
        let check = |release, expected| assert_eq!(version(release), expected, "{release}");
        check("5.10.0-32-cloud-amd64", Some((5, 10)));
        check("6.18.44-fc-v669", Some((6, 18)));
        check("7.2+rc1", Some((7, 2)));
        check("kernel", None);
    }

    #[test]
    fn our_object_has_one_task_storage() {
        let object = super::super::session::object();
        let older = without_task_storage(object).unwrap();
        let differences = object.iter().zip(&older).filter(|(a, b)| a != b);
        assert_eq!(differences.count(), 1, "29 became 1");
        assert!(without_task_storage(&older).is_err());
    }
}
