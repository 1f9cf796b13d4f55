//! Many processes.

use serde_json::{Value, json};

use crate::{
    child::{own_program, spawn as start, text, usage_of_children, usage_of_self, wait},
    clock,
};

/// Starts a program `count` times, one after the other, as `MARK-i CODE` with i counted from `first`
/// and the exit code i % 200.
pub fn spawn(program: &str, mark: &str, first: u64, count: u64) -> Value {
    let program = text(program);
    let mut wrong = 0;
    for number in first..first + count {
        let code = number % 200;
        let arguments = [text(&format!("{mark}-{number}")), text(&code.to_string())];
        let ended = wait(start(&program, &arguments));
        let is_right =
            libc::WIFEXITED(ended.status) && libc::WEXITSTATUS(ended.status) as u64 == code;
        wrong += u64::from(!is_right);
    }
    json!({"pid": std::process::id(), "spawned": count, "wrong": wrong, "usage": usage_of_children()})
}

/// Processes that burn CPU, four at a time on whatever CPUs there are.
pub fn burn(count: usize, milliseconds: &str) -> Value {
    let program = text(&own_program());
    let mut ended = Vec::new();
    while ended.len() < count {
        let together = (count - ended.len()).min(4);
        let pids: Vec<_> = (0..together)
            .map(|_| {
                start(
                    &program,
                    &[text("burner"), text("spin"), text(milliseconds)],
                )
            })
            .collect();
        ended.extend(pids.into_iter().map(|pid| wait(pid).json()));
    }
    json!({"ended": ended})
}

/// Works for as many milliseconds as each line says, and tells what it has used of everything by then. Lives
/// until standard input ends.
pub fn work() {
    // SAFETY: a NUL-ended text.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"pwwork".as_ptr()) };
    let tell = || {
        println!(
            "{}",
            json!({"pid": std::process::id(), "usage": usage_of_self()})
        );
    };
    tell();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        clock::spin_thread(crate::parse::<u64>(&line) * 1_000_000);
        tell();
    }
}
