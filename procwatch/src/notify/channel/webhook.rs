//! Web hooks in each dialect.

use super::http::{Post, post};
use crate::{
    model::{
        notifier::{Dialect, Webhook},
        secret::{Secret, without},
        url::Url,
    },
    notify::{
        credential,
        failure::Failure,
        letter::Letter,
        render::{alertmanager, json, pagerduty, slack},
    },
};

const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";

pub(super) async fn send(webhook: &Webhook, letter: &Letter) -> Result<String, Failure> {
    let text = match &webhook.url {
        Some(source) => credential::read(source, "url")?,
        None => Secret::new(PAGERDUTY.to_owned()),
    };
    let mut url = Url::parse_http(text.reveal())
        .map_err(|error| Failure::temporary(format!("url: {error}")))?;
    if webhook.dialect == Dialect::Alertmanager && url.path == "/" {
        ALERTMANAGER_PATH.clone_into(&mut url.path);
    }
    let read = |source: &Option<_>, what| {
        source
            .as_ref()
            .map(|source| credential::read(source, what))
            .transpose()
    };
    let token = read(&webhook.token, "token")?;
    let routing_key = read(&webhook.routing_key, "routing_key")?.unwrap_or_default();
    let document = match (webhook.dialect, letter.alerts.first()) {
        (Dialect::PagerDuty, Some(alert)) => pagerduty::document(letter, alert, &routing_key),
        (Dialect::Slack, _) => slack::document(letter),
        (Dialect::Alertmanager, _) => alertmanager::document(letter),
        (Dialect::Json | Dialect::PagerDuty, _) => json::document(letter),
    };
    let body =
        serde_json::to_vec(&document).map_err(|error| Failure::refused(error.to_string()))?;
    let token = token.as_ref().map(Secret::reveal);
    let said = post(
        &url,
        webhook.ca_file.as_deref(),
        Post {
            body,
            key: &letter.key,
            bearer: token,
        },
    )
    .await;
    let secrets = secrets(&url, &[token.unwrap_or_default(), routing_key.reveal()]);
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    match said {
        Ok(said) => Ok(without(&said, &secrets)),
        Err(failure) => Err(Failure::new(
            &without(failure.why(), &secrets),
            failure.kind,
        )),
    }
}

/// What an answer may repeat: the path and each part of it that may be a token, and what was sent beside.
fn secrets(url: &Url, others: &[&str]) -> Vec<String> {
    let parts = url.path.split(['/', '?', '&', '=']);
    let whole = [url.path.as_str()]
        .into_iter()
        .filter(|path| *path != ALERTMANAGER_PATH);
    let tokens = parts.filter(|part| part.len() >= 8 && !ALERTMANAGER_PATH.contains(part));
    whole
        .chain(tokens)
        .chain(others.iter().copied())
        .map(str::to_owned)
        .collect()
}
