//! What goes in comes out, whatever happens in between.

use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    block::{Block, Builder},
    differ::Differ,
    portion::export,
    reader::History,
    rollup::Rollup,
    store::{Limits, Store},
};
pub(super) use crate::model::made_up::{EPOCH, SECOND, Step, process, sample, samples, steps};
use crate::model::{
    event::{Event, EventKind},
    identity::ProcessId,
    sample::{Sample, Source},
    snapshot::Snapshot,
    totals::{Counter, Totals},
};

pub(super) fn recording() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording.db");
    (directory, path)
}

fn open(path: &std::path::Path) -> Store {
    Store::open(path, "boot", EPOCH, Limits::default()).unwrap()
}

/// All that is told of a snapshot, without what a recording does not have to keep apart.
fn told(snapshot: &Snapshot) -> String {
    format!("{snapshot:?}")
}

fn sum(snapshots: &[Snapshot], counter: Counter) -> u64 {
    let of = |snapshot: &Snapshot| -> u64 {
        snapshot
            .processes()
            .map(|view| view.delta)
            .filter_map(|delta| delta.get(counter))
            .sum()
    };
    snapshots.iter().map(of).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_snapshot_comes_back(steps in steps(), restart in 0_usize..50) {
        let samples = samples(&steps);
        let (_directory, path) = recording();
        let mut store = open(&path);
        for (second, sample) in samples.iter().enumerate() {
            if second == restart {
                store.finish().unwrap();
                store = open(&path);
            }
            store.write(sample, Vec::new()).unwrap();
        }
        let check = |history: &mut History| {
            for (second, pair) in samples.windows(2).enumerate() {
                // After a restart it is not known what had changed since.
                if second + 1 == restart {
                    continue;
                }
                let expected = Snapshot::derive(&pair[0], Arc::new(pair[1].clone()));
                for time_ns in [pair[1].time_ns, pair[1].time_ns + SECOND / 2] {
                    let found = history.snapshot_at(time_ns).unwrap().unwrap();
                    assert_eq!(told(&found), told(&expected));
                }
            }
        };
        check(&mut History::open(&path).unwrap());
        store.finish().unwrap();
        check(&mut History::open(&path).unwrap());
    }

    #[test]
    fn sums_are_the_same_in_every_tier(steps in steps(), span in 2_u64..9, from in 0_usize..40, len in 0_usize..40) {
        let samples = samples(&steps);
        let derive = |pair: &[Sample]| Snapshot::derive(&pair[0], Arc::new(pair[1].clone()));
        let snapshots: Vec<_> = samples.windows(2).map(derive).collect();
        let mut differ = Differ::new([], (0, 0));
        let mut rollup = Rollup::new(span * SECOND);
        let mut coarse = Vec::new();
        for sample in &samples {
            let difference = differ.difference(sample, &hashbrown::HashMap::new());
            coarse.extend(rollup.push(&difference.frame));
            differ.commit(difference);
        }
        coarse.extend(rollup.finish());
        let added = |counter: Counter| -> u64 {
            coarse.iter().flat_map(|frame| &frame.rows).map(|row| row.added[counter as usize]).sum()
        };
        for counter in [Counter::CpuTime, Counter::Read] {
            prop_assert_eq!(added(counter), sum(&snapshots, counter));
        }
        // A window of the recording has what its samples have.
        let (_directory, path) = recording();
        let mut store = open(&path);
        for sample in &samples {
            store.write(sample, Vec::new()).unwrap();
        }
        store.finish().unwrap();
        let from = from.min(samples.len() - 1);
        let to = (from + len).min(samples.len() - 1);
        let mut history = History::open(&path).unwrap();
        let sums = history.sums(samples[from].time_ns, samples[to].time_ns, &[Counter::CpuTime]).unwrap();
        let found: u64 = sums.values().map(|sum| sum[0]).sum();
        prop_assert_eq!(found, sum(&snapshots[from..to], Counter::CpuTime));
    }

    #[test]
    fn no_bytes_are_too_strange(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), is_ours in any::<bool>()) {
        if is_ours {
            bytes.insert(0, 1);
        }
        if let Ok(block) = Block::parse(&bytes) {
            let _ = block.hosts();
            let _ = block.scan(&Counter::ALL, |_| true, |_, _, _| {});
            if let Ok(mut frames) = block.frames() {
                while let Ok(Some(_)) = frames.read() {}
            }
        }
    }
}

#[test]
fn a_block_is_its_frames_one_behind_the_other() {
    let samples = samples(&vec![vec![step(3), step(4)]; 200]);
    let mut differ = Differ::new([], (0, 0));
    let (mut whole, mut joined) = (Builder::default(), Builder::default());
    for sample in &samples {
        let difference = differ.difference(sample, &hashbrown::HashMap::new());
        whole.push(&difference.frame);
        let mut single = Builder::default();
        single.push(&difference.frame);
        joined.append(&single.plain()).unwrap();
        differ.commit(difference);
    }
    assert_eq!(whole.compressed(), joined.compressed());
    assert!(whole.compressed().len() < whole.plain().len() / 3);
}

fn step(pid: u32) -> Step {
    Step {
        pid,
        cpu_ns: 1000,
        read: Some(5),
        rss: 4096,
        ends: false,
        execs: false,
    }
}

#[test]
fn a_recorder_that_was_killed_goes_on_where_it_was() {
    let samples = samples(&vec![vec![step(3)]; 30]);
    let (_directory, path) = recording();
    for (second, sample) in samples.iter().enumerate() {
        let mut store = open(&path);
        store.write(sample, Vec::new()).unwrap();
        if second % 3 == 0 {
            store.finish().unwrap();
        }
    }
    let mut history = History::open(&path).unwrap();
    let last = history.snapshot_at(u64::MAX / 2).unwrap().unwrap();
    assert_eq!(last.sample.time_ns, samples[29].time_ns);
    let processes: i64 = history
        .connection()
        .query_row("SELECT count(*) FROM process WHERE pid = 3", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(
        processes, 1,
        "it has one number, however often the recorder starts"
    );
}

#[test]
fn every_tier_tells_how_things_stood_however_often_the_recorder_was_killed() {
    let mut chance = 1_u64;
    let mut below = |most: u64| {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (chance >> 33) % most
    };
    let steps: Vec<Vec<Step>> = (0..3_000)
        .map(|_| {
            let mut step = || Step {
                pid: 1 + below(11) as u32,
                cpu_ns: below(5_000),
                read: (below(3) == 0).then(|| below(9_000)),
                rss: below(4) * 4096,
                ends: below(40) == 0,
                execs: below(60) == 0,
            };
            (0..3).map(|_| step()).collect()
        })
        .collect();
    let samples = samples(&steps);
    let (_directory, path) = recording();
    let mut store = open(&path);
    for (second, sample) in samples.iter().enumerate() {
        store.write(sample, Vec::new()).unwrap();
        match below(400) {
            0 => {
                store.finish().unwrap();
                store = open(&path);
            }
            1 => {
                // As it is after SIGKILL: nothing of it is left but the file.
                drop(store);
                store = open(&path);
            }
            _ => {}
        }
        assert!(second < 3_000);
    }
    store.finish().unwrap();
    let mut history = History::open(&path).unwrap();
    let standing = |sample: &Sample| -> Vec<(ProcessId, Totals, Option<u64>)> {
        let living = sample.processes.iter().filter(|one| !one.state.has_gone());
        living
            .map(|one| (one.id, one.totals, one.rss_bytes))
            .collect()
    };
    for tier in 0..4 {
        let found = history.samples(tier, 0, u64::MAX / 2).unwrap();
        assert!(found.len() > 3, "tier {tier}: {}", found.len());
        for sample in &found {
            let second = (sample.time_ns - EPOCH) / SECOND;
            let original = &samples[second as usize];
            assert_eq!(
                standing(sample),
                standing(original),
                "tier {tier}, second {second}"
            );
        }
        let ended = |samples: &[Sample]| -> usize {
            let all = samples.iter().flat_map(|sample| &sample.processes);
            all.filter(|one| one.state.has_gone()).count()
        };
        assert_eq!(ended(&found), ended(&samples), "tier {tier}");
    }
}

#[test]
fn what_found_no_room_is_counted_and_in_the_next_frame() {
    let samples = samples(&[
        vec![step(3), step(4)],
        vec![step(3), step(4)],
        vec![
            Step {
                ends: true,
                ..step(3)
            },
            step(4),
        ],
        vec![step(4)],
        vec![step(4)],
    ]);
    let (_directory, path) = recording();
    let mut store = open(&path);
    let event = |sample: &Sample| {
        let process = &sample.processes[0];
        let event = Event {
            kind: EventKind::Fork,
            time_ns: Some(sample.boot_time_ns),
            id: process.id,
            parent: process.parent,
            facts: Arc::clone(&process.facts),
            source: Source::Ebpf,
        };
        vec![(event, sample.time_ns)]
    };
    store.write(&samples[0], event(&samples[0])).unwrap();
    store.write(&samples[1], event(&samples[1])).unwrap();
    store.refuse_to_write(true);
    for sample in &samples[2..4] {
        assert!(store.write(sample, event(sample)).is_err());
    }
    store.refuse_to_write(false);
    store.write(&samples[4], event(&samples[4])).unwrap();
    store.finish().unwrap();
    let mut history = History::open(&path).unwrap();
    let gaps = history.gaps().unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (gaps[0].samples, gaps[0].processes, gaps[0].events),
        (2, 0, 0)
    );
    assert_eq!(
        (gaps[0].from_ns, gaps[0].to_ns),
        (samples[1].time_ns, samples[4].time_ns)
    );
    let sums = history
        .sums(samples[0].time_ns, samples[4].time_ns, &[Counter::CpuTime])
        .unwrap();
    let total: u64 = sums.values().map(|sum| sum[0]).sum();
    assert_eq!(total, 2000 + 2000 + 1000 + 1000);
    assert_eq!(history.events(0, u64::MAX / 2).unwrap().len(), 5);
}

#[test]
fn limits_hold_to_within_a_block() {
    let (_directory, path) = recording();
    let most = 3 << 20;
    let limits = Limits {
        size_bytes: Some(most),
        age: None,
    };
    let mut store = Store::open(&path, "boot", EPOCH, limits).unwrap();
    let mut noise = 1_u64;
    let mut process_of = |pid: u32, second: u64| {
        let mut process = process(pid, pid.into());
        for counter in Counter::ALL {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            process
                .totals
                .set(counter, second * (1 << 40) + (noise >> 30));
        }
        process
    };
    for second in 0..3_000 {
        let processes = (1..20).map(|pid| process_of(pid, second)).collect();
        store.write(&sample(second, processes), Vec::new()).unwrap();
    }
    store.finish().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < most + (2 << 20), "{size} bytes");
    let mut history = History::open(&path).unwrap();
    let (_, to_ns) = history.bounds().unwrap().unwrap();
    assert_eq!(to_ns, EPOCH + 2_999 * SECOND);
    let oldest: i64 = history
        .connection()
        .query_row("SELECT min(from_ns) FROM block WHERE tier = 0", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert!(oldest as u64 > EPOCH, "something was dropped");
    assert!(history.snapshot_at(to_ns).unwrap().is_some());
}

#[test]
fn what_is_not_a_recording_is_left_alone() {
    let (directory, path) = recording();
    let refused = |path: &std::path::Path| {
        Store::open(path, "boot", EPOCH, Limits::default())
            .unwrap_err()
            .to_string()
    };
    std::fs::write(&path, b"a letter to a friend").unwrap();
    assert!(refused(&path).contains("no recording of procwatch"));
    assert_eq!(std::fs::read(&path).unwrap(), b"a letter to a friend");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(refused(&link).contains("symbolic link"));
    let good = directory.path().join("good.db");
    let mut store = open(&good);
    store
        .write(&samples(&[vec![step(1)]])[0], Vec::new())
        .unwrap();
    assert!(refused(&good).contains("another recorder"));
    store.finish().unwrap();
    let bytes = std::fs::read(&good).unwrap();
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        std::fs::write(&path, &bytes).unwrap();
        bytes
    };
    let newer = with(63, 200);
    assert!(refused(&path).contains("a newer procwatch, in format 200"));
    assert_eq!(std::fs::read(&path).unwrap(), newer);
    with(68, 0);
    assert!(refused(&path).contains("no recording"));
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(&path).contains("cut off"));
    assert!(
        History::open(&path)
            .unwrap_err()
            .to_string()
            .contains("cut off")
    );
}

/// One that goes with a sample.
fn event(sample: &Sample) -> Event {
    let id = ProcessId::new(77, sample.boot_time_ns);
    Event {
        kind: EventKind::Fork,
        time_ns: Some(sample.boot_time_ns),
        id,
        parent: None,
        facts: Arc::new(crate::model::facts::Facts {
            comm: format!("told-{}", sample.time_ns).into(),
            ..crate::model::facts::Facts::default()
        }),
        source: Source::Ebpf,
    }
}

fn sums_in(history: &mut History, from_ns: u64, to_ns: u64) -> Vec<(ProcessId, Vec<u64>)> {
    let counters = [Counter::CpuTime, Counter::Read];
    let sums = history.sums(from_ns, to_ns, &counters).unwrap();
    let mut directory = history.directory();
    let mut named: Vec<_> = sums
        .into_iter()
        .map(|(key, sums)| {
            use super::assemble::Directory as _;
            (directory.process(key).unwrap(), sums)
        })
        .collect();
    named.sort();
    named
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn a_portion_tells_of_its_window_what_the_whole_tells(
        steps in steps(),
        restart in 0_usize..50,
        first in 0_usize..40,
        length in 1_usize..40,
    ) {
        let samples = samples(&steps);
        let (_directory, path) = recording();
        let mut store = open(&path);
        for (second, sample) in samples.iter().enumerate() {
            if second == restart {
                store.finish().unwrap();
                store = open(&path);
            }
            store.write(sample, vec![(event(sample), sample.time_ns)]).unwrap();
        }
        // Of a recording that is being written, and of one that is closed.
        let is_closed = restart % 2 == 0;
        let kept = if is_closed { store.finish().unwrap(); None } else { Some(store) };
        let mut whole = History::open(&path).unwrap();
        let from_ns = samples[first % samples.len()].time_ns;
        let to_ns = from_ns + length as u64 * SECOND;
        let other = path.with_extension("portion");
        let copied = export(&mut whole, (from_ns, to_ns), &other, &mut |_, _| true).unwrap();
        let mut portion = History::open(&other).unwrap();
        prop_assert_eq!(
            sums_in(&mut portion, from_ns, to_ns),
            sums_in(&mut whole, from_ns, to_ns)
        );
        let within = |sample: &&Sample| sample.time_ns > from_ns && sample.time_ns <= to_ns;
        for sample in samples.iter().filter(within) {
            let theirs = portion.snapshot_at(sample.time_ns).unwrap().unwrap();
            let ours = whole.snapshot_at(sample.time_ns).unwrap().unwrap();
            prop_assert_eq!(told(&theirs), told(&ours));
        }
        let events = |history: &mut History| format!("{:?}", history.events(from_ns, to_ns).unwrap());
        prop_assert_eq!(events(&mut portion), events(&mut whole));
        prop_assert!(copied.samples <= length as u64);
        // What is there is not written over, and a portion of a portion is the same again.
        let again = export(&mut whole, (from_ns, to_ns), &other, &mut |_, _| true);
        prop_assert!(again.is_err());
        let again = path.with_extension("again");
        export(&mut portion, (0, u64::MAX), &again, &mut |_, _| true).unwrap();
        let mut again = History::open(&again).unwrap();
        prop_assert_eq!(
            sums_in(&mut again, from_ns, to_ns),
            sums_in(&mut whole, from_ns, to_ns)
        );
        drop(kept);
    }
}

#[test]
fn a_portion_does_without_ancestors_that_are_forgotten() {
    let step = |ends| Step {
        pid: 3,
        cpu_ns: 5,
        read: None,
        rss: 4096,
        ends,
        execs: false,
    };
    let samples = samples(&[vec![step(false)], vec![step(false)], vec![step(true)]]);
    let (_directory, path) = recording();
    let mut store = open(&path);
    for sample in &samples {
        store.write(sample, Vec::new()).unwrap();
    }
    store.finish().unwrap();
    let parent = samples[0].processes[0].parent.unwrap();
    let file = rusqlite::Connection::open(&path).unwrap();
    let forget = "DELETE FROM process WHERE pid = ?1";
    let forgotten = file.execute(forget, [parent.pid]).unwrap();
    assert_eq!(forgotten, 1);
    let mut whole = History::open(&path).unwrap();
    let other = path.with_extension("portion");
    let copied = export(&mut whole, (0, u64::MAX), &other, &mut |_, _| true).unwrap();
    assert_eq!(copied.processes, 1);
    // One that is in a frame itself is never forgotten: without it the recording is damaged.
    file.execute(forget, [3]).unwrap();
    let again = path.with_extension("again");
    assert!(export(&mut whole, (0, u64::MAX), &again, &mut |_, _| true).is_err());
    assert!(!again.exists());
}

#[test]
fn a_portion_that_is_given_up_leaves_nothing() {
    let (_directory, path) = recording();
    let mut store = open(&path);
    for sample in &samples(&[Vec::new(), Vec::new(), Vec::new()]) {
        store.write(sample, Vec::new()).unwrap();
    }
    store.finish().unwrap();
    let other = path.with_extension("portion");
    let mut whole = History::open(&path).unwrap();
    assert!(export(&mut whole, (0, u64::MAX), &other, &mut |_, _| false).is_err());
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["recording.db"]);
}
