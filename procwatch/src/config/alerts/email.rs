//! `[alerts.email]`.

use super::{
    super::{
        ConfigError,
        history::absolute,
        table::{Field, Table},
    },
    secret,
};
use crate::model::{
    escape::quoted,
    notifier::{Channel, Email, Encryption, Login},
    url::{Scheme, Url},
};

const RECIPIENTS_MAX: usize = 100;

pub(super) fn read(table: &mut Table) -> Result<Channel, ConfigError> {
    let smtp = table.take("smtp");
    let starttls = table.take("starttls");
    let user = table.take("user");
    let (password_file, password_env) = (table.take("password_file"), table.take("password_env"));
    let from = table.take("from");
    let to = table.take("to");
    let ca_file = table.take("ca_file");

    let Some(smtp) = smtp else {
        return Err(table.lacks("smtp", "\"smtps://mail.example:465\""));
    };
    let url = smtp.text("smtp://127.0.0.1:25", Url::parse_smtp)?;
    let login = login(user, password_file, password_env)?;
    let encryption = encryption(&url, starttls.as_ref(), login.is_some())?;
    let Some(from) = from else {
        return Err(table.lacks("from", "\"procwatch@host.example\""));
    };
    let from = from.text("procwatch@host.example", address)?;
    let Some(field) = to else {
        return Err(table.lacks("to", "[\"ops@host.example\"]"));
    };
    let to = recipients(&field)?;
    Ok(Channel::Email(Email {
        host: url.host,
        port: url.port,
        encryption,
        login,
        from,
        to,
        ca_file: ca_file
            .map(|field| field.text("/etc/ssl/ca.pem", absolute))
            .transpose()?,
    }))
}

fn login(
    user: Option<Field>,
    file: Option<Field>,
    variable: Option<Field>,
) -> Result<Option<Login>, ConfigError> {
    let user = user
        .map(|field| {
            field
                .text("procwatch", |text| Ok::<_, String>(text.to_owned()))
                .map(|user| (user, field))
        })
        .transpose()?;
    let lonely = |field: &Field| field.wrong("a password without a name; write the name to user");
    match user {
        None => match file.as_ref().or(variable.as_ref()) {
            Some(field) => Err(lonely(field)),
            None => Ok(None),
        },
        Some((user, field)) => match secret(file, variable)? {
            Some(password) => Ok(Some(Login { user, password })),
            None => Err(field.wrong(
                "a name without a password; write that to a file that only its owner can read, and name it in password_file",
            )),
        },
    }
}

/// A password goes unencrypted to nobody but this host.
fn encryption(
    url: &Url,
    starttls: Option<&Field>,
    has_login: bool,
) -> Result<Encryption, ConfigError> {
    let wanted = starttls.map(|field| field.boolean().map(|is| (is, field)));
    match (url.scheme, wanted.transpose()?) {
        (Scheme::Smtps, Some((true, field))) => {
            Err(field
                .wrong("smtps:// is encrypted from the beginning; take it out, or write smtp://"))
        }
        (Scheme::Smtps, _) => Ok(Encryption::Tls),
        (_, Some((true, _))) => Ok(Encryption::StartTls),
        (_, Some((false, field))) if has_login && !url.is_loopback() => Err(field.wrong(
            "the password would go unencrypted over the network; take it out, or write smtps://",
        )),
        (_, None) if has_login && !url.is_loopback() => Ok(Encryption::StartTls),
        (_, _) => Ok(Encryption::None),
    }
}

fn recipients(field: &Field) -> Result<Vec<String>, ConfigError> {
    let texts = field.texts("ops@host.example")?;
    if texts.is_empty() || texts.len() > RECIPIENTS_MAX {
        return Err(field.wrong(format!(
            "{} are in it; write from 1 to {RECIPIENTS_MAX}, such as [\"ops@host.example\"]",
            texts.len()
        )));
    }
    texts
        .iter()
        .map(|text| address(text).map_err(|problem| field.wrong(problem)))
        .collect()
}

/// What a mail server makes of it is another matter.
fn address(text: &str) -> Result<String, String> {
    let is_whole = text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.trim_end_matches('>').is_empty()
    });
    if is_whole && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{} is no address of mail; write one such as ops@host.example",
            quoted(text)
        ))
    }
}
