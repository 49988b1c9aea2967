//! Sending, editing and deleting messages.

use std::future::IntoFuture;

use actogram_tl::{enums, functions, types};

use super::{CallOptions, Pending, call_options, start};
use crate::{Api, Error, Msg, PeerRef, Result, Text};

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
}

impl IntoFuture for SendMessage {
    type Output = Result<Msg>;
    type IntoFuture = Pending<Msg>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.sendMessage";
        let Self {
            api,
            options,
            peer,
            text,
            reply_to,
            silent,
            no_preview,
        } = self;
        let terms = options.terms(&api);
        let account = api.clone();
        start(&api, METHOD, &options, async move {
            let input = account.resolve(peer).await?;
            let (message, entities) = text.into_parts();
            let random_id = account.random_id();
            let mut function = functions::messages::SendMessage::new(input, message, random_id);
            function.no_webpage = no_preview;
            function.silent = silent;
            function.reply_to = reply_to.map(|id| types::InputReplyToMessage::new(id).into());
            function.entities = (!entities.is_empty()).then_some(entities);
            let updates = account.invoke_with(&function, terms).await?;
            let sent = sent_message(&account, &function, &updates);
            sent.ok_or(Error::Incomplete {
                method: METHOD.to_owned(),
                expected: "the message that was sent",
            })
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
            let (message, entities) = text.into_parts();
            let mut function =
                functions::messages::EditMessage::new(account.resolve(peer).await?, id);
            function.message = Some(message);
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

call_options!(SendMessage, EditMessage, DeleteMessages);
