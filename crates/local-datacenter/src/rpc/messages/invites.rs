//! Links by which people join groups and channels.
//!
//! See <https://core.telegram.org/api/invites>.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::parameter_not_built;
use crate::model::{Action, Event, Invite, Member, Participant, PeerKey, Place, UserId};
use crate::rpc::call::Call;
use crate::rpc::channels::members::check_size;
use crate::rpc::errors::{PEER_ID_INVALID, RpcResult, bad};

/// What links begin with.
const LINK: &str = "https://t.me/+";
/// Letters of a hash.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// How many of them it has.
const HASH_LENGTH: usize = 16;
/// So many may join by a limited link.
const USAGE_LIMIT: std::ops::RangeInclusive<i32> = 1..=99_999;

fn exported(invite: &Invite) -> enums::ExportedChatInvite {
    let link = format!("{LINK}{}", invite.hash);
    let mut object = types::ChatInviteExported::new(link, invite.admin, invite.date);
    object.revoked = invite.revoked;
    object.permanent = invite.permanent;
    object.request_needed = invite.request_needed;
    object.expire_date = invite.expires;
    object.usage_limit = invite.usage_limit;
    object.usage = (invite.usage > 0).then_some(invite.usage);
    let requested = i32::try_from(invite.requested.len()).unwrap_or(i32::MAX);
    object.requested = (requested > 0).then_some(requested);
    object.title.clone_from(&invite.title);
    object.into()
}

/// `messages.exportChatInvite`.
pub(in crate::rpc) fn export_chat_invite(
    call: &mut Call<'_>,
    request: functions::messages::ExportChatInvite,
) -> RpcResult<enums::ExportedChatInvite> {
    let me = call.me()?;
    if request.subscription_pricing.is_some() {
        return Err(parameter_not_built(
            "messages.exportChatInvite",
            "subscription_pricing",
        ));
    }
    let chat = call.input_peer(&request.peer)?;
    match chat {
        PeerKey::User(_) => return Err(PEER_ID_INVALID),
        PeerKey::Chat(id) => {
            let chat = call.member_chat(id)?;
            if !call.may_administer(chat, me) {
                return Err(bad("CHAT_ADMIN_REQUIRED"));
            }
        }
        PeerKey::Channel(id) => {
            let room = call.room(id)?;
            call.require_right(room, |rights| rights.invite_users)?;
        }
    }
    let date = call.date();
    if request.expire_date.is_some_and(|expires| expires <= date) {
        return Err(bad("EXPIRE_DATE_INVALID"));
    }
    let limited = request.usage_limit;
    // Who is let in by an administrator is not counted (https://core.telegram.org/method/messages.exportChatInvite).
    if limited.is_some_and(|limit| !USAGE_LIMIT.contains(&limit) || request.request_needed) {
        return Err(bad("USAGE_LIMIT_INVALID"));
    }
    if request.legacy_revoke_permanent {
        let state = &call.world.state;
        let before = state.invites.values().filter(|invite| {
            invite.permanent && !invite.revoked && (invite.chat, invite.admin) == (chat, me)
        });
        for mut invite in before.cloned().collect::<Vec<_>>() {
            invite.revoked = true;
            call.world.commit(Event::InvitePut(invite));
        }
    }
    let hash = (0..HASH_LENGTH).map(|_| {
        let drawn = actogram_crypto::random::u32(&mut call.world.random) % 64;
        char::from(ALPHABET[drawn as usize])
    });
    let invite = Invite {
        hash: hash.collect(),
        chat,
        admin: me,
        date,
        expires: request.expire_date,
        usage_limit: limited,
        usage: 0,
        request_needed: request.request_needed,
        requested: std::collections::BTreeSet::new(),
        title: request.title,
        permanent: request.legacy_revoke_permanent,
        revoked: false,
    };
    let answer = exported(&invite);
    call.world.commit(Event::InvitePut(invite));
    Ok(answer)
}

/// The link, if it is good for the caller: `INVITE_HASH_EMPTY`, `INVITE_HASH_INVALID`, `INVITE_HASH_EXPIRED`.
fn good(call: &Call<'_>, hash: &str) -> RpcResult<Invite> {
    let (me, date) = (call.me()?, call.date());
    if hash.is_empty() {
        return Err(bad("INVITE_HASH_EMPTY"));
    }
    let invite = call.world.state.invites.get(hash);
    let invite = invite.ok_or(bad("INVITE_HASH_INVALID"))?;
    let over = invite.revoked
        || invite.expires.is_some_and(|expires| expires <= date)
        || invite
            .usage_limit
            .is_some_and(|limit| invite.usage >= limit);
    // Whoever was banned is told as little as those who come too late.
    let closed = match invite.chat {
        PeerKey::Channel(id) => call.room(id).map_or(true, |room| {
            let ban = room.members.get(&me).and_then(|member| member.ban.as_ref());
            room.channel.deleted || ban.is_some_and(|ban| ban.kicked && ban.holds(date))
        }),
        _ => false,
    };
    if closed || (over && !is_member(call, invite.chat, me)) {
        return Err(bad("INVITE_HASH_EXPIRED"));
    }
    Ok(invite.clone())
}

fn is_member(call: &Call<'_>, chat: PeerKey, user: UserId) -> bool {
    match chat {
        PeerKey::User(_) => false,
        PeerKey::Chat(id) => {
            let chat = call.world.state.chats.get(&id);
            chat.is_some_and(|chat| chat.participants.contains_key(&user))
        }
        PeerKey::Channel(id) => call.room(id).is_ok_and(|room| room.member(user).is_some()),
    }
}

/// `messages.checkChatInvite`.
pub(in crate::rpc) fn check_chat_invite(
    call: &mut Call<'_>,
    request: functions::messages::CheckChatInvite,
) -> RpcResult<enums::ChatInvite> {
    let me = call.me()?;
    let invite = good(call, &request.hash)?;
    if is_member(call, invite.chat, me) {
        return call.view(me, |view| {
            view.mention(invite.chat);
            let chat = view.chats().into_iter().next();
            let chat = chat.ok_or(bad("INVITE_HASH_INVALID"))?;
            Ok(types::ChatInviteAlready { chat }.into())
        });
    }
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let photo = || enums::Photo::from(types::PhotoEmpty { id: 0 });
    let about = |about: &str| Some(about.to_owned()).filter(|about| !about.is_empty());
    let mut object = match invite.chat {
        PeerKey::Chat(id) => {
            let chat = call.world.state.chats.get(&id);
            let chat = chat.ok_or(bad("INVITE_HASH_INVALID"))?;
            let members = count(chat.participants.len());
            let mut object = types::ChatInvite::new(chat.title.clone(), photo(), members, 0);
            object.about = about(&chat.about);
            object
        }
        PeerKey::Channel(id) => {
            let room = call.room(id)?;
            let channel = &room.channel;
            let members = count(room.current().count());
            let mut object = types::ChatInvite::new(channel.title.clone(), photo(), members, 0);
            object.channel = true;
            object.broadcast = channel.broadcast;
            object.megagroup = !channel.broadcast;
            object.public = channel.username.is_some();
            object.about = about(&channel.about);
            object
        }
        PeerKey::User(_) => return Err(bad("INVITE_HASH_INVALID")),
    };
    object.request_needed = invite.request_needed;
    Ok(object.into())
}

/// `messages.importChatInvite`.
pub(in crate::rpc) fn import_chat_invite(
    call: &mut Call<'_>,
    request: functions::messages::ImportChatInvite,
) -> RpcResult<enums::messages::ChatInviteJoinResult> {
    let me = call.me()?;
    let mut invite = good(call, &request.hash)?;
    if is_member(call, invite.chat, me) {
        return Err(bad("USER_ALREADY_PARTICIPANT"));
    }
    if invite.request_needed {
        invite.requested.insert(me);
        call.world.commit(Event::InvitePut(invite));
        return Err(bad("INVITE_REQUEST_SENT"));
    }
    let inviter = invite.admin;
    let action = Action::JoinedByLink { inviter };
    let updates = match invite.chat {
        PeerKey::Chat(id) => {
            let chat = call.world.state.chats.get(&id);
            let mut chat = chat.ok_or(bad("INVITE_HASH_INVALID"))?.clone();
            if chat.participants.len() >= call.world.config.limits.chat_size {
                return Err(bad("USERS_TOO_MUCH"));
            }
            let date = call.date();
            let member = Participant {
                inviter,
                date,
                admin: false,
            };
            chat.participants.insert(me, member);
            chat.version += 1;
            call.world.commit(Event::ChatPut(chat.clone()));
            let audience = call.world.state.audience(me, Place::Chat { id });
            let touched = call.announce(id, audience, action)?;
            call.publish_members(&touched, &chat)
        }
        PeerKey::Channel(id) => {
            let room = call.room(id)?;
            check_size(call, room, 1)?;
            let broadcast = room.channel.broadcast;
            let ban = room.members.get(&me).and_then(|member| member.ban.clone());
            let member = Member {
                inviter,
                date: call.date(),
                left: false,
                admin: None,
                ban,
            };
            call.put_member(id, me, member);
            call.tell_standing(id, me);
            if broadcast {
                call.changed_for_me(id)?
            } else {
                let touched = call.announce_in(id, action)?;
                call.publish_with(&touched, &|view, viewer| {
                    if viewer == me {
                        vec![view.channel_changed(id)]
                    } else {
                        Vec::new()
                    }
                })
            }
        }
        PeerKey::User(_) => return Err(bad("INVITE_HASH_INVALID")),
    };
    invite.usage = invite.usage.saturating_add(1);
    call.world.commit(Event::InvitePut(invite));
    Ok(types::messages::ChatInviteJoinResultOk { updates }.into())
}
