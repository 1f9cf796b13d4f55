//! Programs whose secrets have short options, which mean something else to others.

/// How an option has its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In the same word: `-pX`. By itself it asks.
    Attached,
    /// In the next word.
    Separate,
    Both,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ShortOption {
    pub(super) flag: &'static str,
    pub(super) form: Form,
    /// Secret is what comes after this character of the value. `None`: all of it.
    pub(super) after: Option<char>,
}

const fn all(flag: &'static str, form: Form) -> ShortOption {
    ShortOption {
        flag,
        form,
        after: None,
    }
}

const fn after(flag: &'static str, form: Form, character: char) -> ShortOption {
    ShortOption {
        flag,
        form,
        after: Some(character),
    }
}

/// By how a program's name begins; the first that fits.
const PROGRAMS: &[(&str, &[ShortOption])] = &[
    ("mysql", &[all("-p", Form::Attached)]),
    ("mariadb", &[all("-p", Form::Attached)]),
    ("sshpass", &[all("-p", Form::Both)]),
    (
        "curl",
        &[
            after("-u", Form::Both, ':'),
            after("--user", Form::Separate, ':'),
            after("--user=", Form::Attached, ':'),
            after("-U", Form::Both, ':'),
            after("--proxy-user", Form::Separate, ':'),
            after("--proxy-user=", Form::Attached, ':'),
        ],
    ),
    ("redis-cli", &[all("-a", Form::Separate)]),
    ("ldap", &[all("-w", Form::Both)]),
    ("smbclient", &[after("-U", Form::Both, '%')]),
    ("rpcclient", &[after("-U", Form::Both, '%')]),
    // docker login, podman login, az login; login(1) itself has no value there.
    ("login", &[all("-p", Form::Both)]),
    ("7z", &[all("-p", Form::Attached)]),
    ("zip", &[all("-P", Form::Both)]),
    ("unzip", &[all("-P", Form::Both)]),
    ("xfreerdp", &[all("/p:", Form::Attached)]),
    (
        "snmp",
        &[
            all("-c", Form::Both),
            all("-A", Form::Both),
            all("-X", Form::Both),
        ],
    ),
    ("mosquitto_", &[all("-P", Form::Both)]),
    ("sqlcmd", &[all("-P", Form::Both)]),
    ("bcp", &[all("-P", Form::Both)]),
    ("mongo", &[all("-p", Form::Both)]),
    ("lftp", &[after("-u", Form::Both, ',')]),
];

/// How names of these programs begin.
pub(super) fn beginnings() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(beginning, _)| *beginning)
}

/// The short options of the program that a word names, by its path or name. `None` for others.
pub(super) fn short_options(word: &str) -> Option<&'static [ShortOption]> {
    let name = word.rsplit('/').next().unwrap_or(word);
    PROGRAMS
        .iter()
        .find(|(beginning, _)| name.starts_with(beginning))
        .map(|(_, options)| *options)
}
