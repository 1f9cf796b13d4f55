//! What watching costs a context switch: two processes that pass a byte to and fro on one CPU, bare,
//! under `procwatch top`, and under `runqlat`, in alternation.

mod support;

use std::{process::Stdio, time::Duration};

use support::{Running, command, find, is_quick, median, print_machine};

fn main() {
    print_machine();
    let (rounds, loops) = if is_quick() {
        (2, 50_000)
    } else {
        (8, 300_000)
    };
    let runqlat = find("runqlat");
    if runqlat.is_none() {
        println!("runqlat is absent: package libbpf-tools");
    }
    let (mut bare, mut ours, mut theirs) = (vec![], vec![], vec![]);
    for _ in 0..rounds {
        bare.push(ping_pong(loops));
        {
            let _running = Running::ready(&["top", "--limit", "20"], Stdio::null());
            ours.push(ping_pong(loops));
        }
        if let Some(runqlat) = &runqlat {
            let _running = Running::start(command(runqlat, &[]));
            std::thread::sleep(Duration::from_secs(1));
            theirs.push(ping_pong(loops));
        }
    }
    println!(
        "\na byte to and fro on one CPU, {rounds} rounds; median ± half the quartiles' distance"
    );
    for (name, values) in [
        ("bare", &bare),
        ("procwatch top", &ours),
        ("runqlat", &theirs),
    ] {
        if !values.is_empty() {
            let (median, spread) = median(values);
            println!("  {name:<16} {median:6.3} µs ± {spread:.3}");
        }
    }
}

/// Microseconds for a byte to go to another process and come back, both on CPU 0.
fn ping_pong(loops: u32) -> f64 {
    let (mut to, mut from) = ([0; 2], [0; 2]);
    // SAFETY: arrays of two descriptors each.
    let error = unsafe { libc::pipe(to.as_mut_ptr()) | libc::pipe(from.as_mut_ptr()) };
    assert_eq!(error, 0, "pipes");
    let mut byte = [0u8; 1];
    // SAFETY: the child only makes system calls, and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "a process could be forked");
    let before = pin_to_first_cpu();
    let (read, write) = if child == 0 {
        (to[0], from[1])
    } else {
        (from[0], to[1])
    };
    let start = std::time::Instant::now();
    for _ in 0..loops {
        // SAFETY: open descriptors and a buffer of one byte.
        unsafe {
            if child == 0 {
                libc::read(read, byte.as_mut_ptr().cast(), 1);
                libc::write(write, byte.as_ptr().cast(), 1);
            } else {
                libc::write(write, byte.as_ptr().cast(), 1);
                libc::read(read, byte.as_mut_ptr().cast(), 1);
            }
        }
    }
    let took = start.elapsed();
    // SAFETY: the child ends here; the parent waits for it and closes what it opened.
    unsafe {
        if child == 0 {
            libc::_exit(0);
        }
        libc::waitpid(child, std::ptr::null_mut(), 0);
        libc::sched_setaffinity(0, size_of_val(&before), &raw const before);
        for fd in [to[0], to[1], from[0], from[1]] {
            libc::close(fd);
        }
    }
    took.as_secs_f64() * 1e6 / f64::from(loops)
}

/// Moves this process to CPU 0, and returns where it was allowed to run before.
fn pin_to_first_cpu() -> libc::cpu_set_t {
    // SAFETY: a zeroed set is empty; both sets are valid for their size.
    unsafe {
        let mut before: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&before), &raw mut before);
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        let error = libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
        assert_eq!(error, 0, "CPU 0");
        before
    }
}
