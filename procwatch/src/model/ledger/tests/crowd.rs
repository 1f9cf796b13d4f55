//! A hundred thousand processes, of fewer pids.

use super::*;

const CROWD: u32 = 100_000;
/// Fewer than there are processes: each is held by three or four, one after the other.
const PIDS: u32 = 30_000;

fn sum(processes: &[ProcessSample]) -> u64 {
    let cpu = |process: &ProcessSample| process.totals.get(Counter::CpuTime);
    processes.iter().filter_map(cpu).sum()
}

const fn member(number: u32) -> ProcessId {
    ProcessId::new(10 + number, 1000 + number as u64)
}

#[test]
fn a_hundred_thousand_living_and_dying_at_once_are_on_the_books_to_the_last() {
    let cost = |number: u32| u64::from(number) * 3 + 1;
    let all = |divisor| (0..CROWD).map(move |number| cost(number) / divisor);
    let mut books = Books::default();
    for number in 0..CROWD {
        // Of every seventh the birth is lost.
        if number % 7 != 0 {
            books.observe(forked(member(number), INIT));
        }
    }
    let living = |divisor, those: fn(u32) -> bool| {
        let living = (0..CROWD).filter(move |number| those(*number));
        living.map(move |number| thread(member(number), Some(INIT), cpu(cost(number) / divisor)))
    };
    books.pass(NOW, living(2, |_| true));
    let shown = books.ledger.take_processes();
    assert_eq!(shown.len(), CROWD as usize);
    assert_eq!(sum(&shown), all(2).sum::<u64>());

    // All but every tenth die; of every fifth of those only the closing record comes, of every eleventh none.
    for number in (0..CROWD).filter(|number| number % 10 != 0) {
        if number % 11 == 0 {
            continue;
        }
        if number % 5 != 0 {
            books.observe(exited(member(number), INIT, cpu(cost(number) - 1)));
        }
        books.observe(closed(member(number), cpu(cost(number))));
    }
    books.pass(NOW * 1000, living(1, |number| number % 10 == 0));
    books.pass(
        NOW * 1000 + RECORD_DELAY_MAX_NS,
        living(1, |number| number % 10 == 0),
    );
    let shown = books.ledger.take_processes();
    let is_over = |process: &&ProcessSample| matches!(process.state, State::Exited(_));
    let over = shown.iter().filter(is_over).count();
    let crowded_out = books.ledger.crowded_out();
    assert_eq!(over, ENDED_MAX, "as many as one sample has room for");
    assert_eq!(
        crowded_out.processes,
        u64::from(CROWD / 10 * 9) - ENDED_MAX as u64
    );
    assert_eq!(shown.len() - over, CROWD as usize / 10);
    let is_unseen = |number: &u32| number.is_multiple_of(11) && !number.is_multiple_of(10);
    let unseen: u64 = (0..CROWD)
        .filter(is_unseen)
        .map(|number| cost(number) - cost(number) / 2)
        .sum();
    let known = sum(&shown) + crowded_out.totals.get(Counter::CpuTime).unwrap();
    assert_eq!(known + unseen, all(1).sum::<u64>());
    assert_eq!(
        books.ends.len(),
        CROWD as usize / 10 * 9,
        "each end is told once"
    );
    let by_pass = books.ledger.closed_without_record().processes;
    assert_eq!(by_pass, (0..CROWD).filter(is_unseen).count() as u64);

    let tree = books.ledger.tree().len();
    assert!(tree < CROWD as usize / 10 + 30_000, "{tree} nodes");
    assert!(books.ledger.ended.capacity() <= 1024 && books.ledger.ending.is_empty());
    assert!(books.ledger.take_processes().len() == CROWD as usize / 10);
}

#[test]
fn pids_that_come_round_again_keep_their_accounts_apart() {
    let mut books = Books::default();
    let mut sums = (0, 0);
    for number in 0..CROWD {
        let id = ProcessId::new(10 + number % PIDS, 1000 + u64::from(number));
        let parent = if number < PIDS {
            INIT
        } else {
            ProcessId::new(10 + (number - 1) % PIDS, 999 + u64::from(number))
        };
        books
            .observe(forked(id, parent))
            .observe(executed(id, parent, "again"));
        assert_eq!(books.ledger.holder(id.pid), Some(id));
        books
            .observe(exited(id, parent, cpu(0)))
            .observe(closed(id, cpu(u64::from(number))));
        sums.0 += u64::from(number);
        if number % 20_000 == 0 {
            sums.1 += sum(&books.ledger.take_processes());
            books.told();
        }
    }
    sums.1 += sum(&books.ledger.take_processes());
    assert_eq!(sums.0, sums.1);
    assert_eq!(books.ends.len(), CROWD as usize);
    assert!(books.ledger.tree().len() < 30_000);
    assert!(books.ledger.pids().is_empty());
}

#[test]
fn a_closing_record_that_comes_after_thousands_of_others_ends_nobody_twice() {
    let mut books = Books::default();
    books.observe(forked(A, INIT)).pass(NOW, []);
    // Nobody sees it again: it has ended, though no record says so.
    books.pass(NOW + RECORD_DELAY_MAX_NS, []);
    assert_eq!(books.ends[&A], (0, TotalsAt::LastSeen));
    for number in 0..CROWD / 5 {
        let id = ProcessId::new(10_000 + number, NOW + u64::from(number));
        books.observe(forked(id, INIT)).observe(closed(id, cpu(1)));
    }
    books.ledger.take_processes();
    books.told();
    books.observe(closed(A, cpu(70)));
    assert_eq!(books.told(), "", "its end has been told");
    // What it cost beyond what was known of it is not lost.
    assert_eq!(books.ledger.take_processes().len(), 0);
    let late = books.ledger.late();
    assert_eq!(
        (late.processes, late.totals.get(Counter::CpuTime)),
        (1, Some(70))
    );
    assert_eq!(books.ledger.closed_without_record().processes, 0);
}
