//! Secrets of command lines.

use std::sync::LazyLock;

use procwatch::model::redact::{MASK, Redactor};

static OURS: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::new(&[], &[]).expect("our own patterns compile"));

/// Whatever the arguments, they stay as many, and what is not redacted stays as it is.
pub(crate) fn redact(bytes: &[u8]) {
    let (is_truncated, rest) = match bytes.split_first() {
        Some((first, rest)) => (first % 2 == 1, rest),
        None => (false, bytes),
    };
    let argv = procwatch::model::facts::kernel_text(rest);
    let Some(redacted) = OURS.argv(&argv, is_truncated) else {
        return;
    };
    assert_eq!(argv.matches('\0').count(), redacted.matches('\0').count());
    for (written, shown) in argv.split('\0').zip(redacted.split('\0')) {
        assert!(could_show(written, shown), "{written:?} became {shown:?}");
    }
}

/// Whether a text is the other but for masks, each for any text. Stars beside a mask look as if they were of it.
fn could_show(written: &str, shown: &str) -> bool {
    let Some((first, others)) = shown.split_once(MASK) else {
        return written == shown;
    };
    let mut parts: Vec<&str> = others
        .split(MASK)
        .map(|part| part.trim_start_matches('*'))
        .collect();
    let last = parts.pop().unwrap_or_default();
    let first = first.trim_end_matches('*');
    let Some(mut rest) = written.strip_prefix(first) else {
        return false;
    };
    for part in parts.into_iter().map(|part| part.trim_end_matches('*')) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A pattern of anyone's takes no more than its share, or is refused in one harmless line.
pub(crate) fn pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, argv) = text.split_once('\n').unwrap_or((&text, "app\0--id-1\0"));
    match Redactor::new(&[], &[pattern.to_owned()]) {
        Ok(redactor) => {
            let _ = redactor.argv(argv, false);
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
}
