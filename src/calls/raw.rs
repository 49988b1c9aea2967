//! Any method of the schema: typed, or by name with JSON.

use std::future::IntoFuture;

use actogram_tl::{Decode, Function, json};
use serde_json::Value;

use super::{CallOptions, Pending, call_options, start};
use crate::{Api, Error, Result};

/// A call of a typed method; see [`Api::invoke`].
#[must_use = "a call does nothing until it is awaited or detached"]
pub struct Invoke<F: Function> {
    pub(crate) api: Api,
    pub(crate) function: F,
    pub(crate) options: CallOptions,
}

impl<F> IntoFuture for Invoke<F>
where
    F: Function + Send + 'static,
    F::Response: Send + 'static,
{
    type Output = Result<F::Response>;
    type IntoFuture = Pending<F::Response>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            api,
            function,
            options,
        } = self;
        let policy = options.policy(api.call_defaults());
        let account = api.clone();
        start(&api, F::NAME, &options, async move {
            account.invoke_with(&function, policy).await
        })
    }
}

/// A call by name; see [`Api::call`].
#[must_use = "a call does nothing until it is awaited or detached"]
pub struct CallByName {
    pub(crate) api: Api,
    pub(crate) method: String,
    pub(crate) arguments: Value,
    pub(crate) options: CallOptions,
}

impl IntoFuture for CallByName {
    type Output = Result<Value>;
    type IntoFuture = Pending<Value>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            api,
            method,
            arguments,
            options,
        } = self;
        let policy = options.policy(api.call_defaults());
        let account = api.clone();
        start(&api, "a call by name", &options, async move {
            let arguments = account.resolve_json_peers(&method, arguments).await?;
            let body = json::encode_call(&method, &arguments)?;
            let answer = account.invoke_bytes(&method, body, policy).await?;
            json::decode_response(&method, answer).map_err(Error::from)
        })
    }
}

call_options!(CallByName);

impl<F: Function> Invoke<F> {
    /// Stops waiting after this time, with [`Error::Timeout`]. The call itself goes on, unless
    /// [`cancel_on_drop`](Self::cancel_on_drop) is set too.
    pub fn timeout(mut self, limit: std::time::Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// How often errors of the datacenter's own (class 500) are tried again.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = Some(retries);
        self
    }

    /// The longest flood wait that is slept through; a longer one is returned as an error.
    pub fn flood_wait_limit(mut self, limit: std::time::Duration) -> Self {
        self.options.flood_wait_limit = Some(limit);
        self
    }

    /// Cancels the call when its future is dropped. It may have been carried out by then.
    pub fn cancel_on_drop(mut self) -> Self {
        self.options.cancel_on_drop = true;
        self
    }
}

/// Reads an answer as the method's result.
pub(crate) fn decode<T: Decode>(method: &str, answer: bytes::Bytes) -> Result<T> {
    T::from_bytes(answer).map_err(|source| Error::Answer {
        method: method.to_owned(),
        source,
    })
}
