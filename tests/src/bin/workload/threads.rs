//! What the kernel tells a thread of itself.

/// Nanoseconds that the calling thread has waited for a CPU.
pub fn run_queue_wait_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let wait = text
        .split_ascii_whitespace()
        .nth(1)
        .expect("a second number");
    wait.parse().expect("a number")
}

/// One reading of an io file of /proc, with one read(2).
pub struct Io {
    text: String,
    /// What reading it added to `rchar`, after the number in it was made.
    pub own_read_bytes: u64,
}

impl Io {
    /// `path` is `/proc/self/io` for the process with its reaped children, or `/proc/thread-self/io` for
    /// the calling thread alone.
    pub fn read(path: &str) -> Self {
        use std::io::Read as _;
        let mut buffer = [0; 1024];
        let mut file = std::fs::File::open(path).expect("an io file");
        let length = file.read(&mut buffer).expect("reading an io file");
        Self {
            text: String::from_utf8_lossy(&buffer[..length]).into_owned(),
            own_read_bytes: length as u64,
        }
    }

    pub fn get(&self, name: &str) -> u64 {
        let line = self
            .text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.text))
            .parse()
            .expect("a number")
    }
}
