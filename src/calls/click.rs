//! Pressing a message's buttons, for accounts of people.

use std::{future::IntoFuture, time::Duration};

use actogram_tl::{enums, functions};

use super::{CallOptions, Pending, call_options, start};
use crate::{Api, ButtonChoice, ButtonKind, Error, Msg, Result};

/// What came of pressing a button.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Clicked {
    /// The bot answered.
    Answered(CallbackAnswer),
    /// The button's text was sent.
    Sent(Box<Msg>),
    /// The button opens this address; nothing was sent.
    Url(String),
    /// The button puts this text into the clipboard; nothing was sent.
    Copy(String),
}

/// How a bot answered a pressed button (<https://core.telegram.org/constructor/messages.botCallbackAnswer>).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackAnswer {
    /// What it says, if anything.
    pub text: Option<String>,
    /// It is to be shown in a window that must be closed.
    pub alert: bool,
    /// An address to be opened.
    pub url: Option<String>,
    /// So long the same press need not be told to the bot again.
    pub cache_for: Duration,
}

/// Presses a button; see [`Msg::click`].
#[must_use = "nothing is pressed until the call is awaited or detached"]
pub struct ClickButton {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    message: Msg,
    choice: ButtonChoice,
}

impl ClickButton {
    pub(crate) fn new(message: Msg, choice: ButtonChoice) -> Self {
        Self {
            api: message.api().clone(),
            options: CallOptions::default(),
            message,
            choice,
        }
    }
}

impl IntoFuture for ClickButton {
    type Output = Result<Clicked>;
    type IntoFuture = Pending<Clicked>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.getBotCallbackAnswer";
        let Self {
            api,
            options,
            message,
            choice,
        } = self;
        let terms = options.terms(&api);
        let (account, inner) = (api.clone(), options.clone());
        start(&api, METHOD, &options, async move {
            let Some(button) = choice.find(message.buttons()) else {
                let why = format!("message {} has no such button: {choice:?}", message.id());
                return Err(Error::argument(METHOD, why));
            };
            match button.kind {
                ButtonKind::Callback(data) => {
                    let peer = account.resolve(&message).await?;
                    let mut function =
                        functions::messages::GetBotCallbackAnswer::new(peer, message.id());
                    function.data = Some(data);
                    let answer = account.invoke_with(&function, terms).await?;
                    let enums::messages::BotCallbackAnswer::BotCallbackAnswer(answer) = answer;
                    let seconds = u64::try_from(answer.cache_time).unwrap_or(0);
                    Ok(Clicked::Answered(CallbackAnswer {
                        text: answer.message.clone(),
                        alert: answer.alert,
                        url: answer.url.clone(),
                        cache_for: Duration::from_secs(seconds),
                    }))
                }
                ButtonKind::Text => {
                    // The call's place in its queue goes to what is sent.
                    drop(terms);
                    let mut reply = account.send_message(&message, button.text);
                    reply.options = inner;
                    Ok(Clicked::Sent(Box::new(reply.await?)))
                }
                ButtonKind::Url(url) => Ok(Clicked::Url(url)),
                ButtonKind::Copy(text) => Ok(Clicked::Copy(text)),
                _ => Err(Error::NotBuilt {
                    what: "pressing buttons other than those of callbacks, texts, addresses and the clipboard",
                }),
            }
        })
    }
}

call_options!(ClickButton);
