//! Joining, leaving, inviting and listing.

use actogram_tl as tl;
use tl::{enums, functions, types};

use crate::model::{Action, ChannelRoom, Member, PeerKey, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::{RpcResult, bad};

/// At most so many members in one answer.
const MAX_PAGE: usize = 200;

pub(in crate::rpc) fn check_size(
    call: &Call<'_>,
    room: &ChannelRoom,
    more: usize,
) -> RpcResult<()> {
    if room.current().count() + more > call.world.config.limits.channel_size {
        Err(bad("USERS_TOO_MUCH"))
    } else {
        Ok(())
    }
}

/// `channels.joinChannel`: public ones only.
pub(in crate::rpc) fn join_channel(
    call: &mut Call<'_>,
    request: functions::channels::JoinChannel,
) -> RpcResult<enums::messages::ChatInviteJoinResult> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    if room.member(me).is_some() {
        return Err(bad("USER_ALREADY_PARTICIPANT"));
    }
    check_size(call, room, 1)?;
    let (id, broadcast, date) = (room.channel.id, room.channel.broadcast, call.date());
    let ban = room.members.get(&me).and_then(|member| member.ban.clone());
    let member = Member {
        inviter: me,
        date,
        left: false,
        admin: None,
        ban,
    };
    call.put_member(id, me, member);
    call.tell_standing(id, me);
    let updates = if broadcast {
        call.changed_for_me(id)?
    } else {
        let touched = call.announce_in(id, Action::ChatAddUser { users: vec![me] })?;
        call.publish_with(&touched, &|view, viewer| {
            if viewer == me {
                vec![view.channel_changed(id)]
            } else {
                Vec::new()
            }
        })
    };
    Ok(types::messages::ChatInviteJoinResultOk { updates }.into())
}

/// `channels.leaveChannel`.
pub(in crate::rpc) fn leave_channel(
    call: &mut Call<'_>,
    request: functions::channels::LeaveChannel,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    let mut member = room
        .member(me)
        .cloned()
        .ok_or(bad("USER_NOT_PARTICIPANT"))?;
    if room.channel.creator == me {
        return Err(bad("USER_CREATOR"));
    }
    let (id, broadcast) = (room.channel.id, room.channel.broadcast);
    let touched = if broadcast {
        Vec::new()
    } else {
        call.announce_in(id, Action::ChatDeleteUser { user: me })?
    };
    member.left = true;
    member.admin = None;
    call.put_member(id, me, member);
    call.tell_standing(id, me);
    if touched.is_empty() {
        return call.changed_for_me(id);
    }
    Ok(call.publish_with(&touched, &|view, viewer| {
        if viewer == me {
            vec![view.channel_changed(id)]
        } else {
            Vec::new()
        }
    }))
}

/// `channels.inviteToChannel`: who is in it already is passed over.
pub(in crate::rpc) fn invite_to_channel(
    call: &mut Call<'_>,
    request: functions::channels::InviteToChannel,
) -> RpcResult<enums::messages::InvitedUsers> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    let own = room.member(me).ok_or(bad("CHAT_ADMIN_REQUIRED"))?;
    let (id, broadcast, date) = (room.channel.id, room.channel.broadcast, call.date());
    let restricted = own.ban.as_ref().is_some_and(|ban| ban.holds(date));
    if (broadcast || restricted) && !call.has_right(room, |rights| rights.invite_users) {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let mut users: Vec<UserId> = Vec::new();
    for input in &request.users {
        let user = call.input_user(input)?;
        if user.deleted {
            return Err(bad("INPUT_USER_DEACTIVATED"));
        }
        if user.bot.is_some() && broadcast {
            return Err(bad("USER_BOT"));
        }
        let kicked = room
            .members
            .get(&user.id)
            .and_then(|member| member.ban.as_ref())
            .is_some_and(|ban| ban.kicked && ban.holds(date));
        if kicked {
            return Err(bad("USER_KICKED"));
        }
        if room.member(user.id).is_none() && !users.contains(&user.id) {
            users.push(user.id);
        }
    }
    check_size(call, room, users.len())?;
    for user in &users {
        let member = Member {
            inviter: me,
            date,
            left: false,
            admin: None,
            ban: None,
        };
        call.put_member(id, *user, member);
        call.tell_standing(id, *user);
    }
    let updates = if broadcast || users.is_empty() {
        call.changed_for_me(id)?
    } else {
        let touched = call.announce_in(id, Action::ChatAddUser { users })?;
        call.publish(&touched)
    };
    Ok(types::messages::InvitedUsers {
        updates,
        missing_invitees: Vec::new(),
    }
    .into())
}

/// `channels.getParticipant`.
pub(in crate::rpc) fn get_participant(
    call: &mut Call<'_>,
    request: functions::channels::GetParticipant,
) -> RpcResult<enums::channels::ChannelParticipant> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    let PeerKey::User(user) = call.input_peer(&request.participant)? else {
        return Err(bad("PARTICIPANT_ID_INVALID"));
    };
    if room.channel.broadcast && user != me && !call.has_right(room, |_| true) {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let date = call.date();
    let member = room
        .members
        .get(&user)
        .filter(|member| !member.left || member.ban.as_ref().is_some_and(|ban| ban.holds(date)))
        .ok_or(bad("USER_NOT_PARTICIPANT"))?;
    call.view(me, |view| {
        Ok(types::channels::ChannelParticipant {
            participant: view.participant(room, user, member),
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}

/// `channels.getParticipants`.
pub(in crate::rpc) fn get_participants(
    call: &mut Call<'_>,
    request: functions::channels::GetParticipants,
) -> RpcResult<enums::channels::ChannelParticipants> {
    use enums::ChannelParticipantsFilter as Filter;
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    let is_admin = call.has_right(room, |_| true);
    let for_admins = matches!(
        request.filter,
        Filter::ChannelParticipantsKicked(_) | Filter::ChannelParticipantsBanned(_)
    );
    if (room.channel.broadcast || for_admins) && !is_admin {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let date = call.date();
    let state = &call.world.state;
    let named = |user: UserId, query: &str| {
        let query = query.trim().to_lowercase();
        state.users.get(&user).is_some_and(|user| {
            let name = format!(
                "{} {} {}",
                user.first_name,
                user.last_name.as_deref().unwrap_or_default(),
                user.username.as_deref().unwrap_or_default()
            );
            name.to_lowercase().contains(&query)
        })
    };
    let banned = |member: &Member, kicked: bool| {
        member
            .ban
            .as_ref()
            .is_some_and(|ban| ban.kicked == kicked && ban.holds(date))
    };
    let wanted = |user: UserId, member: &Member| match &request.filter {
        Filter::ChannelParticipantsRecent => !member.left,
        Filter::ChannelParticipantsAdmins => {
            !member.left && (member.admin.is_some() || user == room.channel.creator)
        }
        Filter::ChannelParticipantsBots => !member.left && call.is_bot(user),
        Filter::ChannelParticipantsKicked(filter) => banned(member, true) && named(user, &filter.q),
        Filter::ChannelParticipantsBanned(filter) => {
            banned(member, false) && named(user, &filter.q)
        }
        Filter::ChannelParticipantsSearch(filter) => !member.left && named(user, &filter.q),
        Filter::ChannelParticipantsMentions(filter) => {
            !member.left && named(user, filter.q.as_deref().unwrap_or_default())
        }
        Filter::ChannelParticipantsContacts(filter) => {
            !member.left
                && named(user, &filter.q)
                && state
                    .contacts
                    .get(&me)
                    .is_some_and(|book| book.contains_key(&user))
        }
    };
    let all: Vec<(UserId, &Member)> = room
        .members
        .iter()
        .map(|(user, member)| (*user, member))
        .filter(|(user, member)| wanted(*user, member))
        .collect();
    let offset = usize::try_from(request.offset).unwrap_or(0);
    let limit = usize::try_from(request.limit).unwrap_or(0).min(MAX_PAGE);
    call.view(me, |view| {
        let participants = all
            .iter()
            .skip(offset)
            .take(limit)
            .map(|(user, member)| view.participant(room, *user, member))
            .collect();
        Ok(types::channels::ChannelParticipants {
            count: i32::try_from(all.len()).unwrap_or(i32::MAX),
            participants,
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}
