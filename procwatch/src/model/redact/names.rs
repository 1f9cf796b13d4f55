//! Names that secrets are given to: of options, variables and keys.

use hashbrown::HashSet;

use super::RuleError;
use crate::model::escape::quoted;

/// A name that ends with one of these is that of a secret. `_` counts as `-`, and case does not.
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "api-key",
    "accesskey",
    "access-key",
    "secretkey",
    "secret-key",
    "authkey",
    "auth-key",
    "account-key",
    "accountkey",
    "encryption-key",
    "signing-key",
    "credential",
    "credentials",
    "authorization",
    "bearer",
];

/// The same where it is the whole last part of a name: `DB_PASS` and not `compass`.
const LAST_PARTS: &[&str] = &["pass", "pwd", "pw"];

/// An option that begins with one of these switches something, and has no secret.
const SWITCHES: &[&str] = &[
    "no", "without", "ask", "prompt", "disable", "enable", "use", "has", "require", "show", "hide",
    "skip", "allow", "check", "generate",
];

/// The working directory, as shells and `env` know it.
const WORKING_DIRECTORIES: &[&str] = &["PWD", "OLDPWD"];

/// The longest that a name is taken for.
const LONGEST: usize = 128;

/// Ours, and those of a user.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Without dashes, in lower case.
    options: HashSet<String>,
}

impl Names {
    /// # Errors
    /// When an option is none.
    pub(super) fn with(options: &[String]) -> Result<Self, RuleError> {
        let plain = |option: &String| {
            let name = option.trim_start_matches('-');
            let is_option = option.starts_with('-')
                && !name.is_empty()
                && name.len() <= LONGEST
                && name.bytes().all(is_of_name);
            if is_option {
                Ok(normal(name))
            } else {
                Err(RuleError::Option(quoted(option)))
            }
        };
        Ok(Self {
            options: options.iter().map(plain).collect::<Result<_, _>>()?,
        })
    }

    /// The user's, without their dashes.
    pub(super) fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().map(String::as_str)
    }

    /// Whether what is given to this name is secret. An option has its dashes.
    pub(super) fn is_secret(&self, written: &str) -> bool {
        let bare = written.trim_start_matches('-');
        let is_option = bare.len() < written.len();
        if bare.is_empty() || bare.len() > LONGEST || WORKING_DIRECTORIES.contains(&bare) {
            return false;
        }
        let name = normal(bare);
        if is_option {
            if self.options.contains(&name) {
                return true;
            }
            let first = name.split('-').next().unwrap_or_default();
            if first.len() < name.len() && SWITCHES.contains(&first) {
                return false;
            }
        }
        ENDINGS.iter().any(|ending| name.ends_with(ending))
            || LAST_PARTS.contains(&last_part(bare).to_ascii_lowercase().as_str())
    }
}

/// Of what names are made.
pub(super) fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// From the last separator on, or the last capital behind a small letter.
fn last_part(name: &str) -> &str {
    let bytes = name.as_bytes();
    let starts_part = |at: usize| {
        let before = bytes[at - 1];
        matches!(before, b'_' | b'-' | b'.')
            || (before.is_ascii_lowercase() && bytes[at].is_ascii_uppercase())
    };
    let start = (1..bytes.len()).rev().find(|at| starts_part(*at));
    name.get(start.unwrap_or(0)..).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        let names = Names::with(&["-k".to_owned(), "--Pin_Code".to_owned()]).unwrap();
        for secret in [
            "--password",
            "-password",
            "PGPASSWORD",
            "DB_PASS",
            "dbPass",
            "pass",
            "Pwd",
            "MYSQL_PWD",
            "token",
            "GITHUB_TOKEN",
            "clientSecret",
            "AWS_SECRET_ACCESS_KEY",
            "spring.datasource.password",
            "--access-token",
            "-k",
            "--pin-code",
            "--api_key",
        ] {
            assert!(names.is_secret(secret), "{secret}");
        }
        for plain in [
            "--password-file",
            "--no-password",
            "--ask-become-pass",
            "--use-token",
            "PWD",
            "OLDPWD",
            "tokenize",
            "--compass",
            "bypass",
            "",
            "-",
            "--",
            "k",
            "pin-code",
            "--tokens",
            "key",
            "--key",
            "passwordless",
            "PasswordAuthentication",
            "--token-ttl",
        ] {
            assert!(!names.is_secret(plain), "{plain}");
        }
    }

    #[test]
    fn an_option_has_dashes_and_no_value() {
        for wrong in ["key", "-", "--a=b", "--a b", "", "--\u{e9}"] {
            assert!(Names::with(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
