//! The channels with hardly a key: `[alerts.command]`, `[alerts.journal]`, `[alerts.syslog]`, `[alerts.bell]`.

use super::super::{ConfigError, history::absolute, table::Table};
use crate::model::notifier::{Bell, Channel, Command};

pub(super) fn command(table: &mut Table) -> Result<Channel, ConfigError> {
    let Some(field) = table.take("argv") else {
        return Err(table.lacks("argv", "[\"/usr/local/bin/page\", \"--oncall\"]"));
    };
    let argv = field.texts("/usr/local/bin/page")?;
    match argv.first() {
        Some(program) if program.starts_with('/') => {}
        _ => {
            return Err(field.wrong(
                "no program is in it; write its path, from / on, and each argument by itself",
            ));
        }
    }
    if argv.iter().any(|argument| argument.contains('\0')) {
        return Err(field.wrong("an argument has a zero byte in it; take that out"));
    }
    Ok(Channel::Command(Command { argv }))
}

pub(super) fn journal(_: &mut Table) -> Result<Channel, ConfigError> {
    Ok(Channel::Journal)
}

pub(super) fn syslog(_: &mut Table) -> Result<Channel, ConfigError> {
    Ok(Channel::Syslog)
}

pub(super) fn bell(table: &mut Table) -> Result<Channel, ConfigError> {
    let terminal = table
        .take("terminal")
        .map(|field| field.text("/dev/tty1", absolute))
        .transpose()?;
    Ok(Channel::Bell(Bell { terminal }))
}
