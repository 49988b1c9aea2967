//! Any method of the schema: typed, or by name with JSON.

use std::future::IntoFuture;

use actogram_tl::{Decode, Encode, Function, json, tables};
use serde_json::Value;

use super::{CallOptions, Pending, call_options, start};
use crate::{Api, Error, Result, text::ParseMode};

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
        let account = api.clone();
        start(&api, F::NAME, &options, async move {
            account.invoke_with(&function, terms).await
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
            let arguments = format_text(&account, &method, arguments).await?;
            let arguments = account.resolve_json_peers(&method, arguments).await?;
            let body = json::encode_call(&method, &arguments)?;
            let answer = account.invoke_bytes(&method, body, terms).await?;
            json::decode_response(&method, answer).map_err(Error::from)
        })
    }
}

call_options!(CallByName);

/// Reads the text in the dialect that `parse_mode` names, if the method takes a text with entities. Entities given beside
/// it are kept.
async fn format_text(api: &Api, method: &str, mut arguments: Value) -> Result<Value> {
    let (Some(function), Some(object)) =
        (tables::function_by_name(method), arguments.as_object_mut())
    else {
        // The codec names what is wrong with either.
        return Ok(arguments);
    };
    let takes = |name: &str| function.fields.iter().any(|field| field.name == name);
    if !takes("message") || !takes("entities") {
        return Ok(arguments);
    }
    let Some(mode) = object.remove("parse_mode") else {
        return Ok(arguments);
    };
    let key = if object.contains_key("caption") {
        "caption"
    } else {
        "message"
    };
    let (Some(mode), Some(source)) = (
        mode.as_str().and_then(ParseMode::named),
        object.get(key).and_then(Value::as_str),
    ) else {
        return Ok(arguments);
    };
    let text = mode.parse(source);
    let mut entities = Vec::new();
    for entity in api.entities_to_send(&text).await? {
        entities.push(json::decode("MessageEntity", entity.to_bytes())?);
    }
    object.remove(key);
    object.insert("message".to_owned(), text.as_str().into());
    if let Some(Value::Array(given)) = object.get_mut("entities") {
        given.append(&mut entities);
    } else if !entities.is_empty() {
        object.insert("entities".to_owned(), entities.into());
    }
    Ok(arguments)
}

call_options!([F: Function] Invoke<F>, [F: Send + 'static, F::Response: Send + 'static]);

/// Reads an answer as the method's result.
pub(crate) fn decode<T: Decode>(method: &str, answer: bytes::Bytes) -> Result<T> {
    T::from_bytes(answer).map_err(|source| Error::Answer {
        method: method.to_owned(),
        source,
    })
}
