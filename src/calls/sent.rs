//! The messages a call made, out of the updates that answered it.

use actogram_tl::{enums, functions, types};

use crate::{Api, Msg, PeerId, peers::id_of};

/// Finds the message a send made among the updates that answered it.
pub(super) fn sent_message(
    api: &Api,
    request: &functions::messages::SendMessage,
    updates: &enums::Updates,
) -> Option<Msg> {
    if let enums::Updates::UpdateShortSentMessage(short) = updates {
        let message = message_of_request(api, request, short)?.into();
        return Msg::of(api.clone(), &message, false);
    }
    let named = sent_by_id(api, updates, &[request.random_id]).pop();
    named.or_else(|| {
        let mut list = updates_in(updates).iter();
        list.find_map(|update| message_of(api, update))
    })
}

/// The updates of a container; none for what is no container.
pub(super) fn updates_in(updates: &enums::Updates) -> &[enums::Update] {
    match updates {
        enums::Updates::Updates(updates) => &updates.updates,
        enums::Updates::UpdatesCombined(updates) => &updates.updates,
        _ => &[],
    }
}

/// The messages that were sent under these numbers, in this order; without those that the answer does not hold.
pub(crate) fn sent_by_id(api: &Api, updates: &enums::Updates, random_ids: &[i64]) -> Vec<Msg> {
    let list = updates_in(updates);
    let id_of = |wanted: i64| {
        list.iter().find_map(|update| match update {
            enums::Update::UpdateMessageId(update) if update.random_id == wanted => Some(update.id),
            _ => None,
        })
    };
    let message = |id| {
        let mut messages = list.iter().filter_map(|update| message_of(api, update));
        messages.find(|message| message.id() == id)
    };
    random_ids
        .iter()
        .filter_map(|random_id| message(id_of(*random_id)?))
        .collect()
}

/// A short answer holds only what the datacenter added; the rest stands in the request
/// (<https://core.telegram.org/constructor/updateShortSentMessage>).
fn message_of_request(
    api: &Api,
    request: &functions::messages::SendMessage,
    short: &types::UpdateShortSentMessage,
) -> Option<types::Message> {
    let me = || api.me_id().map(PeerId::User);
    let peer = id_of(&request.peer).or_else(me)?;
    let mut message =
        types::Message::new(short.id, peer.into(), short.date, request.message.clone());
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

pub(super) fn message_of(api: &Api, update: &enums::Update) -> Option<Msg> {
    let (message, edited) = match update {
        enums::Update::UpdateNewMessage(update) => (&update.message, false),
        enums::Update::UpdateNewChannelMessage(update) => (&update.message, false),
        enums::Update::UpdateEditMessage(update) => (&update.message, true),
        enums::Update::UpdateEditChannelMessage(update) => (&update.message, true),
        _ => return None,
    };
    Msg::of(api.clone(), message, edited)
}
