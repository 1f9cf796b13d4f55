//! One request over HTTP/1.1, on a connection of its own. Follows no redirect, and uses no proxy.

use std::{path::Path, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::tls;
use crate::{
    model::url::{Scheme, Url},
    notify::failure::{Failure, FailureKind},
};

/// Of an answer nobody reads more.
const ANSWER_MAX: usize = 2048;

/// What is posted.
#[derive(Debug)]
pub(super) struct Post<'a> {
    pub(super) body: Vec<u8>,
    /// Sent as `Idempotency-Key`.
    pub(super) key: &'a str,
    /// Sent as `Authorization`.
    pub(super) bearer: Option<&'a str>,
}

/// Returns what a receiver that took it said.
pub(super) async fn post(
    url: &Url,
    ca_file: Option<&Path>,
    post: Post<'_>,
) -> Result<String, Failure> {
    let (answer, _driven) = match url.scheme {
        Scheme::Https => {
            let config = tls::client(ca_file)?;
            let stream = connect(url).await?;
            let name = ServerName::try_from(url.host.clone())
                .map_err(|_| Failure::temporary("the host's name can be in no certificate"))?;
            let stream = TlsConnector::from(Arc::clone(&config))
                .connect(name, stream)
                .await
                .map_err(|error| from(url, &tls::with_remedy(&error.to_string())))?;
            ask(stream, url, post).await?
        }
        _ => ask(connect(url).await?, url, post).await?,
    };
    judge(answer).await
}

async fn connect(url: &Url) -> Result<TcpStream, Failure> {
    TcpStream::connect((url.host.as_str(), url.port))
        .await
        .map_err(|error| from(url, &error.to_string()))
}

fn from(url: &Url, why: &str) -> Failure {
    Failure::temporary(format!("{}: {why}", url.authority()))
}

async fn ask<S>(
    stream: S,
    url: &Url,
    post: Post<'_>,
) -> Result<(Response<Incoming>, Driven), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let told = |error: hyper::Error| from(url, &error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    let driven = Driven(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let mut request = Request::post(&url.path)
        .header(header::HOST, url.authority())
        .header(
            header::USER_AGENT,
            concat!("procwatch/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("idempotency-key", post.key);
    if let Some(token) = post.bearer {
        let mut value = header::HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Failure::temporary("the token has a character that no header can have"))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request
        .body(Full::new(Bytes::from(post.body)))
        .map_err(|_| Failure::temporary("the address makes no request; look at its path"))?;
    let answer = sender.send_request(request).await.map_err(told)?;
    Ok((answer, driven))
}

/// The task that moves a connection's bytes: it ends when nobody waits for the answer any more.
struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn judge(answer: Response<Incoming>) -> Result<String, Failure> {
    let status = answer.status();
    let after = answer
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    if status.is_redirection() {
        return Err(Failure::refused(format!(
            "it answered {status}, and redirects are not followed; write the address that it leads to"
        )));
    }
    let said = beginning(answer.into_body()).await;
    let said = if said.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {said}")
    };
    if status.is_success() {
        return Ok(said);
    }
    let may_be_taken_later = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    let kind = if may_be_taken_later {
        FailureKind::Temporary(after)
    } else {
        FailureKind::Refused
    };
    Err(Failure::new(&format!("it answered {said}"), kind))
}

/// As much of an answer as is worth telling.
async fn beginning(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_MAX {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(data);
                }
            }
            Some(Err(_)) | None => break,
        }
    }
    bytes.truncate(ANSWER_MAX);
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
