//! Does one hard thing, and tells as one JSON object what the kernel told it of it.
//!
//! Single-threaded until a role says otherwise, so that it can fork and use the raw system calls that
//! the standard library keeps away from.

mod child;
mod clock;
mod crowd;
mod exits;
mod families;
mod fatal;
mod figures;
mod files;
mod limit;
mod load;
mod memory;
mod net;
mod programs;
mod resident;
mod sleepers;
mod split;
mod storage;
mod threads;

use serde_json::Value;

fn main() {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told: Value = match arguments.as_slice() {
        ["exit", code, ..] => std::process::exit(parse(code)),
        ["spin", milliseconds, ..] => {
            clock::spin_process(parse::<u64>(milliseconds) * 1_000_000);
            return;
        }
        ["linger", comm, ..] => {
            programs::linger(comm);
            return;
        }
        ["allocate", cgroup, mebibytes] => {
            memory::allocate(cgroup, parse(mebibytes));
            return;
        }
        ["spawn", program, mark, first, count] => {
            load::spawn(program, mark, parse(first), parse(count))
        }
        ["vanish", count] => crowd::vanish(parse(count)),
        ["crowd", count] => crowd::crowd(parse(count)),
        ["wrap", program, times] => families::wrap(program, parse(times)),
        ["work"] => {
            load::work();
            return;
        }
        ["burn", count, milliseconds] => load::burn(parse(count), milliseconds),
        ["codes"] => exits::codes(),
        ["signals", directory] => exits::signals(directory),
        ["thread-ends-group", code] => exits::thread_ends_group(parse(code)),
        ["main-leaves", leader_code, how, code] => {
            exits::main_leaves(parse(leader_code), how, parse(code))
        }
        ["thread-executes", program] => exits::thread_executes(program),
        ["daemon"] => families::daemon(),
        ["clone-parent"] => families::clone_parent(),
        ["same-pid", program, times] => families::same_pid(program, parse(times)),
        ["orphan"] => families::orphan(),
        ["memfd", program] => programs::memfd(program),
        ["mounts", directory, program] => programs::mounts(directory, program),
        ["figures"] => figures::of_threads(),
        ["split", directory] => split::of_time(directory),
        ["contended", milliseconds] => figures::contended(parse(milliseconds)),
        ["files", directory] => files::own(directory),
        ["reaper", children] => files::reaper(parse(children)),
        ["net", arguments @ ..] => net::role(arguments),
        ["take-memory", arguments @ ..] => {
            resident::take(arguments);
            return;
        }
        ["hold-memory"] => {
            resident::hold();
            return;
        }
        ["fatal", arguments @ ..] => {
            fatal::role(arguments);
            return;
        }
        ["sleepers", count] => {
            sleepers::role(parse(count));
            return;
        }
        ["storage"] => {
            storage::role();
            return;
        }
        other => panic!("unknown role {other:?}"),
    };
    println!("{told}");
}

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}
