//! Sending and editing messages.

use std::future::IntoFuture;

use actogram_tl::{enums, functions, types};

use super::{
    CallOptions, Pending, Terms, call_options,
    sent::{message_of, sent_message, updates_in},
    start,
};
use crate::{Api, Error, Markup, Msg, PeerRef, Result, Text, text};

/// Sends a text; see [`Api::send_message`].
#[must_use = "a message is not sent until the call is awaited or detached"]
pub struct SendMessage {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    text: Text,
    reply_to: Option<i32>,
    silent: bool,
    no_preview: bool,
    buttons: Option<Markup>,
}

impl SendMessage {
    pub(crate) fn new(api: Api, peer: PeerRef, text: Text) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            text,
            reply_to: None,
            silent: false,
            no_preview: false,
            buttons: None,
        }
    }

    /// Quotes the message with this number.
    pub fn reply_to(mut self, message_id: i32) -> Self {
        self.reply_to = Some(message_id);
        self
    }

    /// Sends without a sound at the receiver.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Shows no preview of links.
    pub fn no_preview(mut self) -> Self {
        self.no_preview = true;
        self
    }

    /// Puts a keyboard below the message; only bots can. Where the text makes several messages it stands below the last.
    ///
    /// What is wrong with the keyboard is an error of the call: [`KeyboardError`](crate::KeyboardError).
    pub fn buttons(mut self, keyboard: impl Into<Markup>) -> Self {
        self.buttons = Some(keyboard.into());
        self
    }

    /// Gives all messages that were sent, where a text too long for one makes several; otherwise the call gives the first.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api, book: String) -> actogram::Result<()> {
    /// let parts = api.send_message("me", book).all().await?;
    /// println!("sent as {} messages", parts.len());
    /// # Ok(()) }
    /// ```
    pub fn all(self) -> SendParts {
        SendParts {
            api: self.api.clone(),
            options: self.options.clone(),
            message: self,
        }
    }

    /// What is sent for the first part, or for one that follows.
    fn function(
        &self,
        to: &enums::InputPeer,
        part: &Text,
        entities: Vec<enums::MessageEntity>,
        first: bool,
        reply_markup: Option<enums::ReplyMarkup>,
    ) -> functions::messages::SendMessage {
        let random_id = self.api.random_id();
        let text = part.as_str().to_owned();
        let mut function = functions::messages::SendMessage::new(to.clone(), text, random_id);
        function.no_webpage = self.no_preview;
        function.silent = self.silent;
        let reply_to = self.reply_to.filter(|_| first);
        function.reply_to = reply_to.map(|id| types::InputReplyToMessage::new(id).into());
        function.entities = (!entities.is_empty()).then_some(entities);
        function.reply_markup = reply_markup;
        function
    }

    async fn send_parts(mut self, parts: Vec<(Text, Terms)>) -> Result<Vec<Msg>> {
        let mut markup = match self.buttons.take() {
            Some(keyboard) => Some(keyboard.into_schema()?),
            None => None,
        };
        let to = self
            .api
            .resolve(std::mem::replace(&mut self.peer, PeerRef::Me))
            .await?;
        let count = parts.len();
        let mut sent: Vec<Msg> = Vec::with_capacity(count);
        for (number, (part, terms)) in parts.into_iter().enumerate() {
            let markup = markup.take_if(|_| number + 1 == count);
            let outcome = async {
                let entities = self.api.entities_to_send(&part).await?;
                let function = self.function(&to, &part, entities, sent.is_empty(), markup);
                let updates = self.api.invoke_with(&function, terms).await?;
                sent_message(&self.api, &function, &updates).ok_or(Error::Incomplete {
                    method: SEND.to_owned(),
                    expected: "the message that was sent",
                })
            };
            match outcome.await {
                Ok(message) => sent.push(message),
                Err(error) if sent.is_empty() => return Err(error),
                Err(error) => {
                    return Err(Error::PartlySent {
                        sent: sent.iter().map(Msg::id).collect(),
                        parts: count,
                        source: Box::new(error),
                    });
                }
            }
        }
        Ok(sent)
    }
}

const SEND: &str = "messages.sendMessage";

impl IntoFuture for SendMessage {
    type Output = Result<Msg>;
    type IntoFuture = Pending<Msg>;

    fn into_future(self) -> Self::IntoFuture {
        let sent = self.all().into_future();
        Box::pin(async move {
            sent.await?.into_iter().next().ok_or(Error::Incomplete {
                method: SEND.to_owned(),
                expected: "the message that was sent",
            })
        })
    }
}

/// Sends a text in as many messages as it takes; see [`SendMessage::all`].
#[must_use = "no message is sent until the call is awaited or detached"]
pub struct SendParts {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    message: SendMessage,
}

impl IntoFuture for SendParts {
    type Output = Result<Vec<Msg>>;
    type IntoFuture = Pending<Vec<Msg>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            api,
            options,
            message,
        } = self;
        // All places in the queue are taken now: nothing comes between the parts.
        let mut parts = Vec::new();
        for part in message.text.split(text::MESSAGE_LENGTH) {
            parts.push((part, options.terms(&api)));
        }
        start(&api, SEND, &options, async move {
            for (_, terms) in &mut parts {
                // One part without a place, and none is sent.
                if let Some(Err(full)) = terms.place.take_if(|place| place.is_err()) {
                    return Err(Error::from_call(SEND, full));
                }
            }
            message.send_parts(parts).await
        })
    }
}

/// Replaces the text of a message; see [`Api::edit_message`].
#[must_use = "a message is not edited until the call is awaited or detached"]
pub struct EditMessage {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    id: i32,
    text: Text,
    buttons: Option<Markup>,
    no_preview: bool,
}

impl EditMessage {
    pub(crate) fn new(api: Api, peer: PeerRef, id: i32, text: Text) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            id,
            text,
            buttons: None,
            no_preview: false,
        }
    }

    /// The keyboard below the message from now on; only bots can. Without it a keyboard that was there goes away.
    pub fn buttons(mut self, keyboard: impl Into<Markup>) -> Self {
        self.buttons = Some(keyboard.into());
        self
    }

    /// Shows no preview of links.
    pub fn no_preview(mut self) -> Self {
        self.no_preview = true;
        self
    }
}

impl IntoFuture for EditMessage {
    type Output = Result<Msg>;
    type IntoFuture = Pending<Msg>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.editMessage";
        let Self {
            api,
            options,
            peer,
            id,
            text,
            buttons,
            no_preview,
        } = self;
        let terms = options.terms(&api);
        let account = api.clone();
        start(&api, METHOD, &options, async move {
            let reply_markup = match buttons {
                Some(keyboard) => Some(keyboard.into_schema()?),
                None => None,
            };
            let entities = account.entities_to_send(&text).await?;
            let mut function =
                functions::messages::EditMessage::new(account.resolve(peer).await?, id);
            function.message = Some(text.as_str().to_owned());
            function.entities = (!entities.is_empty()).then_some(entities);
            function.reply_markup = reply_markup;
            function.no_webpage = no_preview;
            let updates = account.invoke_with(&function, terms).await?;
            updates_in(&updates)
                .iter()
                .find_map(|update| message_of(&account, update))
                .ok_or(Error::Incomplete {
                    method: METHOD.to_owned(),
                    expected: "the message as edited",
                })
        })
    }
}

call_options!(SendMessage, SendParts, EditMessage);
