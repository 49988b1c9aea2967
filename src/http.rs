//! The HTTP client of an account.

use std::sync::OnceLock;

pub use actogram_net::http::{
    HttpAttempt, HttpClient, HttpError, HttpFailure, HttpRequest, reqwest,
};

use crate::{Api, Error, NetworkSettings, Result};

/// An account's HTTP client, which is made when it is first asked for.
pub(crate) struct Lazy {
    settings: NetworkSettings,
    client: OnceLock<HttpClient>,
}

impl Lazy {
    pub(crate) fn new(settings: NetworkSettings) -> Self {
        Self {
            settings,
            client: OnceLock::new(),
        }
    }
}

impl Api {
    /// The account's HTTP client: one jar of cookies, and the proxies of the settings in their order.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// let page = api.http()?.get_bytes("https://host.example/", 1 << 20).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Settings`] if TLS cannot be set up; [`Error::Io`] if a file of certificates cannot be read.
    pub fn http(&self) -> Result<HttpClient> {
        let lazy = self.lazy_http();
        if let Some(client) = lazy.client.get() {
            return Ok(client.clone());
        }
        let settings = &lazy.settings;
        let client = HttpClient::new(&settings.dialer_config()?, &settings.trusted()?)
            .map_err(|error| Error::Settings(format!("`network`: {error}")))?;
        Ok(lazy.client.get_or_init(|| client).clone())
    }
}
