//! A process that writes files as it is told, and stays.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
};

use serde_json::json;

use crate::{limit, parse};

const PIECE: usize = 1 << 18;

/// Does what it reads line by line, and answers each line when it is done. No file stays open.
pub fn role() {
    limit::life();
    tell(&json!({"pid": std::process::id()}));
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["write", path, bytes] => write(path, parse(bytes)),
            ["map", path, bytes] => map(path, parse(bytes)),
            ["overwrite", path, from, bytes] => overwrite(path, parse(from), parse(bytes)),
            ["cut", path] => {
                File::create(path).expect("cutting a file off");
            }
            ["remove", path] => std::fs::remove_file(path).expect("removing a file"),
            ["direct", path, threads, bytes] => direct(path, parse(threads), parse(bytes)),
            other => panic!("unknown order {other:?}"),
        }
        tell(&json!({"done": words[0]}));
    }
    tell(&json!({"ended": true}));
}

fn tell(what: &serde_json::Value) {
    println!("{what}");
    std::io::stdout().flush().expect("somebody listens");
}

/// A new file, by write(2).
fn write(path: &str, bytes: u64) {
    fill(&File::create(path).expect("a file"), 0, bytes);
}

/// A part of a file that is there.
fn overwrite(path: &str, from: u64, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path);
    fill(&file.expect("a file"), from, bytes);
}

fn fill(file: &File, from: u64, bytes: u64) {
    let piece = vec![0x5a; PIECE];
    for at in (0..bytes).step_by(PIECE) {
        let length = PIECE.min((bytes - at) as usize);
        file.write_all_at(&piece[..length], from + at)
            .expect("writing");
    }
}

/// A new file, by storing to a shared mapping.
fn map(path: &str, bytes: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .expect("a file");
    file.set_len(bytes).expect("its length");
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let (length, fd) = (bytes as usize, file.as_raw_fd());
    // SAFETY: a new mapping of a file of that length, stored to within its bounds, and used no more.
    unsafe {
        let none = std::ptr::null_mut();
        let memory = libc::mmap(none, length, access, libc::MAP_SHARED, fd, 0);
        assert_ne!(memory, libc::MAP_FAILED, "mmap");
        for at in (0..length).step_by(4096) {
            memory.cast::<u8>().add(at).write_volatile(1);
        }
        libc::munmap(memory, length);
    }
}

/// Threads that write past the page cache, each to its own part; every other one has ended before the
/// next begins.
fn direct(path: &str, threads: u64, bytes: u64) {
    let one = move |path: &str, number: u64| {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)
            .expect("a device");
        // O_DIRECT wants aligned memory.
        let mut memory = vec![0x33_u8; PIECE + 4096];
        let skip = memory.as_ptr().align_offset(4096);
        let piece = &mut memory[skip..skip + PIECE];
        for at in (0..bytes).step_by(PIECE) {
            let length = PIECE.min((bytes - at) as usize);
            file.write_all_at(&piece[..length], number * bytes + at)
                .expect("writing past the page cache");
        }
    };
    let mut running = Vec::new();
    for number in 0..threads {
        let path = path.to_owned();
        let thread = std::thread::spawn(move || one(&path, number));
        if number % 2 == 0 {
            thread.join().expect("a thread");
        } else {
            running.push(thread);
        }
    }
    for thread in running {
        thread.join().expect("a thread");
    }
}
