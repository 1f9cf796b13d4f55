//! `[[alerts.rules]]`, `[alerts.defaults]` and `[alerts.detectors]`: when an alert fires.

use std::{str::FromStr as _, time::Duration};

use super::{
    super::{
        ConfigError,
        table::{Field, Table, out_of_range},
    },
    severity,
};
use crate::model::{
    alert::Severity,
    escape::quoted,
    filter::{Filter, HostFilter},
    rule::{Detector, Rule, Scope, Test},
    units::parse_duration,
};

const RULES_MAX: usize = 1000;
const NAME_MAX: usize = 100;
/// Of an example.
const DURATION: &str = "5s";
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Keys that a rule can take from another.
#[derive(Clone, Debug, Default)]
struct Written {
    scope: Option<Scope>,
    when: Option<String>,
    until: Option<String>,
    hold: Option<Duration>,
    keep: Option<Duration>,
    cooldown: Option<Duration>,
    severity: Option<Severity>,
    inhibited_by: Option<Vec<String>>,
}

impl Written {
    /// The keys that every rule and detector has, and the defaults.
    fn timing(table: &mut Table) -> Result<Self, ConfigError> {
        Ok(Self {
            hold: duration(table, "for")?,
            keep: duration(table, "keep")?,
            cooldown: duration(table, "cooldown")?,
            severity: table
                .take("severity")
                .map(|field| field.text("warning", severity))
                .transpose()?,
            ..Self::default()
        })
    }

    /// What is missing here is as it is there.
    fn or(self, other: &Self) -> Self {
        Self {
            scope: self.scope.or(other.scope),
            when: self.when.or_else(|| other.when.clone()),
            until: self.until.or_else(|| other.until.clone()),
            hold: self.hold.or(other.hold),
            keep: self.keep.or(other.keep),
            cooldown: self.cooldown.or(other.cooldown),
            severity: self.severity.or(other.severity),
            inhibited_by: self.inhibited_by.or_else(|| other.inhibited_by.clone()),
        }
    }

    fn put_into(self, rule: Rule) -> Rule {
        Rule {
            hold: self.hold.unwrap_or(rule.hold),
            keep: self.keep.unwrap_or(rule.keep),
            cooldown: self.cooldown.unwrap_or(rule.cooldown),
            severity: self.severity.unwrap_or(rule.severity),
            inhibited_by: self.inhibited_by.unwrap_or(rule.inhibited_by),
            ..rule
        }
    }
}

pub(super) fn read(table: &mut Table) -> Result<Vec<Rule>, ConfigError> {
    let defaults = table.section("defaults", Written::timing)?;
    let mut written: Vec<(String, Written)> = Vec::new();
    let mut rules = Vec::new();
    // Whom a rule names may be below it.
    let mut named: Vec<Field> = Vec::new();
    if let Some(field) = table.take("rules") {
        let tables = field.tables()?;
        for mut table in tables {
            if rules.len() == RULES_MAX {
                return Err(table.wrong(format!("there are more than {RULES_MAX} rules")));
            }
            let (name, keys, rule, inhibitors) = rule(&mut table, &written, &defaults)?;
            table.finish()?;
            written.push((name, keys));
            rules.push(rule);
            named.extend(inhibitors);
        }
    }
    if let Some(field) = table.take("detectors") {
        let mut table = field.table()?;
        rules.extend(detectors(&mut table, &defaults)?);
        table.finish()?;
    } else {
        let with_defaults = |detector: Detector| defaults.clone().put_into(detector.rule());
        rules.extend(Detector::ALL.map(with_defaults));
    }
    for field in named {
        check_names(&field, &rules)?;
    }
    Ok(rules)
}

/// That every name is one of a rule's.
pub(super) fn check_names(field: &Field, rules: &[Rule]) -> Result<Vec<String>, ConfigError> {
    let names = field.texts("hot process")?;
    match names
        .iter()
        .find(|name| rules.iter().all(|rule| rule.name != **name))
    {
        Some(unknown) => Err(field.wrong(format!(
            "there is no rule {}; write the name of one",
            quoted(unknown)
        ))),
        None => Ok(names),
    }
}

type Read = (String, Written, Rule, Option<Field>);

fn rule(
    table: &mut Table,
    above: &[(String, Written)],
    defaults: &Written,
) -> Result<Read, ConfigError> {
    let name_field = table.take("name");
    let (inherits, per) = (table.take("inherits"), table.take("per"));
    let (when_field, until_field) = (table.take("when"), table.take("until"));
    let mut keys = Written::timing(table)?;
    let inhibitors = table.take("inhibited_by");

    let Some(name_field) = name_field else {
        return Err(table.lacks("name", "\"hot process\""));
    };
    let name = name_field.text("hot process", name_of_rule)?;
    if above.iter().any(|(known, _)| *known == name) {
        return Err(name_field.wrong("another rule has that name; write one of its own"));
    }
    let text = |field: &Field| field.text("cpu_pct > 80", |text| Ok::<_, String>(text.to_owned()));
    keys.scope = per.map(|field| field.text("process", scope)).transpose()?;
    keys.when = when_field.as_ref().map(text).transpose()?;
    keys.until = until_field.as_ref().map(text).transpose()?;
    keys.inhibited_by = inhibitors
        .as_ref()
        .map(|field| field.texts("hot process"))
        .transpose()?;
    if let Some(field) = inherits {
        let from = field.text("hot process", |text| Ok::<_, String>(text.to_owned()))?;
        let Some((_, inherited)) = above.iter().find(|(known, _)| *known == from) else {
            return Err(field.wrong(format!(
                "no rule above has the name {}; write the name of one, and put that before this",
                quoted(&from)
            )));
        };
        keys = keys.or(inherited);
    }
    let Some(when) = &keys.when else {
        return Err(table.lacks("when", "\"cpu_pct > 80\""));
    };
    let scope = keys.scope.unwrap_or_default();
    // What is wrong with an inherited text was told where that stands, unless it is of another scope.
    let wrong = |field: &Option<Field>, problem: String| match field {
        Some(field) => field.wrong(problem),
        None => name_field.wrong(problem),
    };
    let test = if scope == Scope::Host {
        Test::Host {
            when: HostFilter::from_str(when)
                .map_err(|error| wrong(&when_field, error.to_string()))?,
            until: keys
                .until
                .as_deref()
                .map(HostFilter::from_str)
                .transpose()
                .map_err(|error| wrong(&until_field, error.to_string()))?,
        }
    } else {
        Test::Filter {
            when: Filter::from_str(when).map_err(|error| wrong(&when_field, error.to_string()))?,
            until: keys
                .until
                .as_deref()
                .map(Filter::from_str)
                .transpose()
                .map_err(|error| wrong(&until_field, error.to_string()))?,
        }
    };
    let rule = Rule {
        name: name.clone(),
        scope,
        test,
        hold: Duration::ZERO,
        keep: Duration::ZERO,
        cooldown: Duration::ZERO,
        severity: Severity::Warning,
        inhibited_by: Vec::new(),
    };
    let rule = keys.clone().or(defaults).put_into(rule);
    Ok((name, keys, rule, inhibitors))
}

fn detectors(table: &mut Table, defaults: &Written) -> Result<Vec<Rule>, ConfigError> {
    let mut rules = Vec::new();
    let are_all = table
        .take("enabled")
        .map(|field| field.boolean())
        .transpose()?;
    for detector in Detector::ALL {
        let mut is_enabled = are_all.unwrap_or(true);
        let mut keys = Written::default();
        if let Some(field) = table.take(detector.name()) {
            is_enabled = true;
            match field.boolean() {
                Ok(is) => is_enabled = is,
                Err(_) => {
                    let mut table = field.table()?;
                    if let Some(field) = table.take("enabled") {
                        is_enabled = field.boolean()?;
                    }
                    keys = Written::timing(&mut table)?;
                    table.finish()?;
                }
            }
        }
        if is_enabled {
            rules.push(keys.or(defaults).put_into(detector.rule()));
        }
    }
    Ok(rules)
}

fn duration(table: &mut Table, key: &'static str) -> Result<Option<Duration>, ConfigError> {
    let Some(field) = table.take(key) else {
        return Ok(None);
    };
    let read = |text: &str| {
        let duration = parse_duration(text).map_err(|error| error.to_string())?;
        if duration <= DURATION_MAX {
            Ok(duration)
        } else {
            Err(out_of_range(text, "write at most 366d"))
        }
    };
    field.text(DURATION, read).map(Some)
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::ALL
        .into_iter()
        .find(|scope| scope.name() == text)
        .ok_or_else(|| "write process, program, container or host".to_owned())
}

fn name_of_rule(text: &str) -> Result<String, String> {
    if Detector::from_name(text).is_some() {
        return Err("a detector has that name; write another".to_owned());
    }
    let length = text.chars().count();
    if (1..=NAME_MAX).contains(&length) && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "no name of a rule; write one of 1 to {NAME_MAX} letters in one line"
        ))
    }
}
