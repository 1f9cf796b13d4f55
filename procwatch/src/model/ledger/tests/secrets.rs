//! Secrets of command lines are on no book, whichever way they come.

use super::*;
use crate::model::redact::Redactor;

const SECRET: &str = "app\0--password\0hunter2\0";
const REDACTED: &str = "app\0--password\0***\0";

fn redacting() -> Books {
    let redactor = Redactor::new(&[], &[]).expect("our own patterns");
    Books {
        ledger: Ledger::watching_since(50, &[]).redacting(Some(redactor)),
        ..Books::default()
    }
}

/// The arguments of the process on the books.
fn argv(books: &Books, id: ProcessId) -> Option<&str> {
    books.ledger.process(id)?.facts.argv.as_deref()
}

fn with_secret(mut observation: Observation) -> Observation {
    if let Observation::Executed(executed) = &mut observation {
        executed.argv = Some(SECRET.into());
    }
    observation
}

fn facts() -> Facts {
    Facts {
        comm: "app".into(),
        argv: Some(SECRET.into()),
        ..Facts::default()
    }
}

fn sample(id: ProcessId, facts: Arc<Facts>) -> ProcessSample {
    ProcessSample {
        id,
        parent: Some(INIT),
        facts,
        totals: cpu(1),
        rss_bytes: None,
        peak_rss_bytes: None,
        memory: None,
        pss_bytes: None,
        threads: Some(1),
        state: State::Sleeping,
        source: Source::Procfs,
        predates_collection: false,
        flows_since_ns: None,
    }
}

#[test]
fn neither_of_an_exec_nor_of_its_children() {
    let mut books = redacting();
    let mut told = Vec::new();
    let executed = with_secret(executed(A, INIT, "app"));
    books
        .ledger
        .observe(executed, &mut TestNames, &mut |event| told.push(event));
    books.observe(forked(B, A));
    assert_eq!(argv(&books, A), Some(REDACTED));
    assert_eq!(argv(&books, B), Some(REDACTED));
    let shown: Vec<_> = told
        .iter()
        .map(|event| event.facts.argv.as_deref())
        .collect();
    assert_eq!(shown, [Some(REDACTED)]);
}

#[test]
fn nor_of_what_proc_tells() {
    let mut books = redacting();
    books.pass(200, [thread(A, Some(INIT), cpu(1))]);
    books.ledger.learn(A, Some(facts()));
    assert_eq!(argv(&books, A), Some(REDACTED));

    let mut books = redacting();
    books.with(|ledger, tell| ledger.adopt(sample(A, Arc::new(facts())), tell));
    assert_eq!(argv(&books, A), Some(REDACTED));
    // What comes back as it is on the books is not looked at again, and an exec is.
    let known = Arc::clone(&books.ledger.process(A).expect("it lives").facts);
    books.with(|ledger, tell| ledger.adopt(sample(A, known), tell));
    assert_eq!(argv(&books, A), Some(REDACTED));
    books.with(|ledger, tell| ledger.adopt(sample(A, Arc::new(facts())), tell));
    assert_eq!(argv(&books, A), Some(REDACTED));
}

#[test]
fn but_where_they_are_asked_for() {
    let mut books = Books::default();
    books.observe(with_secret(executed(A, INIT, "app")));
    assert_eq!(argv(&books, A), Some(SECRET));
}
