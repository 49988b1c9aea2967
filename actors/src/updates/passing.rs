//! Updates that stand in no sequence and concern the moment: button presses and other queries, typing, who is online.
//!
//! No difference brings them again, so they pass by what waits in a sequence. Somebody waits for the answer to a query:
//! queries are kept, and the connection is read more slowly while there are many. Of typing and presence only the newest
//! state of each counts.

use std::collections::{BTreeMap, VecDeque};

use actogram_store::{PeerKey, PeerKind};
use actogram_tl::enums::Update as U;

use super::{
    classify::dedupe_id,
    delivery::{DedupeId, Entities},
};

/// From so many queries on the connection is read more slowly.
pub(crate) const MANY_QUERIES: usize = 4096;

/// So many queries are kept at most, and so many states.
const MOST: usize = 16_384;

/// What sort of update of the moment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    /// Somebody waits for an answer.
    Query,
    /// A state that the next one of the same name replaces.
    State(State),
}

/// What a state is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Presence(i64),
    Typing { chat: PeerKey, topic: i32 },
    SecretTyping(i32),
}

fn sort(update: &U) -> Option<Sort> {
    Some(match update {
        U::UpdateBotCallbackQuery(_)
        | U::UpdateInlineBotCallbackQuery(_)
        | U::UpdateBusinessBotCallbackQuery(_)
        | U::UpdateBotInlineQuery(_)
        | U::UpdateBotInlineSend(_)
        | U::UpdateBotShippingQuery(_)
        | U::UpdateBotPrecheckoutQuery(_)
        | U::UpdateBotWebhookJsonQuery(_) => Sort::Query,
        U::UpdateUserStatus(it) => Sort::State(State::Presence(it.user_id)),
        U::UpdateUserTyping(it) => Sort::State(State::Typing {
            chat: peer(PeerKind::User, it.user_id),
            topic: it.top_msg_id.unwrap_or(0),
        }),
        U::UpdateChatUserTyping(it) => Sort::State(State::Typing {
            chat: peer(PeerKind::Chat, it.chat_id),
            topic: 0,
        }),
        U::UpdateChannelUserTyping(it) => Sort::State(State::Typing {
            chat: peer(PeerKind::Channel, it.channel_id),
            topic: it.top_msg_id.unwrap_or(0),
        }),
        U::UpdateEncryptedChatTyping(it) => Sort::State(State::SecretTyping(it.chat_id)),
        _ => return None,
    })
}

fn peer(kind: PeerKind, id: i64) -> PeerKey {
    PeerKey { kind, id }
}

/// An update of the moment: it moves no position, and nothing brings it again.
#[derive(Debug, Clone)]
pub struct Passing {
    /// The update.
    pub update: U,
    /// What came with it.
    pub entities: Entities,
    /// What names it.
    pub id: DedupeId,
}

/// Those that wait to be handed on.
#[derive(Debug, Default)]
pub(super) struct PassingUpdates {
    queries: VecDeque<Passing>,
    states: BTreeMap<State, Passing>,
    /// In the order of their first change.
    order: VecDeque<State>,
}

/// What became of an update.
#[derive(Debug)]
pub(super) enum Taken {
    Kept,
    /// There was no room.
    Dropped,
    /// It is of another kind.
    NotPassing(U, Entities),
}

impl PassingUpdates {
    pub(super) fn offer(&mut self, update: U, entities: Entities) -> Taken {
        let Some(sort) = sort(&update) else {
            return Taken::NotPassing(update, entities);
        };
        let passing = Passing {
            id: dedupe_id(&update),
            update,
            entities,
        };
        match sort {
            Sort::Query if self.queries.len() < MOST => self.queries.push_back(passing),
            Sort::State(state) if self.states.contains_key(&state) => {
                self.states.insert(state, passing);
            }
            Sort::State(state) if self.states.len() < MOST => {
                self.states.insert(state, passing);
                self.order.push_back(state);
            }
            _ => return Taken::Dropped,
        }
        Taken::Kept
    }

    pub(super) fn next(&mut self) -> Option<Passing> {
        if let Some(query) = self.queries.pop_front() {
            return Some(query);
        }
        let state = self.order.pop_front()?;
        self.states.remove(&state)
    }

    /// How many queries wait.
    pub(super) fn queries(&self) -> usize {
        self.queries.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actogram_tl::types;

    use super::*;

    fn online(user_id: i64, expires: i32) -> U {
        types::UpdateUserStatus {
            user_id,
            status: types::UserStatusOnline { expires }.into(),
        }
        .into()
    }

    fn query(query_id: i64) -> U {
        let peer = types::PeerUser { user_id: 1 }.into();
        types::UpdateBotCallbackQuery::new(query_id, 1, peer, 1, 1).into()
    }

    #[test]
    fn the_newest_presence_of_each_counts_and_queries_come_first() {
        let mut waiting = PassingUpdates::default();
        for round in 0..1000 {
            for user in [7, 8] {
                let taken = waiting.offer(online(user, round), Entities::none());
                assert!(matches!(taken, Taken::Kept));
            }
        }
        for id in 0..3 {
            waiting.offer(query(id), Entities::none());
        }
        let given: Vec<_> = std::iter::from_fn(|| waiting.next())
            .map(|passing| passing.update)
            .collect();
        let expected = [query(0), query(1), query(2), online(7, 999), online(8, 999)];
        assert_eq!(given, expected);
    }

    #[test]
    fn ids_that_nobody_has_are_states_like_others() {
        let mut waiting = PassingUpdates::default();
        for id in [i64::MIN, -1, i64::MAX] {
            let from_id = types::PeerUser { user_id: id }.into();
            let action = actogram_tl::enums::SendMessageAction::SendMessageTypingAction;
            let typing = types::UpdateChannelUserTyping {
                channel_id: id,
                top_msg_id: None,
                from_id,
                action,
            };
            waiting.offer(typing.into(), Entities::none());
        }
        assert_eq!(std::iter::from_fn(|| waiting.next()).count(), 3);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_not_is_said() {
        let mut waiting = PassingUpdates::default();
        let mut dropped = 0;
        for id in 0..20_000 {
            if matches!(waiting.offer(query(id), Entities::none()), Taken::Dropped) {
                dropped += 1;
            }
        }
        assert_eq!(waiting.queries(), MOST);
        assert_eq!(dropped, 20_000 - MOST);
    }

    #[test]
    fn what_stands_in_a_sequence_does_not_pass() {
        let update = types::UpdateDeleteMessages {
            messages: vec![1],
            pts: 2,
            pts_count: 1,
        };
        let taken = PassingUpdates::default().offer(update.into(), Entities::none());
        assert!(matches!(taken, Taken::NotPassing(..)));
    }
}
