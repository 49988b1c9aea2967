//! Any method of the schema: typed, or by name with JSON.

use std::future::IntoFuture;

use actogram_tl::{Decode, Function, json};
use serde_json::Value;

use super::{CallOptions, Pending, arguments::prepare, call_options, start, within};
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
        let terms = options.terms(&api);
        let body = function.to_bytes();
        Box::pin(async move {
            // Most calls can be sent at once. They need no task that goes on without their waiter.
            match api.invoke_at_once(body, terms) {
                Ok(answer) => {
                    let answer = async move {
                        let answer = answer.await;
                        let answer = answer.map_err(|error| Error::from_call(F::NAME, error))?;
                        decode(F::NAME, answer)
                    };
                    within(options.timeout, F::NAME, answer).await
                }
                Err((body, terms)) => {
                    let account = api.clone();
                    let flow = async move {
                        decode(F::NAME, account.invoke_bytes(F::NAME, body, terms).await?)
                    };
                    start(&api, F::NAME, &options, flow).await
                }
            }
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
        let terms = options.terms(&api);
        let account = api.clone();
        start(&api, "a call by name", &options, async move {
            let arguments = prepare(&account, &method, arguments).await?;
            let body = json::encode_call(&method, &arguments)?;
            let answer = account.invoke_bytes(&method, body, terms).await?;
            json::decode_response(&method, answer).map_err(Error::from)
        })
    }
}

call_options!(CallByName);

call_options!([F: Function] Invoke<F>, [F: Send + 'static, F::Response: Send + 'static]);

/// Reads an answer as the method's result.
pub(crate) fn decode<T: Decode>(method: &str, answer: bytes::Bytes) -> Result<T> {
    T::from_bytes(answer).map_err(|source| Error::Answer {
        method: method.to_owned(),
        source,
    })
}
