//! Mail over SMTP: one connection a message, closed behind it.

use std::time::Duration;

use lettre::{
    message::Mailbox,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};

use super::tls;
use crate::{
    model::{
        notifier::{Email, Encryption},
        secret::{Secret, without},
    },
    notify::{credential, desk::Taken, failure::Failure, letter::Letter, render::mail},
};

pub(super) async fn send(
    email: &Email,
    letter: &Letter,
    timeout: Duration,
) -> Result<Taken, Failure> {
    let password = match &email.login {
        Some(login) => Some(credential::read(&login.password, "password")?),
        None => None,
    };
    let secret = password.as_ref().map_or("", Secret::reveal);
    match Session::open(email, letter, timeout, secret).await {
        Ok(mut session) => {
            let said = session.transact(email, letter).await;
            session.close().await;
            said
        }
        Err(failure) => Err(failure),
    }
    .map_err(|failure| Failure::new(&without(failure.why(), &[secret]), failure.kind))
}

struct Session {
    connection: AsyncSmtpConnection,
}

impl Session {
    /// Connected, encrypted and logged in, as it is configured. That any of this fails is no refusal of a message.
    async fn open(
        email: &Email,
        letter: &Letter,
        timeout: Duration,
        password: &str,
    ) -> Result<Self, Failure> {
        let place = format!("{}:{}", email.host, email.port);
        let told = |error: Error| Failure::temporary(format!("{place}: {}", reason(&error)));
        let hello = hello(&letter.host);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (email.host.as_str(), email.port),
            Some(timeout),
            &hello,
            match email.encryption {
                Encryption::Tls => Some(trusted(email)?),
                Encryption::None | Encryption::StartTls => None,
            },
            None,
        )
        .await
        .map_err(told)?;
        if email.encryption == Encryption::StartTls {
            if !connection.can_starttls() {
                Self { connection }.close().await;
                return Err(Failure::temporary(format!(
                    "{place}: the server does not offer STARTTLS, and nothing was sent unencrypted; write smtps:// if it has a port for that"
                )));
            }
            connection
                .starttls(trusted(email)?, &hello)
                .await
                .map_err(told)?;
        }
        if let Some(login) = &email.login {
            let credentials = Credentials::new(login.user.clone(), password.to_owned());
            if let Err(error) = connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await
            {
                Self { connection }.close().await;
                return Err(Failure::temporary(format!(
                    "{place}: logging in: {}; look at user and the password",
                    reason(&error)
                )));
            }
        }
        Ok(Self { connection })
    }

    async fn transact(&mut self, email: &Email, letter: &Letter) -> Result<Taken, Failure> {
        let from = mailbox(&email.from)?;
        let to = email
            .to
            .iter()
            .map(|text| mailbox(text))
            .collect::<Result<Vec<_>, _>>()?;
        let bytes = mail::mail(letter, &from, &to).map_err(Failure::refused)?;
        let mut parameters = Vec::new();
        let addresses = std::iter::once(&from).chain(&to);
        if !addresses
            .clone()
            .all(|mailbox| mailbox.email.to_string().is_ascii())
        {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if self
            .connection
            .server_info()
            .supports_feature(Extension::EightBitMime)
        {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let sender = Mail::new(Some(from.email.clone()), parameters);
        self.connection
            .command(sender)
            .await
            .map_err(|error| answered("the sender", &error))?;
        let unknown = self.name_recipients(&to).await?;
        self.connection
            .command(Data)
            .await
            .map_err(|error| answered("the message", &error))?;
        let response = self
            .connection
            .message(&bytes)
            .await
            .map_err(|error| answered("the message", &error))?;
        let said: Vec<&str> = response.message().collect();
        Ok(Taken {
            said: said.join(" "),
            remark: unknown.map(|unknown| format!("sent, but not to {unknown}")),
        })
    }

    /// Those that the server does not know, when there are others.
    async fn name_recipients(&mut self, to: &[Mailbox]) -> Result<Option<String>, Failure> {
        let mut unknown = Vec::new();
        for mailbox in to {
            let recipient = Rcpt::new(mailbox.email.clone(), Vec::new());
            match self.connection.command(recipient).await {
                Ok(_) => {}
                Err(error) if error.is_permanent() => {
                    unknown.push(format!("{}: {}", mailbox.email, reason(&error)));
                }
                // Nothing has been sent to the others either: all of them get it when this one can.
                Err(error) => return Err(answered(mailbox.email.as_ref(), &error)),
            }
        }
        if unknown.len() == to.len() {
            return Err(Failure::refused(format!("refused: {}", unknown.join("; "))));
        }
        Ok((!unknown.is_empty()).then(|| unknown.join("; ")))
    }

    /// What was taken is taken, whatever is said to this.
    async fn close(mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        if !self.connection.has_broken() {
            let _ = tokio::time::timeout(PATIENCE, self.connection.quit()).await;
        }
    }
}

fn answered(what: &str, error: &Error) -> Failure {
    let told = format!("{what} was not taken: {}", reason(error));
    if error.is_permanent() {
        Failure::refused(told)
    } else {
        Failure::temporary(told)
    }
}

/// Without the words for kinds of errors of a library.
fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    for prefix in [
        "Connection error: ",
        "network error: ",
        "tls error: ",
        "internal client error: ",
    ] {
        while let Some(rest) = text.strip_prefix(prefix) {
            text = rest.to_owned();
        }
    }
    for (kind, known) in [
        ("permanent error (", error.is_permanent()),
        ("transient error (", error.is_transient()),
    ] {
        if let (true, Some(rest)) = (known, text.strip_prefix(kind)) {
            text = rest.replacen("): ", " ", 1);
        }
    }
    tls::with_remedy(&text)
}

fn trusted(email: &Email) -> Result<TlsParameters, Failure> {
    let told = |error: Error| Failure::temporary(reason(&error));
    let mut builder = TlsParameters::builder(email.host.clone());
    if let Some(path) = &email.ca_file {
        let pem = tls::read_ca_file(path)?;
        let certificate = Certificate::from_pem(&pem).map_err(told)?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(told)
}

fn mailbox(text: &str) -> Result<Mailbox, Failure> {
    text.parse().map_err(|error| {
        Failure::refused(format!(
            "{text} is no address of mail: {error}; correct from or to"
        ))
    })
}

/// RFC 5321, 4.1.1.1: the host's name, where it is one that a server may take.
fn hello(host: &str) -> ClientId {
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    if is_name {
        ClientId::Domain(host.to_owned())
    } else {
        ClientId::default()
    }
}
