//! The ways to receivers. Each takes one [`Letter`] in one attempt, and says what the receiver said.

mod bell;
mod command;
mod http;
mod logs;
mod smtp;
mod tls;
mod webhook;

use std::time::Duration;

use super::{desk::Taken, failure::Failure, lane::Bounds, letter::Letter};
use crate::model::{
    alert::{Alert, AlertState},
    notifier::{self, Channel, Dialect},
};

/// A notifier as it is configured. What it takes to reach the receiver, secrets too, is read for each attempt: what
/// was corrected on disk counts from the next.
#[derive(Clone, Debug)]
pub struct Notifier {
    settings: notifier::Notifier,
}

impl Notifier {
    pub const fn new(settings: notifier::Notifier) -> Self {
        Self { settings }
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    pub const fn channel(&self) -> &'static str {
        self.settings.channel.name()
    }

    /// Whether an alert is for this one.
    pub fn wants(&self, alert: &Alert) -> bool {
        let is_due = match alert.state {
            AlertState::Pending => false,
            AlertState::Firing => true,
            AlertState::Resolved => self.settings.sends_resolved,
        };
        is_due && alert.severity >= self.settings.min_severity
    }

    pub(super) fn bounds(&self, group_wait: Duration) -> Bounds {
        let one_by_one = Bounds {
            queue: self.settings.queue,
            batch: 1,
            group_wait: Duration::ZERO,
        };
        let grouped = |batch| Bounds {
            batch,
            group_wait,
            ..one_by_one
        };
        match &self.settings.channel {
            Channel::Email(_) | Channel::Bell(_) => grouped(500),
            Channel::Command(_) => grouped(100),
            Channel::Webhook(webhook) => match webhook.dialect {
                Dialect::Slack => grouped(500),
                Dialect::Json | Dialect::Alertmanager => grouped(100),
                // An event is about one alert.
                Dialect::PagerDuty => one_by_one,
            },
            // An entry is about one alert, and groups are for readers to make.
            Channel::Journal | Channel::Syslog => one_by_one,
        }
    }

    /// One attempt. Dropped, it leaves nothing running.
    ///
    /// # Errors
    /// Why the message was not taken.
    pub(super) async fn deliver(&self, letter: &Letter) -> Result<Taken, Failure> {
        let limit = self.settings.timeout;
        tokio::time::timeout(limit, self.attempt(letter))
            .await
            .unwrap_or_else(|_| {
                Err(Failure::temporary(format!(
                    "nothing was said for {} s; look at the receiver, or raise timeout",
                    limit.as_secs()
                )))
            })
    }

    async fn attempt(&self, letter: &Letter) -> Result<Taken, Failure> {
        let said = match &self.settings.channel {
            Channel::Email(email) => return smtp::send(email, letter, self.settings.timeout).await,
            Channel::Webhook(webhook) => webhook::send(webhook, letter).await,
            Channel::Command(command) => command::send(&command.argv, letter).await,
            Channel::Journal => logs::journal(letter).await,
            Channel::Syslog => logs::syslog(letter).await,
            Channel::Bell(bell) => bell::ring(bell, letter),
        };
        said.map(Taken::from)
    }
}
