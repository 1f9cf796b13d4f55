//! Which tests run emulated: the ones of this list, topic by topic.
//!
//! An emulated CPU takes ten to thirty times as long as a real one, and each procwatch that a test starts
//! costs seconds of it, most of them in the kernel's verifier. So one or two tests of a kind stand for
//! all of the kind, chosen where kernels differ: in the hooks, and in what the hooks read. What is left out
//! says why, and `--all` runs it.
//!
//! Deliberately absent: other versions of the tests, with other bounds. What runs is what runs here.

use std::collections::BTreeMap;

/// Tests of a subject, by the beginnings of their names; the longest that fits a name counts.
pub struct Topic {
    pub name: &'static str,
    runs: &'static [&'static str],
    left_out: &'static [(&'static str, &'static str)],
}

/// For tests that nobody has put into a topic yet: they run.
pub const OTHERS: &str = "others";

pub const TOPICS: &[Topic] = &[
    Topic {
        name: "lifecycle",
        runs: &[
            "argv::arguments_are_those_that_were_passed",
            "argv::the_executable_is_the_file_itself",
            "exits::",
            "identity::posix_spawn_is_one_birth_one_exec_one_exit",
        ],
        left_out: &[
            ("argv::", "the two that run read what these read"),
            (
                "identity::",
                "the one that runs goes through the same hooks",
            ),
            (
                "storm::",
                "judges speed: thousands of processes, as fast as a CPU can",
            ),
        ],
    },
    Topic {
        name: "totals",
        runs: &[
            "figures::a_process_of_many_threads_has_the_figures_of_wait4",
            "io::",
            "living_set::",
            "memory::shared_memory_is_divided_when_that_is_asked_for",
        ],
        left_out: &[
            (
                "balance::",
                "judges a share of the host's busy time, of which emulation invents some",
            ),
            (
                "cpu::",
                "500 processes of 3 ms each, which emulated are of any length",
            ),
            (
                "figures::the_wait_for_a_cpu_is_the_one_the_kernel_told_the_process",
                "bounds a wait by clocks that are read around it, and the host of the guest makes CPUs wait in between",
            ),
            (
                "memory::a_hundred_programs_have_the_peak_and_the_faults_that_time_tells",
                "starts 100 programs three times over",
            ),
            (
                "memory::resident_memory_by_kind_is_that_of_proc",
                "compares with /proc at another moment, and an emulated host changes more meanwhile",
            ),
            (
                "memory::what_is_swapped_out_is_not_resident",
                "takes memory to the limit",
            ),
        ],
    },
    Topic {
        name: "network",
        runs: &[
            "network::every_way_over_tcp_v4",
            "network::every_way_over_udp_v6",
            "network::every_way_over_multipath_tcp",
            "network_older::inside_of_recv_over_tcp",
            "network_rows::a_living_process_has_its_bytes_and_from_when_they_count",
            "network_sharing::what_ended_threads_moved_stays_with_the_process",
            "network_unix::every_way_over_unix_streams",
        ],
        left_out: &[
            ("network::", "those that run go through the same hooks"),
            ("network::more_bytes_than_32_bits_count", "moves 4 GiB"),
            ("network_fetch::", "300 processes that move a megabyte each"),
            (
                "network_older::",
                "the one that runs goes through the same hooks",
            ),
            (
                "network_rows::",
                "the one that runs goes through the same hooks",
            ),
            (
                "network_sharing::",
                "the one that runs goes through the same hooks",
            ),
            (
                "network_unix::",
                "the one that runs goes through the same hooks",
            ),
        ],
    },
    Topic {
        name: "connections",
        runs: &[
            "network_connections::what_is_opened_moved_and_closed_while_it_watches_is_listed",
            "network_lives::a_connection_of_less_than_a_millisecond",
            "network_lives::a_half_closed_connection_whose_answer_is_read_after_the_server_is_gone",
            "network_lives::a_refused_connection_v4",
            "network_loss::retransmits_are_those_of_tcp_info",
            "network_sharing::a_connection_handed_down_is_accepted_by_who_first_used_it",
        ],
        left_out: &[
            (
                "network_connections::",
                "the one that runs goes through the same passes",
            ),
            (
                "network_connections::thousands_of_connections_are_listed_each_with_its_peer",
                "opens 10,000 sockets",
            ),
            (
                "network_lives::",
                "those that run go through the same hooks",
            ),
            ("network_loss::", "waits out the timers of a lossy path"),
            (
                "network_openings::",
                "those of network_lives go through the same hooks",
            ),
        ],
    },
    Topic {
        name: "block",
        runs: &[
            "block::threads_dead_and_living_are_charged_to_their_process",
            "block::who_syncs_is_charged_with_what_that_writes",
        ],
        left_out: &[
            (
                "block::direct_io_on_a_file_and_reading_through_the_cache",
                "a thread of ext4's that reads ahead after a mount falls, emulated, into what it measures",
            ),
            (
                "block_devices::what_devices_moved_is_what_they_say_and_belongs_to_somebody",
                "before 6.12 a loop device counts zeroes that it was asked to write and did not as written",
            ),
            (
                "block::asynchronous_io_is_that_of_its_process",
                "fio, whose start alone takes 20 s",
            ),
            (
                "block::direct_io_on_a_device_is_charged_to_the_byte",
                "dd in thousands of requests, 50 s",
            ),
            (
                "block_devices::a_device_on_another_is_two_devices",
                "a device beneath another, 20 s",
            ),
            (
                "block_latency::",
                "compares times that fio has measured, of which emulation takes most",
            ),
        ],
    },
    Topic {
        name: "write-back",
        runs: &[
            "block_writeback::what_is_cut_off_before_it_is_written_is_cancelled",
            "block_writeback::what_is_written_back_is_charged_to_whoever_dirtied_it",
        ],
        left_out: &[(
            "block_writeback::",
            "those that run go through the same hooks",
        )],
    },
    Topic {
        name: "OOM, cgroup2",
        runs: &["oom::"],
        left_out: &[],
    },
    Topic {
        name: "signals",
        runs: &[
            "signals::by_processes_with_their_sender",
            "signals::by_the_kernel_without_sender",
        ],
        left_out: &[("signals::", "those that run go through the same hook")],
    },
    Topic {
        name: "odd hosts",
        runs: &[
            "fallback::another_pid_namespace",
            "fallback::proc_alone_was_asked_for",
            "odd_hosts::without_a_proc",
            "odd_hosts::without_being_root",
        ],
        left_out: &[
            ("fallback::", "/proc alone is the same on all kernels"),
            (
                "limits::",
                "judges what collection costs of a CPU, which emulation makes many times that",
            ),
            (
                "loss::",
                "judges speed: it takes records to outrun the reader",
            ),
            ("odd_hosts::", "starts procwatch 8 to 28 times"),
        ],
    },
    Topic {
        name: "faults",
        runs: &[
            "fault_clock::",
            "fault_maps_full::bytes_without_room",
            "fault_pids::",
        ],
        left_out: &[
            (
                "fault_crowd::",
                "there is not room for many processes in a guest",
            ),
            (
                "fault_maps_full::",
                "the one that runs has the map that older kernels lack",
            ),
            ("fault_proc::", "/proc alone is the same on all kernels"),
            (
                "fault_stalled::",
                "judges speed: it takes events to outrun the reader",
            ),
            (
                "fault_stopped::",
                "thousands of processes, as fast as a CPU can",
            ),
            ("fault_two_agents::", "starts three agents at once"),
        ],
    },
    Topic {
        name: "traces and latencies",
        runs: &[
            "latency::a_sleep_is_off_the_cpu_for_as_long_as_it_was",
            "trace::bytes_are_those_that_were_moved",
            "trace::the_time_of_each_thread_is_told_whole",
        ],
        left_out: &[
            ("latency::", "the one that runs goes through the same hooks"),
            ("trace::", "those that run go through the same hooks"),
            (
                "trace::who_lives_is_traced_by_pid_and_goes_on",
                "a shell that starts programs without end, each of which takes most of a second of an emulated CPU",
            ),
        ],
    },
    Topic {
        name: "recordings",
        runs: &[],
        left_out: &[
            (
                "alerts::",
                "rules judge what was collected, whatever kernel that is from",
            ),
            (
                "recording::",
                "what is recorded is what was collected, and the file is the same on every kernel",
            ),
            (
                "viewers::",
                "what is sent is what was collected, over a socket that is the same on every kernel",
            ),
        ],
    },
    Topic {
        name: "clean-up",
        runs: &["cleanup::nothing_is_left_in_the_kernel_after_sigkill"],
        left_out: &[(
            "cleanup::",
            "how procwatch takes signals is not the kernel's matter; what SIGKILL leaves is",
        )],
    },
];

/// What is to be done with the tests there are.
#[derive(Default)]
pub struct Selection {
    /// In the order of topics.
    pub run: Vec<String>,
    pub left_out: Vec<(String, &'static str)>,
}

impl Selection {
    /// Of the names that the test program lists.
    pub fn of(tests: &[String]) -> Self {
        let mut selection = Self::default();
        for test in tests {
            match find(test) {
                Some((_, Some(why))) => selection.left_out.push((test.clone(), why)),
                Some((_, None)) | None => selection.run.push(test.clone()),
            }
        }
        selection.run.sort_by_key(|test| place(test));
        selection
    }

    /// Beginnings of names in the list above that no test has: it was renamed, or is gone.
    pub fn stale(tests: &[String]) -> Vec<&'static str> {
        let topics = TOPICS.iter();
        let all = topics.flat_map(|topic| {
            let left_out = topic.left_out.iter().map(|(prefix, _)| prefix);
            topic.runs.iter().chain(left_out)
        });
        all.filter(|prefix| !tests.iter().any(|test| test.starts_with(**prefix)))
            .copied()
            .collect()
    }

    /// Topics and reasons, each with the tests that it leaves out.
    pub fn reasons(&self) -> Vec<(&'static str, &'static str, Vec<&str>)> {
        let mut reasons: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for (test, why) in &self.left_out {
            let same = reasons.entry((place(test), *why)).or_default();
            same.push(test);
        }
        let named = |((_, why), tests): (_, Vec<_>)| (topic(tests[0]), why, tests);
        reasons.into_iter().map(named).collect()
    }
}

/// Of a test's topic.
pub fn topic(test: &str) -> &'static str {
    find(test).map_or(OTHERS, |(place, _)| TOPICS[place].name)
}

/// The position of a test's topic among all.
pub fn place(test: &str) -> usize {
    find(test).map_or(TOPICS.len(), |(place, _)| place)
}

/// The position of the topic, and why the test is left out there.
fn find(test: &str) -> Option<(usize, Option<&'static str>)> {
    let entries = TOPICS.iter().enumerate().flat_map(|(place, topic)| {
        let runs = topic.runs.iter().map(|prefix| (*prefix, None));
        let left_out = topic
            .left_out
            .iter()
            .map(|(prefix, why)| (*prefix, Some(*why)));
        runs.chain(left_out)
            .map(move |(prefix, why)| (prefix, place, why))
    });
    entries
        .filter(|(prefix, ..)| test.starts_with(prefix))
        .max_by_key(|(prefix, ..)| prefix.len())
        .map(|(_, place, why)| (place, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_what_nobody_lists_runs() {
        let tests = ["oom::a", "network::more_bytes_than_32_bits_count", "new::b"];
        let selection = Selection::of(&tests.map(str::to_owned));
        assert_eq!(selection.run, ["oom::a", "new::b"]);
        assert_eq!(selection.left_out.len(), 1);
        assert_eq!(topic("oom::a"), "OOM, cgroup2");
        assert_eq!(topic("new::b"), OTHERS);
    }

    #[test]
    fn no_beginning_is_listed_twice() {
        let mut prefixes: Vec<_> = TOPICS
            .iter()
            .flat_map(|topic| {
                let left_out = topic.left_out.iter().map(|(prefix, _)| *prefix);
                topic.runs.iter().copied().chain(left_out)
            })
            .collect();
        prefixes.sort_unstable();
        let before = prefixes.len();
        prefixes.dedup();
        assert_eq!(prefixes.len(), before);
    }
}
