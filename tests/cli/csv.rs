//! A reader of RFC 4180, and what it reads.

use procwatch_tests::procwatch::{run, snapshot};

/// Every record and its fields.
///
/// # Panics
/// When the text is not RFC 4180.
pub fn parse(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut characters = text.chars().peekable();
    while characters.peek().is_some() {
        let mut field = String::new();
        if characters.next_if_eq(&'"').is_some() {
            loop {
                match characters.next() {
                    Some('"') if characters.next_if_eq(&'"').is_some() => field.push('"'),
                    Some('"') => break,
                    Some(inside) => field.push(inside),
                    None => panic!("a quoted field does not end: {field:?}"),
                }
            }
        } else {
            while let Some(plain) =
                characters.next_if(|next| ![',', '\r', '\n', '"'].contains(next))
            {
                field.push(plain);
            }
        }
        record.push(field);
        match (characters.next(), characters.peek()) {
            (Some(','), Some(_)) => {}
            (Some('\r'), Some('\n')) => {
                characters.next();
                records.push(std::mem::take(&mut record));
            }
            other => panic!("{other:?} after {record:?}"),
        }
    }
    assert!(
        record.is_empty(),
        "the last record is not ended: {record:?}"
    );
    records
}

#[test]
fn the_reader_reads() {
    let expected = [["a", "b"], ["1,\"2\"\r\n3", ""]];
    assert_eq!(parse("a,b\r\n\"1,\"\"2\"\"\r\n3\",\r\n"), expected);
}

#[test]
fn csv_has_the_fields_of_json_in_every_record() {
    let ended = run(&["top", "--once", "--format", "csv", "--interval", "100ms"]).done();
    let records = parse(ended.text());
    let header = &records[0];
    let snapshot = snapshot(&["--interval", "100ms"]);
    let names = snapshot["processes"][0].as_object().expect("a process");
    assert_eq!(header.len(), names.len());
    for name in header {
        assert!(names.contains_key(name), "{name} is not in JSON");
    }
    assert!(records.len() > 3);
    let pid = header
        .iter()
        .position(|name| name == "pid")
        .expect("a column of pids");
    for record in &records[1..] {
        assert_eq!(record.len(), header.len(), "{record:?}");
        record[pid].parse::<u32>().expect("a pid");
    }
}
