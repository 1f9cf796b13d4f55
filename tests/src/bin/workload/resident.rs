//! Memory of every kind, taken once or held.

use std::{
    fs::File,
    io::{BufRead as _, Write as _},
    os::fd::AsRawFd as _,
};

use serde_json::json;

use crate::{
    child::{self, execute},
    limit, parse,
};

const PAGE: usize = 4096;

/// Pages that a CPU may have counted for itself alone: fewer than any kernel's batch.
const PIECE: usize = 13;

/// Takes memory in one way, and ends.
pub fn take(arguments: &[&str]) {
    limit::life();
    match arguments {
        ["anon", kib] => drop(Region::anonymous(pages(kib), false).touched()),
        ["shared", kib] => drop(Region::anonymous(pages(kib), true).touched()),
        // From storage, page by page: major faults.
        ["cold-file", path, kib] => {
            let file = File::open(path).expect("a file");
            // SAFETY: a descriptor of ours.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
            drop(Region::of_file(path, pages(kib)).random().read());
        }
        ["file", path, kib] => drop(Region::of_file(path, pages(kib)).read()),
        // Copies of a file's pages, which are no file's any more.
        ["copied-file", path, kib] => drop(Region::of_file(path, pages(kib)).read().touched()),
        ["given-back", kib] => {
            drop(Region::anonymous(pages(kib), false).touched());
            drop(Region::anonymous(pages(kib) / 4, false).touched());
        }
        ["stack", kib] => {
            let stack = parse::<usize>(kib) * 1024;
            let thread = std::thread::Builder::new().stack_size(4 * stack + (1 << 20));
            let thread = thread.spawn(move || deep(stack)).expect("a thread");
            thread.join().expect("a thread");
        }
        ["threads", kib] => {
            let each = pages(kib) / 4;
            let threads: Vec<_> = (0..4)
                .map(|_| std::thread::spawn(move || drop(Region::anonymous(each, false).touched())))
                .collect();
            for thread in threads {
                thread.join().expect("a thread");
            }
        }
        // Its highest is that of a program that it no longer is.
        ["before-exec", kib, program] => {
            std::mem::forget(Region::anonymous(pages(kib), false).touched());
            execute(program, &[program]);
        }
        other => panic!("unknown way to take memory {other:?}"),
    }
}

/// Takes memory as it reads line by line, answers each line when that is done, and holds it all.
pub fn hold() {
    limit::life();
    tell(&json!({"pid": std::process::id()}));
    let mut held = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["anon", kib] => held.push(Region::anonymous(pages(kib), false).touched()),
            ["shared", kib] => held.push(Region::anonymous(pages(kib), true).touched()),
            ["file", path, kib] => held.push(Region::of_file(path, pages(kib)).read()),
            ["give-back"] => drop(held.pop()),
            // On every CPU in turn, some pages of each kind.
            ["everywhere", path] => {
                let cpus = std::thread::available_parallelism().map_or(1, usize::from);
                for cpu in (0..cpus).chain(0..cpus) {
                    move_to(cpu);
                    held.push(Region::anonymous(PIECE, false).touched());
                    held.push(Region::anonymous(PIECE - 4, true).touched());
                    held.push(Region::of_file(path, PIECE - 6).read());
                }
            }
            ["page-out"] => held.iter().for_each(Region::page_out),
            // A child that has the same pages, and lives as long.
            ["share"] => {
                let parent = std::process::id();
                child::fork(|| {
                    limit::life();
                    // SAFETY: plain system calls.
                    unsafe {
                        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                        if libc::getppid().unsigned_abs() == parent {
                            libc::pause();
                        }
                    }
                    0
                });
            }
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

fn pages(kib: &str) -> usize {
    parse::<usize>(kib) * 1024 / PAGE
}

fn move_to(cpu: usize) {
    // SAFETY: a zeroed set is empty, and valid for its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        // Where that is refused, it stays where it is.
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

/// Uses that much stack, or a few times as much where the compiler keeps copies.
fn deep(bytes: usize) -> u64 {
    let frame = std::hint::black_box([1_u8; PAGE]);
    if bytes <= PAGE {
        return u64::from(frame[0]);
    }
    deep(bytes - PAGE) + u64::from(std::hint::black_box(&frame)[1])
}

/// A mapping.
struct Region {
    memory: *mut u8,
    pages: usize,
}

impl Region {
    fn map(pages: usize, flags: i32, fd: i32) -> Self {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), pages * PAGE, access, flags, fd, 0) };
        assert_ne!(
            memory,
            libc::MAP_FAILED,
            "mmap: {}",
            std::io::Error::last_os_error()
        );
        let region = Self {
            memory: memory.cast(),
            pages,
        };
        // Page by page, whatever the host's policy.
        region.advise(libc::MADV_NOHUGEPAGE);
        region
    }

    fn anonymous(pages: usize, is_shared: bool) -> Self {
        let sharing = if is_shared {
            libc::MAP_SHARED
        } else {
            libc::MAP_PRIVATE
        };
        Self::map(pages, sharing | libc::MAP_ANONYMOUS, -1)
    }

    fn of_file(path: &str, pages: usize) -> Self {
        let file = File::open(path).expect("a file");
        let length = file.metadata().expect("its length").len() as usize;
        assert!(length >= pages * PAGE, "the file is long enough");
        Self::map(pages, libc::MAP_PRIVATE, file.as_raw_fd())
    }

    fn advise(&self, advice: i32) {
        // SAFETY: the region is mapped. Advice that a kernel does not know it refuses.
        unsafe { libc::madvise(self.memory.cast(), self.pages * PAGE, advice) };
    }

    /// Without reading ahead or around.
    fn random(self) -> Self {
        self.advise(libc::MADV_RANDOM);
        self
    }

    /// Writes to every page, each something else.
    fn touched(self) -> Self {
        for page in 0..self.pages {
            // SAFETY: within the region, which is aligned to pages.
            unsafe {
                let at = self.memory.add(page * PAGE).cast::<usize>();
                at.write_volatile(page + 1);
            }
        }
        self
    }

    fn read(self) -> Self {
        for page in 0..self.pages {
            // SAFETY: within the region.
            unsafe { self.memory.add(page * PAGE).read_volatile() };
        }
        self
    }

    fn page_out(&self) {
        self.advise(libc::MADV_PAGEOUT);
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: mapped by us, and used no more.
        unsafe { libc::munmap(self.memory.cast(), self.pages * PAGE) };
    }
}
