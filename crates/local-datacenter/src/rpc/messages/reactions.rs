//! Reactions to messages, and what bots hear of them.
//!
//! See <https://core.telegram.org/api/reactions>.

use actogram_tl as tl;
use tl::{enums, functions, types};

use crate::model::{
    Event, Member, Message, MessageUid, PeerKey, Place, QtsChange, Reacted, TlBytes, UserId,
};
use crate::rpc::call::Call;
use crate::rpc::errors::{MESSAGE_ID_INVALID, RpcResult, bad, forbidden};
use crate::rpc::view::{self, View};

/// UTF-16 code units of an emoji that can be a reaction.
const EMOJI_LENGTH: usize = 16;

fn is_emoji(text: &str) -> bool {
    (1..=EMOJI_LENGTH).contains(&text.encode_utf16().count())
        && text
            .chars()
            .all(|c| !c.is_alphanumeric() && !c.is_whitespace() && !c.is_ascii())
}

fn checked(reactions: Option<Vec<enums::Reaction>>) -> RpcResult<Vec<enums::Reaction>> {
    let reactions = reactions.unwrap_or_default();
    // More than one are for subscribers.
    if reactions.len() > 1 {
        return Err(bad("REACTIONS_TOO_MANY"));
    }
    for reaction in &reactions {
        match reaction {
            enums::Reaction::ReactionEmoji(emoji) if is_emoji(&emoji.emoticon) => {}
            enums::Reaction::ReactionEmpty => return Err(bad("REACTION_EMPTY")),
            enums::Reaction::ReactionCustomEmoji(_) => {
                return Err(forbidden("PREMIUM_ACCOUNT_REQUIRED"));
            }
            _ => return Err(bad("REACTION_INVALID")),
        }
    }
    Ok(reactions)
}

impl View<'_> {
    /// A message's reactions as the viewer sees them; nothing if there are none.
    pub(in crate::rpc) fn reactions(
        &mut self,
        message: &Message,
    ) -> Option<enums::MessageReactions> {
        if message.reactions.is_empty() {
            return None;
        }
        let broadcast = matches!(message.place, Place::Channel { id, .. }
            if self.state().channels.get(&id).is_some_and(|room| room.channel.broadcast));
        let mut counts: Vec<types::ReactionCount> = Vec::new();
        let mut recent = Vec::new();
        for (user, reacted) in &message.reactions {
            let given: Vec<enums::Reaction> =
                view::stored(Some(&reacted.reactions)).unwrap_or_default();
            let mine = *user == self.viewer();
            for (order, reaction) in given.into_iter().enumerate() {
                let order = i32::try_from(order + 1).unwrap_or(i32::MAX);
                match counts.iter_mut().find(|count| count.reaction == reaction) {
                    Some(count) => {
                        count.count += 1;
                        if mine {
                            count.chosen_order = Some(order);
                        }
                    }
                    None => counts.push(types::ReactionCount {
                        chosen_order: mine.then_some(order),
                        reaction: reaction.clone(),
                        count: 1,
                    }),
                }
                if !broadcast {
                    self.mention_author(message, *user);
                    recent.push(
                        types::MessagePeerReaction {
                            big: false,
                            unread: false,
                            my: mine,
                            peer_id: view::peer(PeerKey::User(*user)),
                            date: reacted.date,
                            reaction,
                        }
                        .into(),
                    );
                }
            }
        }
        let results = counts.into_iter().map(Into::into).collect();
        let mut object = types::MessageReactions::new(results);
        object.can_see_list = !broadcast;
        object.recent_reactions = (!recent.is_empty()).then_some(recent);
        Some(object.into())
    }

    /// `updateMessageReactions`; nothing if the viewer has no such message.
    fn reactions_update(&mut self, message: &Message) -> Option<enums::Update> {
        let key = message.peer_for(self.viewer());
        let msg_id = message.id_for(self.viewer())?;
        self.mention(key);
        let reactions = self
            .reactions(message)
            .unwrap_or_else(|| types::MessageReactions::new(Vec::new()).into());
        Some(
            types::UpdateMessageReactions {
                peer: view::peer(key),
                msg_id,
                top_msg_id: None,
                saved_peer_id: None,
                reactions,
            }
            .into(),
        )
    }
}

/// Who is told of reactions: everybody who sees the message, and which bots.
fn told(call: &Call<'_>, message: &Message) -> (Vec<UserId>, Vec<UserId>) {
    let state = &call.world.state;
    let (everybody, admins): (Vec<UserId>, Vec<UserId>) = match message.place {
        Place::Private { .. } => {
            let all: Vec<UserId> = message.copies.keys().copied().collect();
            (all.clone(), all)
        }
        Place::Chat { id } => {
            let admin = |user: &UserId| {
                state.chats.get(&id).is_some_and(|chat| {
                    chat.participants
                        .get(user)
                        .is_some_and(|member| member.admin)
                })
            };
            let all: Vec<UserId> = message.copies.keys().copied().collect();
            let admins = all.iter().copied().filter(admin).collect();
            (all, admins)
        }
        Place::Channel { id, .. } => match state.channels.get(&id) {
            Some(room) => {
                let admin = |user: &UserId| {
                    room.member(*user)
                        .is_some_and(|member| member.admin.is_some())
                };
                (
                    room.current().collect(),
                    room.current().filter(admin).collect(),
                )
            }
            None => (Vec::new(), Vec::new()),
        },
    };
    let people = everybody.into_iter().filter(|user| !call.is_bot(*user));
    let bots = admins.into_iter().filter(|user| call.is_bot(*user));
    (people.collect(), bots.collect())
}

/// `messages.sendReaction`: none at all takes one's reaction back.
pub(in crate::rpc) fn send_reaction(
    call: &mut Call<'_>,
    request: functions::messages::SendReaction,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    let reactions = checked(request.reaction)?;
    if let PeerKey::Channel(id) = peer
        && call.room(id)?.member(me).is_none()
    {
        return Err(forbidden("CHAT_WRITE_FORBIDDEN"));
    }
    let message = call
        .world
        .state
        .message_in(me, peer, request.msg_id)
        .filter(|message| message.action.is_none())
        .ok_or(MESSAGE_ID_INVALID)?;
    let (uid, date) = (message.uid, call.date());
    let old: Option<TlBytes> = message
        .reactions
        .get(&me)
        .map(|reacted| reacted.reactions.clone());
    let new = (!reactions.is_empty()).then(|| view::to_store(&reactions));
    if old == new {
        return Err(bad("MESSAGE_NOT_MODIFIED"));
    }
    call.world.commit(Event::MessageReacted {
        uid,
        user: me,
        reacted: new.clone().map(|reactions| Reacted { date, reactions }),
    });
    let message = call
        .world
        .state
        .messages
        .get(&uid)
        .ok_or(MESSAGE_ID_INVALID)?
        .clone();
    let anonymous = matches!(message.place, Place::Channel { id, .. }
        if call.room(id).is_ok_and(|room| room.channel.broadcast));
    let (people, bots) = told(call, &message);
    let (now, origin) = (call.now, call.origin);
    for bot in bots.into_iter().filter(|bot| *bot != me) {
        let change = if anonymous {
            QtsChange::ReactionCounts { message: uid, date }
        } else {
            QtsChange::Reaction {
                message: uid,
                date,
                actor: me,
                old: old.clone(),
                new: new.clone(),
            }
        };
        call.world.record_qts(now, bot, change);
    }
    for person in people.into_iter().filter(|person| *person != me) {
        let container = call.view(person, |view| {
            let update = view.reactions_update(&message);
            view.container(update.into_iter().collect(), date, 0)
        });
        call.world.push(person, None, &container);
    }
    let own = call.view(me, |view| {
        let update = view.reactions_update(&message);
        view.container(update.into_iter().collect(), date, 0)
    });
    call.world.push(me, origin, &own);
    Ok(own)
}

/// `messages.getMessagesReactions`.
pub(in crate::rpc) fn get_messages_reactions(
    call: &mut Call<'_>,
    request: functions::messages::GetMessagesReactions,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let peer = call.input_peer(&request.peer)?;
    let date = call.date();
    let state = call.world.state();
    Ok(call.view(me, |view| {
        let updates = request
            .id
            .iter()
            .filter_map(|id| state.message_in(me, peer, *id))
            .filter_map(|message| view.reactions_update(message))
            .collect();
        view.container(updates, date, 0)
    }))
}

fn given(stored: Option<&TlBytes>) -> Vec<enums::Reaction> {
    view::stored(stored).unwrap_or_default()
}

impl View<'_> {
    /// A message a bot is told of, under its peer and id there; nothing if it is gone since.
    fn qts_message(&mut self, uid: MessageUid) -> Option<(enums::Peer, i32)> {
        let message = self.state().messages.get(&uid)?;
        let key = message.peer_for(self.viewer());
        let id = message.id_for(self.viewer())?;
        self.mention(key);
        Some((view::peer(key), id))
    }

    /// A recorded change of a bot's `qts` sequence; nothing if what it is about is gone since.
    pub(in crate::rpc) fn qts_update(&mut self, qts: i32) -> Option<enums::Update> {
        let state = self.state();
        let change = state.mailbox(self.viewer())?.qts_log.get(&qts)?;
        Some(match change {
            QtsChange::Reaction {
                message,
                date,
                actor,
                old,
                new,
            } => {
                let (peer, msg_id) = self.qts_message(*message)?;
                self.mention(PeerKey::User(*actor));
                types::UpdateBotMessageReaction {
                    peer,
                    msg_id,
                    date: *date,
                    actor: view::peer(PeerKey::User(*actor)),
                    old_reactions: given(old.as_ref()),
                    new_reactions: given(new.as_ref()),
                    qts,
                }
                .into()
            }
            QtsChange::ReactionCounts { message, date } => {
                let (peer, msg_id) = self.qts_message(*message)?;
                let reactions = match self.reactions(state.messages.get(message)?) {
                    Some(enums::MessageReactions::MessageReactions(now)) => now.results.clone(),
                    None => Vec::new(),
                };
                types::UpdateBotMessageReactions {
                    peer,
                    msg_id,
                    date: *date,
                    reactions,
                    qts,
                }
                .into()
            }
            QtsChange::Participant {
                channel,
                date,
                actor,
                user,
                old,
                new,
            } => {
                let room = state.channels.get(channel)?;
                self.mention(PeerKey::Channel(*channel));
                self.mention(PeerKey::User(*actor));
                self.mention(PeerKey::User(*user));
                // Who was never in, or left unbanned, is nothing there.
                let mut shown = |member: &Member| {
                    (!member.left || member.ban.is_some())
                        .then(|| self.participant(room, *user, member))
                };
                types::UpdateChannelParticipant {
                    via_chatlist: false,
                    channel_id: *channel,
                    date: *date,
                    actor_id: *actor,
                    user_id: *user,
                    prev_participant: old.as_deref().and_then(&mut shown),
                    new_participant: shown(new),
                    invite: None,
                    qts,
                }
                .into()
            }
        })
    }
}
