//! The limits of this process that programs and maps count against.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a session and one pass over /proc need, with room to spare: one for each program, map and
/// link.
const DESCRIPTORS: u64 = 1024;

/// Raises what stands in the way, as far as this process may. What it may not raise is found out, and said,
/// when the kernel refuses something for it.
pub(super) fn raise() {
    let files = getrlimit(Resource::Nofile);
    if files.current.is_some_and(|current| current < DESCRIPTORS) {
        let wanted = Rlimit {
            current: Some(
                files
                    .maximum
                    .map_or(DESCRIPTORS, |max| max.min(DESCRIPTORS)),
            ),
            ..files
        };
        let _ = setrlimit(Resource::Nofile, wanted);
    }
    // Before 5.11 maps count as locked memory; 64 KiB of it are usual.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if setrlimit(Resource::Memlock, unlimited).is_err() {
        let memory = getrlimit(Resource::Memlock);
        let _ = setrlimit(
            Resource::Memlock,
            Rlimit {
                current: memory.maximum,
                ..memory
            },
        );
    }
}
