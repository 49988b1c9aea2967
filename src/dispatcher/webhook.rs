//! Updates that are posted to a web server.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{
    Cx, HandlerKind, LocalFuture, Propagation,
    handlers::{Handle, Registration},
};
use crate::{
    Client, HandlerHandle, Result, Secret, Update,
    http::{HttpError, reqwest},
};

/// The header that carries the secret.
const SECRET_HEADER: &str = "X-Actogram-Secret-Token";
/// The pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Where updates are posted to; give it to [`Client::webhook`].
///
/// The body of each `POST` is JSON, one update: `{"dedupe_id": "…", "update": {"_": "updateNewMessage", …}}`, where `_`
/// names the constructor of <https://core.telegram.org/type/Update>. The update is handled when the answer's status is
/// 2xx and comes from this very address; otherwise it is posted again, after 1 s, then after longer pauses of up to a minute. It may so come twice, with an
/// equal `dedupe_id`. Updates of one chat are posted one after another (see [`Order`](crate::Order)).
#[derive(Debug, Clone)]
#[must_use = "nothing is posted until it is given to a client"]
pub struct Webhook {
    url: String,
    secret: Option<Secret>,
    attempts: Option<u32>,
}

/// Why an update was not taken by the web server.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The server answered, but not by 2xx.
    #[error(
        "the webhook answered {status}; 2xx was expected, and the update is given up after {attempts} attempts"
    )]
    Refused {
        /// The status of its last answer.
        status: u16,
        /// How often it was tried.
        attempts: u32,
    },
    /// The server sent elsewhere, where an update may not arrive as a `POST`. Give the address it sends to.
    #[error(
        "the webhook redirects to another address, and the update is given up after {attempts} attempts"
    )]
    Redirected {
        /// How often it was tried.
        attempts: u32,
    },
    /// There was no answer.
    #[error(
        "the webhook cannot be reached, and the update is given up after {attempts} attempts: {source}"
    )]
    Unreachable {
        /// Why, the last time.
        source: HttpError,
        /// How often it was tried.
        attempts: u32,
    },
}

impl Webhook {
    /// Posts to this address, by the proxies of the settings if there are any.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret: None,
            attempts: None,
        }
    }

    /// Sends this in the header `X-Actogram-Secret-Token`, so that the server can tell who posts.
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Gives an update up after so many attempts, with a [`WebhookError`] to `on_error`. Without it an update is posted
    /// until it is taken, and those of its chat wait behind it.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts.max(1));
        self
    }

    async fn post(&self, cx: &Cx, update: &Update) -> Result<()> {
        let http = cx.http()?;
        let body = json!({
            "dedupe_id": update.dedupe_id().to_string(),
            "update": update.to_json(),
        });
        let here = reqwest::Url::parse(&self.url).ok();
        let mut pause = PAUSES.0;
        for attempts in 1.. {
            let mut request = http.post(&self.url).with(|request| request.json(&body));
            if let Some(secret) = &self.secret {
                request = request.with(|request| request.header(SECRET_HEADER, secret.expose()));
            }
            let failed = match request.await {
                // A page that answers a redirected `GET` has taken nothing.
                Ok(answer) if here.as_ref().is_some_and(|here| answer.url() != here) => {
                    WebhookError::Redirected { attempts }
                }
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => WebhookError::Refused {
                    status: answer.status().as_u16(),
                    attempts,
                },
                // No further attempt would be any different.
                Err(source @ HttpError::Request(_)) => {
                    return Err(WebhookError::Unreachable { source, attempts }.into());
                }
                Err(source) => WebhookError::Unreachable { source, attempts },
            };
            if self.attempts.is_some_and(|most| attempts >= most) {
                return Err(failed.into());
            }
            tracing::warn!(%failed, again_in = ?pause, "an update was not taken");
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
        Ok(())
    }
}

impl Handle for Webhook {
    fn kind(&self) -> HandlerKind {
        HandlerKind::Webhook
    }

    fn handle<'a>(
        &'a self,
        cx: Cx,
        update: &Update,
    ) -> Option<LocalFuture<'a, Result<Propagation>>> {
        let update = update.clone();
        Some(Box::pin(async move {
            self.post(&cx, &update).await?;
            Ok(Propagation::Handled)
        }))
    }
}

impl Client {
    /// Posts every update to a web server, whoever else handles it.
    pub fn webhook(&self, webhook: Webhook) -> HandlerHandle {
        self.register(Registration::webhook(webhook))
    }
}
