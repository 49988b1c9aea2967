//! Short forms of updates, written out (<https://core.telegram.org/constructor/updateShortMessage>).

use actogram_tl::{enums, types};

fn user(user_id: i64) -> enums::Peer {
    types::PeerUser { user_id }.into()
}

/// A message of a private chat, in full. `me` is the account's own id.
pub(super) fn private(short: types::UpdateShortMessage, me: i64) -> enums::Update {
    let mut message = types::Message::new(short.id, user(short.user_id), short.date, short.message);
    message.out = short.out;
    message.mentioned = short.mentioned;
    message.media_unread = short.media_unread;
    message.silent = short.silent;
    // Absent where it would be the chat itself.
    message.from_id = short.out.then(|| user(me));
    message.fwd_from = short.fwd_from;
    message.via_bot_id = short.via_bot_id;
    message.reply_to = short.reply_to;
    message.entities = short.entities;
    message.ttl_period = short.ttl_period;
    types::UpdateNewMessage {
        message: message.into(),
        pts: short.pts,
        pts_count: short.pts_count,
    }
    .into()
}

/// A message of a basic group, in full.
pub(super) fn group(short: types::UpdateShortChatMessage) -> enums::Update {
    let chat = types::PeerChat {
        chat_id: short.chat_id,
    }
    .into();
    let mut message = types::Message::new(short.id, chat, short.date, short.message);
    message.out = short.out;
    message.mentioned = short.mentioned;
    message.media_unread = short.media_unread;
    message.silent = short.silent;
    message.from_id = Some(user(short.from_id));
    message.fwd_from = short.fwd_from;
    message.via_bot_id = short.via_bot_id;
    message.reply_to = short.reply_to;
    message.entities = short.entities;
    message.ttl_period = short.ttl_period;
    types::UpdateNewMessage {
        message: message.into(),
        pts: short.pts,
        pts_count: short.pts_count,
    }
    .into()
}
