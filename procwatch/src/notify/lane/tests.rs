use super::*;
use crate::notify::made_up;

const S: u64 = 1_000_000_000;

fn lane(queue: usize, batch: usize) -> Lane {
    let bounds = Bounds {
        queue,
        batch,
        group_wait: Duration::from_secs(5),
    };
    Lane::new(bounds, Tally::default())
}

fn entry(row: u64, queued_ns: u64) -> Entry {
    Entry {
        row: Some(row),
        alert: Arc::new(made_up::alert(queued_ns)),
        queued_ns,
    }
}

fn rows(entries: &[Entry]) -> Vec<u64> {
    entries.iter().filter_map(|entry| entry.row).collect()
}

fn key() -> String {
    "key".to_owned()
}

#[test]
fn a_burst_becomes_one_message_in_order() {
    let mut lane = lane(10, 5);
    assert_eq!(lane.due(0, false), Due::Never);
    assert!(lane.take(0, key).is_none());
    for row in 0..3 {
        lane.push(entry(row, 100 * S + row));
    }
    assert_eq!(lane.due(101 * S, false), Due::At(105 * S));
    assert_eq!(lane.due(101 * S, true), Due::Now);
    assert_eq!(lane.due(105 * S, false), Due::Now);
    let message = lane.take(105 * S, key).unwrap();
    assert_eq!(rows(&message.entries), [0, 1, 2]);
    // What comes meanwhile is in the next.
    lane.push(entry(3, 105 * S));
    assert_eq!(rows(&lane.sent(106 * S, None)), [0, 1, 2]);
    assert_eq!(lane.due(106 * S, false), Due::At(110 * S));
    // As many as fit into a message do not wait for more.
    for row in 4..9 {
        lane.push(entry(row, 106 * S));
    }
    assert_eq!(lane.due(106 * S, false), Due::Now);
    assert_eq!(
        rows(&lane.take(106 * S, key).unwrap().entries),
        [3, 4, 5, 6, 7]
    );
    assert_eq!(lane.tally.sent, 3);
}

#[test]
fn the_oldest_goes_when_there_is_no_room_but_not_out_of_a_message() {
    let mut lane = lane(2, 2);
    lane.push(entry(0, 0));
    lane.push(entry(1, 0));
    lane.take(0, key);
    assert!(lane.push(entry(2, 1)).is_none());
    assert!(lane.push(entry(3, 1)).is_none());
    assert_eq!(lane.push(entry(4, 1)).and_then(|entry| entry.row), Some(2));
    assert_eq!(lane.tally.dropped, 1);
    assert_eq!(lane.health("a", "email", None).waiting, 4);
    assert_eq!(rows(&lane.sent(2, None)), [0, 1]);
    assert_eq!(rows(&lane.take(2, key).unwrap().entries), [3, 4]);
}

#[test]
fn what_fails_is_tried_again_with_the_same_key_and_given_up_after_a_day() {
    let mut lane = lane(10, 10);
    lane.push(entry(7, 0));
    lane.take(10 * S, key);
    let away = Failure::temporary("away");
    assert_eq!(lane.failed(10 * S, &away, 0).0, After::TryAgain);
    let health = lane.health("a", "email", None);
    assert_eq!(
        (health.failures, health.next_attempt_ns),
        (1, Some(10 * S + S / 2))
    );
    assert_eq!(lane.due(10 * S, false), Due::At(10 * S + S / 2));
    let message = lane.take(11 * S, || panic!("it has one")).unwrap();
    assert_eq!(message.attempt.key, "key");
    // The receiver says when.
    let later = Failure::new(
        "busy",
        FailureKind::Temporary(Some(Duration::from_secs(60))),
    );
    lane.failed(11 * S, &later, 0);
    assert_eq!(lane.due(11 * S, false), Due::At(71 * S));
    // And a clock that was set back delays nothing for long.
    assert_eq!(lane.due(0, true), Due::At(71 * S));
    lane.current.as_mut().unwrap().attempt.next_ns = u64::MAX;
    assert_eq!(lane.due(0, false), Due::At(300 * S));
    let (after, entries) = lane.failed(24 * 3600 * S + 11 * S, &away, 0);
    assert_eq!((after, rows(&entries)), (After::GivenUp, vec![7]));
    assert_eq!(
        lane.tally.last_error.as_deref(),
        Some("given up after a day: away")
    );
    assert_eq!((lane.due(0, true), lane.tally.refused), (Due::Never, 1));
}

#[test]
fn what_is_refused_is_given_up_at_once_and_the_next_goes_on() {
    let mut lane = lane(10, 1);
    lane.push(entry(1, 0));
    lane.push(entry(2, 0));
    lane.take(0, key);
    let (after, entries) = lane.failed(1, &Failure::refused("no"), 0);
    assert_eq!((after, rows(&entries)), (After::GivenUp, vec![1]));
    assert_eq!(rows(&lane.take(2, key).unwrap().entries), [2]);
    lane.sent(3, None);
    let tally = &lane.tally;
    assert_eq!(
        (tally.sent, tally.refused, tally.last_error.as_deref()),
        (1, 1, None)
    );
}

#[test]
fn a_message_goes_on_after_a_restart() {
    let mut lane = lane(10, 10);
    let attempt = Attempt {
        key: key(),
        made_ns: 1,
        failures: 2,
        next_ns: 3,
    };
    lane.resume(attempt.clone(), entry(1, 0));
    lane.resume(attempt.clone(), entry(2, 0));
    lane.push(entry(3, 0));
    let message = lane.take(4, || panic!("it has one")).unwrap();
    assert_eq!(
        (&message.attempt, rows(&message.entries)),
        (&attempt, vec![1, 2])
    );
}
