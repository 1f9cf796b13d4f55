//! Memory of a cgroup.

use std::{
    io::{Read as _, Write as _},
    path::Path,
};

/// Moves into a cgroup, takes that much memory there and touches all of it, says so, and holds it until
/// standard input ends.
pub fn allocate(cgroup: &str, mebibytes: usize) {
    std::fs::write(Path::new(cgroup).join("cgroup.procs"), "0").expect("entering the cgroup");
    let memory: Vec<Vec<u8>> = (0..mebibytes).map(|_| vec![1; 1 << 20]).collect();
    println!("null");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read(&mut [0]);
    drop(memory);
}
