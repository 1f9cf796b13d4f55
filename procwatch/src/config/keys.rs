//! Every key with what it means: what the commented default and the JSON schema are made of.
//!
//! The readers know keys by themselves; a test holds this table against what they accept.

/// What belongs to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    Whole(i64, i64),
    Boolean,
    Texts,
    /// A detector: whether it is at work, or a table of a rule's keys.
    Switch,
}

#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// As TOML has it. What is so without the key, where there is such a thing.
    pub example: &'static str,
    /// One sentence.
    pub meaning: &'static str,
    /// Whether its table is wrong without it.
    pub is_needed: bool,
}

/// How often a table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    One,
    /// Below lines `[[…]]`.
    List,
    /// Once under its name, and under names of the user's below this key.
    Named(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// As in `alerts.email`.
    pub path: &'static str,
    pub number: Number,
    pub meaning: &'static str,
    pub keys: &'static [&'static [Key]],
}

const SEVERITIES: Kind = Kind::OneOf(&["info", "warning", "critical"]);

const fn key(name: &'static str, kind: Kind, example: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        kind,
        example,
        meaning,
        is_needed: false,
    }
}

const fn needed(
    name: &'static str,
    kind: Kind,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        is_needed: true,
        ..key(name, kind, example, meaning)
    }
}

/// Of every rule, detector, and the defaults of both.
const TIMING: &[Key] = &[
    key(
        "for",
        Kind::Text,
        "\"5s\"",
        "How long it has to hold before it fires.",
    ),
    key(
        "keep",
        Kind::Text,
        "\"30s\"",
        "How long it may not hold before it is resolved: what comes and goes is one alert.",
    ),
    key(
        "cooldown",
        Kind::Text,
        "\"10m\"",
        "From the end of an alert, how long no other about the same program fires.",
    ),
    key("severity", SEVERITIES, "\"warning\"", "How bad it is."),
];

/// Of everyone who is told.
const NOTIFIER: &[Key] = &[
    key(
        "enabled",
        Kind::Boolean,
        "true",
        "Whether it is told at all.",
    ),
    key(
        "min_severity",
        SEVERITIES,
        "\"info\"",
        "Alerts below it are not for this one.",
    ),
    key(
        "resolved",
        Kind::Boolean,
        "true",
        "Whether it is told of the end too.",
    ),
    key(
        "timeout",
        Kind::Text,
        "\"30s\"",
        "For one attempt as a whole.",
    ),
    key(
        "queue",
        Kind::Whole(1, 100_000),
        "1000",
        "Alerts that may wait for it; the oldest goes first.",
    ),
];

pub const SECTIONS: &[Section] = &[
    Section {
        path: "record",
        number: Number::One,
        meaning: "How collection runs.",
        keys: &[&[
            key(
                "interval",
                Kind::Text,
                "\"1s\"",
                "From one sample to the next.",
            ),
            key(
                "niceness",
                Kind::Whole(-20, 19),
                "-10",
                "Of the collecting thread: the lower, the sooner it gets a CPU.",
            ),
            key(
                "socket",
                Kind::Text,
                "\"/run/procwatch/procwatch.sock\"",
                "Where those meet that look at a recorder.",
            ),
        ]],
    },
    Section {
        path: "history",
        number: Number::One,
        meaning: "What is kept.",
        keys: &[&[
            key(
                "path",
                Kind::Text,
                "\"/var/lib/procwatch/procwatch.db\"",
                "The recording.",
            ),
            key(
                "max_size",
                Kind::Text,
                "\"2GiB\"",
                "The oldest goes when it becomes larger.",
            ),
            key("max_age", Kind::Text, "\"30d\"", "What is older goes."),
        ]],
    },
    Section {
        path: "limits",
        number: Number::One,
        meaning: "What procwatch itself may take; detail is left out before it takes more.",
        keys: &[&[
            key("cpu", Kind::Text, "\"10%\"", "Of one core."),
            key("memory", Kind::Text, "\"300MiB\"", "Resident."),
        ]],
    },
    Section {
        path: "redact",
        number: Number::One,
        meaning: "Secrets in command lines, which are masked before anybody sees them.",
        keys: &[&[
            key("enabled", Kind::Boolean, "true", "Whether they are masked."),
            key(
                "options",
                Kind::Texts,
                "[\"--api-pin\"]",
                "Options besides the known ones whose values are secret.",
            ),
            key(
                "patterns",
                Kind::Texts,
                "[\"id-[0-9]+\"]",
                "Regular expressions of what is secret.",
            ),
        ]],
    },
    Section {
        path: "alerts",
        number: Number::One,
        meaning: "When somebody is told of something.",
        keys: &[&[key(
            "group_wait",
            Kind::Text,
            "\"5s\"",
            "How long an alert waits for others that are to go with it.",
        )]],
    },
    Section {
        path: "alerts.defaults",
        number: Number::One,
        meaning: "For every rule and detector that does not say otherwise.",
        keys: &[TIMING],
    },
    Section {
        path: "alerts.rules",
        number: Number::List,
        meaning: "One thing to look out for.",
        keys: &[
            &[
                needed(
                    "name",
                    Kind::Text,
                    "\"hot process\"",
                    "No other rule has it.",
                ),
                key(
                    "inherits",
                    Kind::Text,
                    "\"another rule\"",
                    "The rule above that has all keys that are missing here.",
                ),
                key(
                    "per",
                    Kind::OneOf(&["process", "program", "container", "host"]),
                    "\"process\"",
                    "What is judged one by one; programs and containers are all their processes together.",
                ),
                key(
                    "when",
                    Kind::Text,
                    "\"cpu_pct > 80\"",
                    "What has to hold, in the language of filters.",
                ),
                key(
                    "until",
                    Kind::Text,
                    "\"cpu_pct < 60\"",
                    "What ends it once it fires; without it, that it holds no more.",
                ),
            ],
            TIMING,
            &[key(
                "inhibited_by",
                Kind::Texts,
                "[\"another rule\"]",
                "Nobody is told while one of these fires about the same.",
            )],
        ],
    },
    Section {
        path: "alerts.detectors",
        number: Number::One,
        meaning: "What is looked out for without a limit that somebody has to know; all of it unless it is switched off.",
        keys: &[&[
            key(
                "enabled",
                Kind::Boolean,
                "true",
                "Whether those are at work that are not named.",
            ),
            key(
                "cpu_spike",
                Kind::Switch,
                "true",
                "A program takes far more CPU than it ever does.",
            ),
            key(
                "io_spike",
                Kind::Switch,
                "true",
                "A program reads and writes far more than it ever does.",
            ),
            key(
                "level_shift",
                Kind::Switch,
                "true",
                "A program's CPU has moved to another level.",
            ),
            key(
                "memory_leak",
                Kind::Switch,
                "true",
                "Memory that grows and is not given back, and when it reaches its limit.",
            ),
            key(
                "descriptor_leak",
                Kind::Switch,
                "true",
                "Open files that become ever more.",
            ),
            key(
                "thread_leak",
                Kind::Switch,
                "true",
                "Threads that become ever more.",
            ),
            key(
                "fork_storm",
                Kind::Switch,
                "true",
                "More processes are started than ever.",
            ),
            key(
                "restart_loop",
                Kind::Switch,
                "true",
                "A program that fails is started again and again.",
            ),
            key(
                "absence",
                Kind::Switch,
                "true",
                "A program that is always there is gone.",
            ),
            key(
                "starvation",
                Kind::Switch,
                "true",
                "Ready to run, and kept from it.",
            ),
            key(
                "blocked",
                Kind::Switch,
                "true",
                "Waiting for storage, and for nothing else.",
            ),
            key(
                "zombies",
                Kind::Switch,
                "true",
                "The dead whose parent takes no note.",
            ),
            key(
                "novelty",
                Kind::Switch,
                "true",
                "A program starts or connects to what it never did.",
            ),
        ]],
    },
    Section {
        path: "alerts.maintenance",
        number: Number::List,
        meaning: "When nobody is told: daily, or once.",
        keys: &[&[
            needed(
                "name",
                Kind::Text,
                "\"nightly backup\"",
                "For those who ask why they were not told.",
            ),
            key(
                "rules",
                Kind::Texts,
                "[\"io_spike\"]",
                "Only alerts of these.",
            ),
            key(
                "daily",
                Kind::Text,
                "\"22:00-02:00\"",
                "Times of day where the host is; the end may be the next day's.",
            ),
            key(
                "days",
                Kind::Texts,
                "[\"fri\", \"sat\"]",
                "Those on which it begins.",
            ),
            key(
                "from",
                Kind::Text,
                "\"2030-01-31T14:00:00Z\"",
                "Instead of daily.",
            ),
            key("to", Kind::Text, "\"2030-01-31T16:00:00Z\"", "Its end."),
        ]],
    },
    Section {
        path: "alerts.email",
        number: Number::Named("emails"),
        meaning: "Mail.",
        keys: &[
            NOTIFIER,
            &[
                needed(
                    "smtp",
                    Kind::Text,
                    "\"smtps://mail.example:465\"",
                    "The server; smtp:// is plain, or STARTTLS.",
                ),
                key(
                    "starttls",
                    Kind::Boolean,
                    "true",
                    "Over smtp://; it is so when there is a password for another host.",
                ),
                key("user", Kind::Text, "\"procwatch\"", "Who logs in."),
                key(
                    "password_file",
                    Kind::Text,
                    "\"/etc/procwatch/smtp.password\"",
                    "The password's file, which only its owner can read.",
                ),
                key(
                    "password_env",
                    Kind::Text,
                    "\"SMTP_PASSWORD\"",
                    "Or the variable that has it.",
                ),
                needed(
                    "from",
                    Kind::Text,
                    "\"procwatch@host.example\"",
                    "The sender.",
                ),
                needed(
                    "to",
                    Kind::Texts,
                    "[\"ops@host.example\"]",
                    "The recipients.",
                ),
                key(
                    "ca_file",
                    Kind::Text,
                    "\"/etc/ssl/own-ca.pem\"",
                    "What the server's certificate has to lead to, instead of those that the host trusts.",
                ),
            ],
        ],
    },
    Section {
        path: "alerts.webhook",
        number: Number::Named("webhooks"),
        meaning: "An HTTP request.",
        keys: &[
            NOTIFIER,
            &[
                key(
                    "kind",
                    Kind::OneOf(&["json", "slack", "pagerduty", "alertmanager"]),
                    "\"json\"",
                    "What is sent.",
                ),
                key(
                    "url",
                    Kind::Text,
                    "\"https://hooks.example/alerts\"",
                    "To where.",
                ),
                key(
                    "url_file",
                    Kind::Text,
                    "\"/etc/procwatch/hook.url\"",
                    "The address's file, where it has a token in it.",
                ),
                key(
                    "url_env",
                    Kind::Text,
                    "\"HOOK_URL\"",
                    "Or the variable that has it.",
                ),
                key(
                    "token_file",
                    Kind::Text,
                    "\"/etc/procwatch/hook.token\"",
                    "The file of what is sent as Authorization: Bearer.",
                ),
                key(
                    "token_env",
                    Kind::Text,
                    "\"HOOK_TOKEN\"",
                    "Or the variable that has it.",
                ),
                key(
                    "routing_key_file",
                    Kind::Text,
                    "\"/etc/procwatch/pagerduty.key\"",
                    "PagerDuty's integration key.",
                ),
                key(
                    "routing_key_env",
                    Kind::Text,
                    "\"PAGERDUTY_KEY\"",
                    "Or the variable that has it.",
                ),
                key(
                    "ca_file",
                    Kind::Text,
                    "\"/etc/ssl/own-ca.pem\"",
                    "As for mail.",
                ),
            ],
        ],
    },
    Section {
        path: "alerts.command",
        number: Number::Named("commands"),
        meaning: "A program, which has the alerts as JSON on its standard input.",
        keys: &[
            NOTIFIER,
            &[needed(
                "argv",
                Kind::Texts,
                "[\"/usr/local/bin/page\", \"--oncall\"]",
                "The program and its arguments; no shell reads them.",
            )],
        ],
    },
    Section {
        path: "alerts.journal",
        number: Number::Named("journals"),
        meaning: "The host's journal.",
        keys: &[NOTIFIER],
    },
    Section {
        path: "alerts.syslog",
        number: Number::Named("syslogs"),
        meaning: "The host's syslog, by /dev/log.",
        keys: &[NOTIFIER],
    },
    Section {
        path: "alerts.bell",
        number: Number::Named("bells"),
        meaning: "A terminal's bell.",
        keys: &[
            NOTIFIER,
            &[key(
                "terminal",
                Kind::Text,
                "\"/dev/tty1\"",
                "Which; without it, that of standard error.",
            )],
        ],
    },
];

impl Section {
    pub fn all_keys(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().copied().flatten()
    }
}

/// A configuration that changes nothing, with every key in a comment.
pub fn commented() -> String {
    let mut text = String::from(
        "# What procwatch does when it is told nothing else: every key is optional. Take away the # of a table and of the\n\
         # keys that are to be otherwise; `procwatch config check` says what is wrong, and SIGHUP has a recorder take over\n\
         # rules, notifiers and maintenance.\n",
    );
    for section in SECTIONS {
        let header = match section.number {
            Number::List => format!("[[{}]]", section.path),
            _ => format!("[{}]", section.path),
        };
        let more = match section.number {
            Number::Named(named) => format!(" More of them are tables [alerts.{named}.NAME]."),
            _ => String::new(),
        };
        text += &format!("\n# {}{more}\n#{header}\n", section.meaning);
        for key in section.all_keys() {
            text += &format!("#{} = {}", key.name, key.example);
            text += &format!("  # {}\n", key.meaning);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, Format, parse},
        model::rule::Detector,
    };

    /// What the reader of a section says that it knows.
    fn known(section: &Section) -> Vec<String> {
        let needed: String = section
            .all_keys()
            .filter(|key| key.is_needed || (section.path == "alerts.rules" && key.name == "when"))
            .map(|key| format!("{} = {}\n", key.name, key.example))
            .collect();
        let daily = if section.path == "alerts.maintenance" {
            "daily = '22:00-02:00'\n"
        } else if section.path == "alerts.webhook" {
            "url = 'http://a'\n"
        } else {
            ""
        };
        let header = match section.number {
            Number::List => format!("[[{}]]", section.path),
            _ => format!("[{}]", section.path),
        };
        let text = format!("{header}\n{needed}{daily}qqqqqqqqqqqq = 1\n");
        let error = parse(&text, Format::Toml).unwrap_err().to_string();
        let (_, known) = error
            .split_once("known here: ")
            .unwrap_or_else(|| panic!("{text}: {error}"));
        known.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn the_table_has_what_the_readers_take() {
        for section in SECTIONS {
            let mut taken = known(section);
            // Of tables within it there are sections.
            let within = |key: &String| {
                SECTIONS.iter().any(|other| {
                    let named = matches!(other.number, Number::Named(named) if named == key);
                    section.path == "alerts" && (other.path == format!("alerts.{key}") || named)
                })
            };
            taken.retain(|key| !within(key));
            taken.sort();
            let mut told: Vec<_> = section.all_keys().map(|key| key.name).collect();
            told.sort_unstable();
            assert_eq!(taken, told, "{}", section.path);
        }
        let detectors = SECTIONS.iter().find(|one| one.path == "alerts.detectors");
        let named = detectors.unwrap().all_keys().skip(1).map(|key| key.name);
        assert!(named.eq(Detector::ALL.map(Detector::name)));
    }

    #[test]
    fn the_commented_default_changes_nothing() {
        assert_eq!(parse(&commented(), Format::Toml), Ok(Config::default()));
    }

    #[test]
    fn every_example_is_one() {
        // Whole tables, as they are when all comments are taken away; what contradicts itself is left out.
        let lonely = [
            "starttls",
            "password_env",
            "url_file",
            "url_env",
            "token_env",
            "from",
            "to",
            "days",
        ];
        let lonely = |section: &Section, key: &Key| match section.path {
            "alerts.email" => ["starttls", "password_env"].contains(&key.name),
            "alerts.webhook" => lonely.contains(&key.name) || key.name.starts_with("routing"),
            "alerts.maintenance" => ["from", "to"].contains(&key.name),
            "alerts.rules" => ["inherits", "inhibited_by"].contains(&key.name),
            _ => false,
        };
        for section in SECTIONS {
            let keys: String = section
                .all_keys()
                .filter(|key| !lonely(section, key))
                .map(|key| format!("{} = {}\n", key.name, key.example))
                .collect();
            let header = match section.number {
                Number::List => format!("[[{}]]", section.path),
                _ => format!("[{}]", section.path),
            };
            let text = format!("{header}\n{keys}");
            assert!(
                parse(&text, Format::Toml).is_ok(),
                "{text}: {:?}",
                parse(&text, Format::Toml)
            );
        }
    }
}
