//! What watching costs a context switch: two processes that pass a byte to and fro on one CPU, bare,
//! under `procwatch top`, under `procwatch latency`, and under `runqlat`, in alternation.

mod support;

use std::process::Stdio;

use support::{Running, command, find, is_quick, median, print_machine, toss};

fn main() {
    print_machine(&[("runqlat", "--version")]);
    let (rounds, loops) = if is_quick() {
        (3, 50_000)
    } else {
        (10, 300_000)
    };
    let runqlat = find("runqlat");
    let ways = if runqlat.is_some() { 3 } else { 2 };
    let names = ["procwatch top", "procwatch latency", "runqlat"];
    let mut bare = vec![];
    let mut watched: [Vec<f64>; 3] = Default::default();
    let mut slower: [Vec<f64>; 3] = Default::default();
    ping_pong(loops);
    for _ in 0..rounds {
        let mut order: Vec<usize> = (0..ways).collect();
        if toss() {
            order.reverse();
        }
        let mut before = ping_pong(loops);
        bare.push(before);
        for way in order {
            let running = match (&runqlat, way) {
                (Some(runqlat), 2) => Running::attached(command(runqlat, &[])),
                (_, 1) => Running::ready(&["latency"], Stdio::null()),
                _ => Running::ready(&["top", "--limit", "20"], Stdio::null()),
            };
            let took = ping_pong(loops);
            assert!(running.stop().success(), "{} failed", names[way]);
            let after = ping_pong(loops);
            bare.push(after);
            watched[way].push(took);
            // Between two bare runs, so that drift cancels out.
            slower[way].push(took - f64::midpoint(before, after));
            before = after;
        }
    }
    println!(
        "\na byte to and fro on one CPU, {rounds} rounds; median ± half the quartiles' distance"
    );
    let (middle, spread) = median(&bare);
    println!("  {:<18} {middle:6.3} µs ± {spread:.3}", "bare");
    for way in 0..ways {
        let ((middle, spread), (more, more_spread)) = (median(&watched[way]), median(&slower[way]));
        println!(
            "  {:<18} {middle:6.3} µs ± {spread:.3}   {more:+.3} µs ± {more_spread:.3} on the bare runs around it",
            names[way]
        );
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
