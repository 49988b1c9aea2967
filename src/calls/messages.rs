//! Sending, editing and deleting messages.

use std::future::IntoFuture;

use actogram_tl::{enums, functions, types};

use super::{CallOptions, Pending, Terms, call_options, start};
use crate::{Api, Error, Msg, PeerRef, Result, Text, text};

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
    ) -> functions::messages::SendMessage {
        let random_id = self.api.random_id();
        let text = part.as_str().to_owned();
        let mut function = functions::messages::SendMessage::new(to.clone(), text, random_id);
        function.no_webpage = self.no_preview;
        function.silent = self.silent;
        let reply_to = self.reply_to.filter(|_| first);
        function.reply_to = reply_to.map(|id| types::InputReplyToMessage::new(id).into());
        function.entities = (!entities.is_empty()).then_some(entities);
        function
    }

    async fn send_parts(mut self, parts: Vec<(Text, Terms)>) -> Result<Vec<Msg>> {
        let to = self
            .api
            .resolve(std::mem::replace(&mut self.peer, PeerRef::Me))
            .await?;
        let count = parts.len();
        let mut sent: Vec<Msg> = Vec::with_capacity(count);
        for (part, terms) in parts {
            let outcome = async {
                let entities = self.api.entities_to_send(&part).await?;
                let function = self.function(&to, &part, entities, sent.is_empty());
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

/// Finds the message a send made among the updates that answered it.
fn sent_message(
    api: &Api,
    request: &functions::messages::SendMessage,
    updates: &enums::Updates,
) -> Option<Msg> {
    let list = match updates {
        enums::Updates::Updates(updates) => &updates.updates,
        enums::Updates::UpdatesCombined(updates) => &updates.updates,
        enums::Updates::UpdateShortSentMessage(short) => {
            return Msg::of(
                api.clone(),
                &message_of_request(api, request, short)?.into(),
                false,
            );
        }
        _ => return None,
    };
    let id = list.iter().find_map(|update| match update {
        enums::Update::UpdateMessageId(update) if update.random_id == request.random_id => {
            Some(update.id)
        }
        _ => None,
    });
    list.iter().find_map(|update| {
        message_of(api, update).filter(|message| id.is_none_or(|id| id == message.id()))
    })
}

/// A short answer holds only what the datacenter added; the rest stands in the request
/// (<https://core.telegram.org/constructor/updateShortSentMessage>).
fn message_of_request(
    api: &Api,
    request: &functions::messages::SendMessage,
    short: &types::UpdateShortSentMessage,
) -> Option<types::Message> {
    let peer = match &request.peer {
        enums::InputPeer::InputPeerSelf => types::PeerUser {
            user_id: api.me_id()?,
        }
        .into(),
        enums::InputPeer::InputPeerUser(peer) => types::PeerUser {
            user_id: peer.user_id,
        }
        .into(),
        enums::InputPeer::InputPeerChat(peer) => types::PeerChat {
            chat_id: peer.chat_id,
        }
        .into(),
        enums::InputPeer::InputPeerChannel(peer) => types::PeerChannel {
            channel_id: peer.channel_id,
        }
        .into(),
        _ => return None,
    };
    let mut message = types::Message::new(short.id, peer, short.date, request.message.clone());
    message.out = short.out;
    message.silent = request.silent;
    message.media.clone_from(&short.media);
    message.entities.clone_from(&short.entities);
    message.ttl_period = short.ttl_period;
    if let Some(enums::InputReplyTo::InputReplyToMessage(reply)) = &request.reply_to {
        let mut header = types::MessageReplyHeader::new();
        header.reply_to_msg_id = Some(reply.reply_to_msg_id);
        message.reply_to = Some(header.into());
    }
    Some(message)
}

fn message_of(api: &Api, update: &enums::Update) -> Option<Msg> {
    let (message, edited) = match update {
        enums::Update::UpdateNewMessage(update) => (&update.message, false),
        enums::Update::UpdateNewChannelMessage(update) => (&update.message, false),
        enums::Update::UpdateEditMessage(update) => (&update.message, true),
        enums::Update::UpdateEditChannelMessage(update) => (&update.message, true),
        _ => return None,
    };
    Msg::of(api.clone(), message, edited)
}

/// Replaces the text of a message; see [`Api::edit_message`].
#[must_use = "a message is not edited until the call is awaited or detached"]
pub struct EditMessage {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    id: i32,
    text: Text,
}

impl EditMessage {
    pub(crate) fn new(api: Api, peer: PeerRef, id: i32, text: Text) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            id,
            text,
        }
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
        } = self;
        let terms = options.terms(&api);
        let account = api.clone();
        start(&api, METHOD, &options, async move {
            let entities = account.entities_to_send(&text).await?;
            let mut function =
                functions::messages::EditMessage::new(account.resolve(peer).await?, id);
            function.message = Some(text.as_str().to_owned());
            function.entities = (!entities.is_empty()).then_some(entities);
            let updates = account.invoke_with(&function, terms).await?;
            let list = match &updates {
                enums::Updates::Updates(updates) => &updates.updates[..],
                enums::Updates::UpdatesCombined(updates) => &updates.updates[..],
                _ => &[],
            };
            list.iter()
                .find_map(|update| message_of(&account, update))
                .ok_or(Error::Incomplete {
                    method: METHOD.to_owned(),
                    expected: "the message as edited",
                })
        })
    }
}

/// Deletes messages; see [`Api::delete_messages`].
#[must_use = "nothing is deleted until the call is awaited or detached"]
pub struct DeleteMessages {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    ids: Vec<i32>,
    only_for_me: bool,
}

impl DeleteMessages {
    pub(crate) fn new(api: Api, ids: Vec<i32>) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            ids,
            only_for_me: false,
        }
    }

    /// Deletes for this account only; the others keep the messages.
    pub fn only_for_me(mut self) -> Self {
        self.only_for_me = true;
        self
    }
}

impl IntoFuture for DeleteMessages {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.deleteMessages";
        let Self {
            api,
            options,
            ids,
            only_for_me,
        } = self;
        let terms = options.terms(&api);
        let account = api.clone();
        start(&api, METHOD, &options, async move {
            let function = functions::messages::DeleteMessages {
                revoke: !only_for_me,
                id: ids,
            };
            account.invoke_with(&function, terms).await.map(drop)
        })
    }
}

call_options!(SendMessage, SendParts, EditMessage, DeleteMessages);
