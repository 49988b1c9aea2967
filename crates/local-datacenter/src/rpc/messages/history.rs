//! Reading back: history, single messages, search.

use actogram_tl as tl;
use tl::{enums, functions, types};

use crate::model::{Message, PeerKey, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::RpcResult;
use crate::rpc::view;

/// At most so many messages in one answer.
const MAX_PAGE: i32 = 100;

/// Which part of a list, newest first, a request wants; see <https://core.telegram.org/api/offsets>.
#[derive(Clone, Copy, Debug, Default)]
struct Page {
    offset_id: i32,
    offset_date: i32,
    add_offset: i32,
    limit: i32,
    max_id: i32,
    min_id: i32,
}

impl Page {
    /// The wanted ids out of `all` (newest first, with dates).
    fn cut(self, all: &[(i32, i32)]) -> Vec<i32> {
        let start = if self.offset_id > 0 {
            all.iter()
                .position(|(id, _)| *id < self.offset_id)
                .unwrap_or(all.len())
        } else if self.offset_date > 0 {
            all.iter()
                .position(|(_, date)| *date < self.offset_date)
                .unwrap_or(all.len())
        } else {
            0
        };
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let length = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let from = start.saturating_add(i64::from(self.add_offset));
        let to = from.saturating_add(i64::from(self.limit.clamp(0, MAX_PAGE)));
        let (from, to) = (from.clamp(0, length), to.clamp(0, length));
        let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
        all.get(range)
            .unwrap_or_default()
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| self.max_id <= 0 || *id < self.max_id)
            .filter(|id| *id > self.min_id)
            .collect()
    }
}

fn answer(
    call: &Call<'_>,
    me: UserId,
    peer: Option<PeerKey>,
    ids: &[i32],
    total: usize,
) -> enums::messages::Messages {
    call.view(me, |view| {
        if let Some(key @ PeerKey::Channel(id)) = peer {
            let messages = ids
                .iter()
                .filter_map(|id| view.message_in(key, *id))
                .collect();
            view.mention(key);
            return types::messages::ChannelMessages {
                inexact: false,
                pts: call
                    .world
                    .state
                    .channels
                    .get(&id)
                    .map_or(0, |room| room.pts),
                count: i32::try_from(total).unwrap_or(i32::MAX),
                offset_id_offset: None,
                messages,
                topics: Vec::new(),
                chats: view.chats(),
                users: view.users(),
            }
            .into();
        }
        let messages: Vec<enums::Message> = ids
            .iter()
            .filter_map(|id| view.message_by_id(*id))
            .collect();
        let (users, chats) = (view.users(), view.chats());
        if messages.len() == total {
            return types::messages::Messages {
                messages,
                topics: Vec::new(),
                chats,
                users,
            }
            .into();
        }
        let count = i32::try_from(total).unwrap_or(i32::MAX);
        types::messages::MessagesSlice::new(count, messages, Vec::new(), chats, users).into()
    })
}

/// Ids and dates in a dialog, newest first.
fn newest_first(call: &Call<'_>, me: UserId, peer: PeerKey) -> Vec<(i32, i32)> {
    let state = &call.world.state;
    if let PeerKey::Channel(id) = peer {
        let room = state.channels.get(&id);
        return room
            .into_iter()
            .flat_map(|room| room.ids.iter().rev())
            .filter_map(|(id, uid)| Some((*id, state.messages.get(uid)?.date)))
            .collect();
    }
    state
        .mailbox(me)
        .and_then(|mailbox| mailbox.dialogs.get(&peer))
        .into_iter()
        .flat_map(|dialog| dialog.ids.iter().rev())
        .filter_map(|id| Some((*id, state.message(me, *id)?.date)))
        .collect()
}

/// `messages.getHistory`.
pub(in crate::rpc) fn get_history(
    call: &mut Call<'_>,
    request: functions::messages::GetHistory,
) -> RpcResult<enums::messages::Messages> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    let all = newest_first(call, me, peer);
    let page = Page {
        offset_id: request.offset_id,
        offset_date: request.offset_date,
        add_offset: request.add_offset,
        limit: request.limit,
        max_id: request.max_id,
        min_id: request.min_id,
    };
    Ok(answer(call, me, Some(peer), &page.cut(&all), all.len()))
}

/// `messages.getMessages`: ids that do not exist come back as `messageEmpty`.
pub(in crate::rpc) fn get_messages(
    call: &mut Call<'_>,
    request: functions::messages::GetMessages,
) -> RpcResult<enums::messages::Messages> {
    let me = call.me()?;
    call.view(me, |view| {
        let state = call.world.state();
        let messages = request
            .id
            .iter()
            .take(MAX_PAGE as usize)
            .map(|input| {
                let (asked, id) = match input {
                    enums::InputMessage::InputMessageId(input) => (input.id, Some(input.id)),
                    enums::InputMessage::InputMessageReplyTo(input) => {
                        let replied = state
                            .message(me, input.id)
                            .and_then(|message| message.reply_to)
                            .and_then(|uid| state.messages.get(&uid))
                            .and_then(|message| message.copies.get(&me).copied());
                        (input.id, replied)
                    }
                    _ => (0, None),
                };
                id.and_then(|id| view.message_by_id(id)).unwrap_or_else(|| {
                    types::MessageEmpty {
                        id: asked,
                        peer_id: None,
                    }
                    .into()
                })
            })
            .collect();
        Ok(types::messages::Messages {
            messages,
            topics: Vec::new(),
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}

fn has_link(message: &Message) -> bool {
    let entities: Option<Vec<enums::MessageEntity>> = view::stored(message.entities.as_ref());
    entities.iter().flatten().any(|entity| {
        matches!(
            entity,
            enums::MessageEntity::MessageEntityUrl(_)
                | enums::MessageEntity::MessageEntityTextUrl(_)
                | enums::MessageEntity::MessageEntityEmail(_)
        )
    })
}

/// `messages.search`: in one dialog, or in all with `inputPeerEmpty`. Filters for media find nothing, since there
/// are none.
pub(in crate::rpc) fn search(
    call: &mut Call<'_>,
    request: functions::messages::Search,
) -> RpcResult<enums::messages::Messages> {
    let me = call.me()?;
    let peer = match &request.peer {
        enums::InputPeer::InputPeerEmpty => None,
        peer => Some(call.input_peer(peer)?),
    };
    let from = match &request.from_id {
        Some(from) => Some(call.input_peer(from)?),
        None => None,
    };
    let wanted = request.q.to_lowercase();
    let fits = |message: &Message| {
        let by_filter = match &request.filter {
            enums::MessagesFilter::InputMessagesFilterEmpty => message.action.is_none(),
            enums::MessagesFilter::InputMessagesFilterUrl => has_link(message),
            _ => false,
        };
        by_filter
            && from.is_none_or(|from| from == PeerKey::User(message.from))
            && peer.is_none_or(|peer| peer == message.peer_for(me))
            && (request.min_date <= 0 || message.date > request.min_date)
            && (request.max_date <= 0 || message.date < request.max_date)
            && message.text.to_lowercase().contains(&wanted)
    };
    let state = &call.world.state;
    let ids = match peer {
        Some(PeerKey::Channel(id)) => state.channels.get(&id).map(|room| &room.ids),
        _ => state.mailbox(me).map(|mailbox| &mailbox.ids),
    };
    let all: Vec<(i32, i32)> = ids
        .into_iter()
        .flat_map(|ids| ids.iter().rev())
        .filter_map(|(id, uid)| Some((*id, state.messages.get(uid)?)))
        .filter(|(_, message)| fits(message))
        .map(|(id, message)| (id, message.date))
        .collect();
    let page = Page {
        offset_id: request.offset_id,
        offset_date: 0,
        add_offset: request.add_offset,
        limit: request.limit,
        max_id: request.max_id,
        min_id: request.min_id,
    };
    Ok(answer(call, me, peer, &page.cut(&all), all.len()))
}

#[cfg(test)]
mod tests {
    use super::Page;

    fn ids(page: Page) -> Vec<i32> {
        let all: Vec<(i32, i32)> = (1..=10).rev().map(|id| (id, 100 + id)).collect();
        page.cut(&all)
    }

    #[test]
    fn pages_are_cut_as_documented() {
        let page = Page {
            limit: 3,
            ..Page::default()
        };
        assert_eq!(ids(page), [10, 9, 8]);
        assert_eq!(
            ids(Page {
                offset_id: 5,
                ..page
            }),
            [4, 3, 2]
        );
        assert_eq!(
            ids(Page {
                offset_date: 105,
                ..page
            }),
            [4, 3, 2]
        );
        assert_eq!(
            ids(Page {
                offset_id: 5,
                add_offset: -2,
                ..page
            }),
            [6, 5, 4]
        );
        assert_eq!(
            ids(Page {
                offset_id: 5,
                add_offset: 2,
                ..page
            }),
            [2, 1]
        );
        assert_eq!(
            ids(Page {
                add_offset: -2,
                ..page
            }),
            [10]
        );
        assert_eq!(
            ids(Page {
                max_id: 9,
                min_id: 7,
                ..page
            }),
            [8]
        );
        assert_eq!(ids(Page { limit: 0, ..page }), [0; 0]);
        assert_eq!(
            ids(Page {
                limit: -1,
                add_offset: i32::MIN,
                ..page
            }),
            [0; 0]
        );
        assert_eq!(
            ids(Page {
                offset_id: 1,
                ..page
            }),
            [0; 0]
        );
    }
}
