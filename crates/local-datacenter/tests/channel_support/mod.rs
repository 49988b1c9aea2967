//! Supergroups and channels made and named as clients do.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use actogram_tl as tl;
use tl::{enums, functions, types};

use crate::rpc_support::*;

/// How one account names a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub id: i64,
    pub access_hash: i64,
}

impl Named {
    pub fn of(chat: &enums::Chat) -> Self {
        match chat {
            enums::Chat::Channel(channel) => Self {
                id: channel.id,
                access_hash: channel.access_hash.unwrap(),
            },
            other => panic!("expected a channel, got {other:?}"),
        }
    }

    pub fn input(&self) -> enums::InputChannel {
        types::InputChannel {
            channel_id: self.id,
            access_hash: self.access_hash,
        }
        .into()
    }

    pub fn peer(&self) -> enums::InputPeer {
        types::InputPeerChannel {
            channel_id: self.id,
            access_hash: self.access_hash,
        }
        .into()
    }
}

pub fn chats(container: &enums::Updates) -> Vec<enums::Chat> {
    match container {
        enums::Updates::Updates(container) => container.chats.clone(),
        other => panic!("expected updates, got {other:?}"),
    }
}

pub fn users(container: &enums::Updates) -> Vec<enums::User> {
    match container {
        enums::Updates::Updates(container) => container.users.clone(),
        other => panic!("expected updates, got {other:?}"),
    }
}

pub fn create(rig: &mut Rig, client: &mut Client, title: &str, broadcast: bool) -> Named {
    let mut request = functions::channels::CreateChannel::new(title.into(), "about".into());
    request.broadcast = broadcast;
    request.megagroup = !broadcast;
    let made = rig.call(client, &request).unwrap();
    Named::of(&chats(&made)[0])
}

pub fn publish(rig: &mut Rig, owner: &mut Client, channel: &Named, username: &str) {
    let request = functions::channels::UpdateUsername {
        channel: channel.input(),
        username: username.into(),
    };
    assert!(rig.call(owner, &request).unwrap());
}

pub fn resolve(rig: &mut Rig, client: &mut Client, username: &str) -> Named {
    let request = functions::contacts::ResolveUsername {
        username: username.into(),
        referer: None,
    };
    let enums::contacts::ResolvedPeer::ResolvedPeer(found) = rig.call(client, &request).unwrap();
    Named::of(&found.chats[0])
}

pub fn join(rig: &mut Rig, client: &mut Client, channel: &Named) -> enums::Updates {
    let request = functions::channels::JoinChannel {
        channel: channel.input(),
    };
    match rig.call(client, &request).unwrap() {
        enums::messages::ChatInviteJoinResult::ChatInviteJoinResultOk(joined) => {
            joined.updates.clone()
        }
        other => panic!("{other:?}"),
    }
}

pub fn difference(
    channel: &Named,
    pts: i32,
    limit: i32,
) -> functions::updates::GetChannelDifference {
    functions::updates::GetChannelDifference {
        force: false,
        channel: channel.input(),
        filter: enums::ChannelMessagesFilter::ChannelMessagesFilterEmpty,
        pts,
        limit,
    }
}

pub fn full(rig: &mut Rig, client: &mut Client, channel: &Named) -> types::ChannelFull {
    let request = functions::channels::GetFullChannel {
        channel: channel.input(),
    };
    let enums::messages::ChatFull::ChatFull(full) = rig.call(client, &request).unwrap();
    match &full.full_chat {
        enums::ChatFull::ChannelFull(full) => (**full).clone(),
        other => panic!("{other:?}"),
    }
}

/// Updates of all containers, in order.
pub fn all_updates(pushes: &[enums::Updates]) -> Vec<enums::Update> {
    pushes.iter().flat_map(updates).collect()
}

/// Position and steps of an update of a channel's sequence.
pub fn position(update: &enums::Update) -> Option<(i32, i32)> {
    Some(match update {
        enums::Update::UpdateNewChannelMessage(u) => (u.pts, u.pts_count),
        enums::Update::UpdateEditChannelMessage(u) => (u.pts, u.pts_count),
        enums::Update::UpdateDeleteChannelMessages(u) => (u.pts, u.pts_count),
        enums::Update::UpdatePinnedChannelMessages(u) => (u.pts, u.pts_count),
        _ => return None,
    })
}

pub fn positions(updates: &[enums::Update]) -> Vec<(i32, i32)> {
    updates.iter().filter_map(position).collect()
}
