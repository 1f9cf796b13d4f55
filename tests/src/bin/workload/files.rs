//! I/O, and whose it is.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::AsRawFd as _,
};

use serde_json::{Value, json};

use crate::{
    child::{Shared, fork, wait},
    threads::Io,
};

const COUNTERS: [(&str, &str); 5] = [
    ("rchar", "logical_read_bytes"),
    ("wchar", "logical_write_bytes"),
    ("read_bytes", "read_bytes"),
    ("write_bytes", "write_bytes"),
    ("cancelled_write_bytes", "cancelled_write_bytes"),
];

/// What the counters of the calling thread are when it ends now, given that nobody else's are in them.
fn tell(shared: &Shared) {
    let io = Io::read("/proc/thread-self/io");
    for (slot, (name, _)) in COUNTERS.iter().enumerate() {
        let own = if slot == 0 { io.own_read_bytes } else { 0 };
        shared.set(slot, io.get(name) + own);
    }
}

fn told(shared: &Shared) -> Value {
    let pairs = COUNTERS.iter().enumerate();
    pairs
        .map(|(slot, (_, name))| ((*name).to_owned(), json!(shared.get(slot))))
        .collect()
}

/// One process that writes a file in odd pieces, syncs it, drops it from the page cache, reads it back
/// from storage, and cuts off another file whose pages were never written.
pub fn own(directory: &str) -> Value {
    const PIECE: usize = 4099;
    const PIECES: usize = 251;
    let shared = Shared::new(COUNTERS.len());
    let path = format!("{directory}/data");
    let pid = fork(|| {
        let mut file = File::create(&path).expect("a file");
        for _ in 0..PIECES {
            file.write_all(&[7; PIECE]).expect("writing");
        }
        file.sync_all().expect("syncing");
        // SAFETY: a descriptor of ours.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        let mut file = File::open(&path).expect("the file");
        let mut buffer = [0; 3001];
        while file.read(&mut buffer).expect("reading") > 0 {}
        let mut cut = File::create(format!("{path}-cut")).expect("a file");
        cut.write_all(&[8; 100_000]).expect("writing");
        cut.set_len(0).expect("cutting off");
        tell(&shared);
        0
    });
    let ended = wait(pid).json();
    json!({"ended": ended, "written": PIECE * PIECES + 100_000, "io": told(&shared)})
}

/// A process whose children move far more than itself, and which reaps them: the kernel folds their
/// counters into its group's, and still they are not its own.
pub fn reaper(children: u64) -> Value {
    let shared = Shared::new(COUNTERS.len());
    let of_group = Shared::new(1);
    let pid = fork(|| {
        for _ in 0..children {
            wait(fork(|| {
                std::fs::write("/dev/null", vec![0; 1_000_000]).expect("writing to nowhere");
                let mut buffer = vec![0; 500_000];
                let mut zeros = File::open("/dev/zero").expect("zeros");
                zeros.read_exact(&mut buffer).expect("reading zeros");
                0
            }));
        }
        std::fs::write("/dev/null", [0; 1234]).expect("writing to nowhere");
        of_group.set(0, Io::read("/proc/self/io").get("wchar"));
        tell(&shared);
        0
    });
    let ended = wait(pid).json();
    json!({"ended": ended, "io": told(&shared), "logical_write_bytes_of_group": of_group.get(0)})
}
