//! The chats of an account.

use std::collections::HashSet;

use actogram_tl::{enums, functions, types};
use futures_util::future::BoxFuture;

use super::{Listing, Page, Source, count, private::Pages};
use crate::{
    Api, Msg, PeerId, PeerRef, Result,
    peers::{id_of, title_of},
};

/// A chat of the account (<https://core.telegram.org/constructor/dialog>).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dialog {
    /// Whom it is with.
    pub peer: PeerId,
    /// First and last name of a user, else the title.
    pub title: String,
    /// Messages that were not read.
    pub unread: i32,
    /// It stands above the others.
    pub pinned: bool,
    /// The newest message, unless that is a service message.
    pub last: Option<Msg>,
    /// As the schema has it.
    pub raw: types::Dialog,
}

/// The chats of an account; see [`Api::dialogs`].
pub struct Dialogs {
    offset_date: i32,
    offset_id: i32,
    offset_peer: enums::InputPeer,
    /// A chat where something happens moves to the top, and so may come again.
    given: HashSet<PeerId>,
}

impl Source for Dialogs {}

impl Pages for Dialogs {
    type Item = Dialog;
    const PAGE: usize = 100;

    fn page(&mut self, api: &Api, most: usize) -> BoxFuture<'_, Result<Page<Dialog>>> {
        let api = api.clone();
        Box::pin(async move {
            let function = functions::messages::GetDialogs {
                exclude_pinned: false,
                folder_id: None,
                offset_date: self.offset_date,
                offset_id: self.offset_id,
                offset_peer: self.offset_peer.clone(),
                limit: i32::try_from(most).unwrap_or(i32::MAX),
                hash: 0,
            };
            Ok(self.take(&api, api.invoke(function).await?))
        })
    }
}

/// What the two kinds of answers have in common.
struct Answer {
    dialogs: Vec<enums::Dialog>,
    messages: Vec<enums::Message>,
    chats: Vec<enums::Chat>,
    users: Vec<enums::User>,
}

impl Dialogs {
    fn take(&mut self, api: &Api, answer: enums::messages::Dialogs) -> Page<Dialog> {
        use enums::messages::Dialogs as D;
        let (answer, total, complete) = match answer {
            D::Dialogs(it) => {
                let total = it.dialogs.len();
                let answer = Answer {
                    dialogs: it.dialogs,
                    messages: it.messages,
                    chats: it.chats,
                    users: it.users,
                };
                (answer, total, true)
            }
            D::DialogsSlice(it) => {
                let answer = Answer {
                    dialogs: it.dialogs,
                    messages: it.messages,
                    chats: it.chats,
                    users: it.users,
                };
                (answer, count(it.count), false)
            }
            D::DialogsNotModified(it) => {
                return Page {
                    items: Vec::new(),
                    total: Some(count(it.count)),
                    last: true,
                };
            }
        };
        let before = (self.offset_date, self.offset_id);
        let mut items = Vec::new();
        for dialog in &answer.dialogs {
            let enums::Dialog::Dialog(dialog) = dialog else {
                continue;
            };
            let peer = PeerId::from(&dialog.peer);
            let top = answer.messages.iter().find(|message| {
                place_of(message).is_some_and(|(at, id, _)| (at, id) == (peer, dialog.top_message))
            });
            let objects = answer.users.iter().map(PeerRef::from);
            let mut objects = objects.chain(answer.chats.iter().map(PeerRef::from));
            let input = objects.find_map(|object| match object {
                PeerRef::Input(input) if id_of(&input) == Some(peer) => Some(input),
                _ => None,
            });
            // Pinned ones stand first whatever their age: the next page does not begin after one of them.
            if let Some((_, id, date)) = top.and_then(place_of).filter(|_| !dialog.pinned) {
                self.offset_date = date;
                self.offset_id = id;
                self.offset_peer = input.unwrap_or(enums::InputPeer::InputPeerEmpty);
            }
            if self.given.insert(peer) {
                items.push(Dialog {
                    peer,
                    title: title_of(peer, &answer.users, &answer.chats),
                    unread: dialog.unread_count,
                    pinned: dialog.pinned,
                    last: top.and_then(|message| Msg::of(api.clone(), message, false)),
                    raw: types::Dialog::clone(dialog),
                });
            }
        }
        let stuck = (self.offset_date, self.offset_id) == before;
        Page {
            items,
            total: Some(total),
            last: complete || answer.dialogs.is_empty() || stuck,
        }
    }
}

/// Chat, number and date of a message.
fn place_of(message: &enums::Message) -> Option<(PeerId, i32, i32)> {
    match message {
        enums::Message::Message(it) => Some((PeerId::from(&it.peer_id), it.id, it.date)),
        enums::Message::MessageService(it) => Some((PeerId::from(&it.peer_id), it.id, it.date)),
        enums::Message::MessageEmpty(_) => None,
    }
}

impl Listing<Dialogs> {
    /// Begins with the first chat whose newest message is older than this time, in seconds since 1970.
    pub fn offset_date(self, unix: i32) -> Self {
        self.with(|dialogs| dialogs.offset_date = unix)
    }
}

impl Api {
    /// The chats of the account, those with the newest messages first; for accounts of people.
    ///
    /// A chat that moves to the top while the list is read is given once.
    pub fn dialogs(&self) -> Listing<Dialogs> {
        let source = Dialogs {
            offset_date: 0,
            offset_id: 0,
            offset_peer: enums::InputPeer::InputPeerEmpty,
            given: HashSet::new(),
        };
        Listing::new(self.clone(), source)
    }
}
