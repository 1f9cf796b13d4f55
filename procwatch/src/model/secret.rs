//! A text that is for one receiver alone: it shows itself to nobody else, not even in an error.

use std::fmt;

/// Instead of a secret.
const MASK: &str = "***";

/// A password, a token, or an address with one in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// To hand it to whom it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(MASK)
    }
}

/// A text of somebody else without any of these secrets: receivers repeat in an error what they were sent.
pub fn without(text: &str, secrets: &[&str]) -> String {
    /// What is shorter is part of any text.
    const SHORTEST: usize = 4;
    let mut longest_first: Vec<&str> = secrets
        .iter()
        .copied()
        .filter(|secret| secret.len() >= SHORTEST)
        .collect();
    longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    longest_first
        .iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let secret = Secret::new("hunter2-hunter2".to_owned());
        assert_eq!(
            format!("{secret} {secret:?} {:#?}", Some(&secret)),
            "*** *** Some(\n    ***,\n)"
        );
        assert_eq!(secret.reveal(), "hunter2-hunter2");
    }

    #[test]
    fn what_a_receiver_repeats_is_masked() {
        let told = "Cannot POST /services/T000/B000/XXXX?key=XXXX";
        assert_eq!(
            without(told, &["XXXX", "/services/T000/B000/XXXX", "T0", ""]),
            "Cannot POST ***?key=***"
        );
        assert_eq!(without("abc", &["abc", "b"]), "abc");
    }
}
