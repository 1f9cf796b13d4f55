//! `[alerts.webhook]`.

use super::{
    super::{
        ConfigError,
        history::absolute,
        table::{Field, Table},
    },
    secret,
};
use crate::model::{
    notifier::{Channel, Dialect, SecretSource, Webhook},
    secret::Secret,
    url::Url,
};

pub(super) fn read(table: &mut Table) -> Result<Channel, ConfigError> {
    let kind = table.take("kind");
    let url = table.take("url");
    let (url_file, url_env) = (table.take("url_file"), table.take("url_env"));
    let (token_file, token_env) = (table.take("token_file"), table.take("token_env"));
    let (key_file, key_env) = (
        table.take("routing_key_file"),
        table.take("routing_key_env"),
    );
    let ca_file = table.take("ca_file");

    let dialect = kind
        .map(|field| field.text("json", dialect))
        .transpose()?
        .unwrap_or(Dialect::Json);
    let url = address(url.as_ref(), url_file, url_env)?;
    if url.is_none() && dialect != Dialect::PagerDuty {
        return Err(table.lacks("url", "\"https://hooks.example/alerts\""));
    }
    let key_field = key_file.as_ref().or(key_env.as_ref());
    if let (Some(field), true) = (key_field, dialect != Dialect::PagerDuty) {
        return Err(field.wrong("only kind = \"pagerduty\" has one; take it out"));
    }
    let routing_key = secret(key_file, key_env)?;
    if routing_key.is_none() && dialect == Dialect::PagerDuty {
        return Err(table.lacks("routing_key_file", "\"/etc/procwatch/pagerduty.key\""));
    }
    Ok(Channel::Webhook(Webhook {
        dialect,
        url,
        token: secret(token_file, token_env)?,
        routing_key,
        ca_file: ca_file
            .map(|field| field.text("/etc/ssl/ca.pem", absolute))
            .transpose()?,
    }))
}

fn dialect(text: &str) -> Result<Dialect, &'static str> {
    match text {
        "json" => Ok(Dialect::Json),
        "slack" => Ok(Dialect::Slack),
        "pagerduty" => Ok(Dialect::PagerDuty),
        "alertmanager" => Ok(Dialect::Alertmanager),
        _ => Err("write json, slack, pagerduty or alertmanager"),
    }
}

fn address(
    url: Option<&Field>,
    file: Option<Field>,
    variable: Option<Field>,
) -> Result<Option<SecretSource>, ConfigError> {
    let elsewhere = secret(file, variable)?;
    let Some(url) = url else {
        return Ok(elsewhere);
    };
    if elsewhere.is_some() {
        return Err(url.wrong("there is a file or a variable for it as well; take one of them out"));
    }
    url.text("https://hooks.example/alerts", |text| {
        Url::parse_http(text).map(|_| Some(SecretSource::Written(Secret::new(text.to_owned()))))
    })
}
