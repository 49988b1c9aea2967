//! Writes that wait for their group's commit, the last of each kind only.

use std::{collections::HashMap, sync::Arc};

use crate::{
    records::{DialogueKey, KeyKind, PeerKey, Stream},
    storage::Write,
};

/// What a write replaces: a later one for the same slot makes an earlier one pointless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Slot {
    AuthKey(i32, KeyKind),
    Salts(i32),
    TimeOffset(i32),
    Peer(PeerKey),
    Position,
    ChannelPosition(i64),
    Handled(Stream, i32),
    Dialogue(DialogueKey),
    Upload(Arc<str>),
    DcOptions,
    MainDc,
    SelfUser,
}

impl Slot {
    fn of(write: &Write) -> Option<Self> {
        Some(match write {
            Write::AuthKey(key) => Self::AuthKey(key.dc, key.kind),
            Write::DropAuthKey { dc, kind } => Self::AuthKey(*dc, *kind),
            Write::Salts { dc, .. } => Self::Salts(*dc),
            Write::TimeOffset { dc, .. } => Self::TimeOffset(*dc),
            Write::Peer(peer) => Self::Peer(peer.key),
            Write::Position(_) => Self::Position,
            Write::ChannelPosition(at) => Self::ChannelPosition(at.channel_id),
            Write::ForgetChannel(channel) => Self::ChannelPosition(*channel),
            Write::Handled { stream, number } => Self::Handled(*stream, *number),
            Write::Dialogue { key, .. } => Self::Dialogue(*key),
            Write::Upload { path, .. } => Self::Upload(path.clone()),
            Write::DcOptions(_) => Self::DcOptions,
            Write::MainDc(_) => Self::MainDc,
            Write::SelfUser(_) => Self::SelfUser,
            // Usernames move from peer to peer: nothing may be put past them.
            Write::Forget | Write::Usernames { .. } => return None,
        })
    }
}

impl Slot {
    fn ends_with_login(&self) -> bool {
        matches!(
            self,
            Self::Position
                | Self::ChannelPosition(_)
                | Self::Handled(..)
                | Self::Upload(_)
                | Self::SelfUser
        )
    }
}

/// Writes in order. Bounded by what they are about, not by how often it changes.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    writes: Vec<(Arc<str>, Write)>,
    places: HashMap<(Arc<str>, Slot), usize>,
    /// Which write gave a username away last.
    names: HashMap<(Arc<str>, String), usize>,
}

impl Pending {
    pub(crate) fn push(&mut self, account: Arc<str>, write: Write) {
        let Some(slot) = Slot::of(&write) else {
            // Nothing before it may be merged with anything after it.
            self.places.retain(|(other, _), _| *other != account);
            self.writes.push((account, write));
            return;
        };
        if matches!(write, Write::SelfUser(None)) {
            // It ends the positions before it: none after it may take the place of one of those.
            self.places
                .retain(|(other, slot), _| *other != account || !slot.ends_with_login());
        }
        match self.places.get(&(account.clone(), slot.clone())).copied() {
            Some(place) if self.can_merge(&account, place, &write) => {
                let kept = &mut self.writes[place].1;
                if let (Write::Peer(kept), Write::Peer(new)) = (&*kept, &write)
                    && new.min
                    && !kept.min
                {
                    return;
                }
                let mut write = write;
                if let (Write::Peer(kept), Write::Peer(new)) = (&*kept, &mut write)
                    && new.min
                {
                    new.seen_in = new.seen_in.or(kept.seen_in);
                }
                *kept = write;
            }
            _ => {
                if let Write::Peer(peer) = &write {
                    for name in &peer.usernames {
                        self.names
                            .insert((account.clone(), name.to_lowercase()), self.writes.len());
                    }
                }
                self.places
                    .insert((account.clone(), slot), self.writes.len());
                self.writes.push((account, write));
            }
        }
    }

    /// Whether the write may take the place of the one there. Usernames move from peer to peer, so the order of writes that
    /// give them away must stay.
    fn can_merge(&self, account: &Arc<str>, place: usize, new: &Write) -> bool {
        if let Write::SelfUser(None) = &self.writes[place].1 {
            // What it ended must stay ended.
            return false;
        }
        let (Write::Peer(kept), Write::Peer(new)) = (&self.writes[place].1, new) else {
            return true;
        };
        if new.min && !kept.min {
            return true;
        }
        let names_are_here = || {
            kept.usernames
                .iter()
                .all(|name| self.names.get(&(account.clone(), name.to_lowercase())) == Some(&place))
        };
        kept.usernames == new.usernames && names_are_here()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(crate) fn writes(&self) -> &[(Arc<str>, Write)] {
        &self.writes
    }

    pub(crate) fn clear(&mut self) {
        self.writes.clear();
        self.places.clear();
        self.names.clear();
    }
}
