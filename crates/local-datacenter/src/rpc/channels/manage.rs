//! Creating, describing, renaming and deleting.

use actogram_tl as tl;
use tl::{enums, functions, types};

use crate::model::{Action, Channel, ChannelId, Event, Member, PeerKey};
use crate::rpc::call::Call;
use crate::rpc::contacts::is_username;
use crate::rpc::errors::{RpcResult, bad};
use crate::rpc::messages::groups::clean_title;
use crate::rpc::messages::parameter_not_built;

/// The first channel's id.
const FIRST_CHANNEL_ID: ChannelId = 1_000_000_001;
/// Longer descriptions are refused.
const ABOUT_LENGTH: usize = 255;

/// `channels.createChannel`: a supergroup with `megagroup`, a broadcast channel otherwise.
pub(in crate::rpc) fn create_channel(
    call: &mut Call<'_>,
    request: functions::channels::CreateChannel,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    for (given, parameter) in [
        (request.for_import, "for_import"),
        (request.forum, "forum"),
        (request.geo_point.is_some(), "geo_point"),
        (request.ttl_period.is_some_and(|p| p != 0), "ttl_period"),
    ] {
        if given {
            return Err(parameter_not_built("channels.createChannel", parameter));
        }
    }
    let title = clean_title(&request.title)?;
    if request.about.chars().count() > ABOUT_LENGTH {
        return Err(bad("CHAT_ABOUT_TOO_LONG"));
    }
    let date = call.date();
    let id = call
        .world
        .state
        .channels
        .last_key_value()
        .map_or(FIRST_CHANNEL_ID, |(id, _)| id + 1);
    call.world.commit(Event::ChannelPut(Channel {
        id,
        broadcast: !request.megagroup,
        title: title.clone(),
        about: request.about,
        username: None,
        creator: me,
        date,
        deleted: false,
    }));
    let creator = Member {
        inviter: me,
        date,
        left: false,
        admin: None,
        ban: None,
    };
    call.put_member(id, me, creator);
    let touched = call.announce_in(id, Action::ChannelCreate { title })?;
    Ok(call.publish_changed(id, &touched))
}

/// `channels.getChannels`.
pub(in crate::rpc) fn get_channels(
    call: &mut Call<'_>,
    request: functions::channels::GetChannels,
) -> RpcResult<enums::messages::Chats> {
    let me = call.me()?;
    let mut rooms = Vec::with_capacity(request.id.len());
    for input in &request.id {
        rooms.push(call.input_channel(input)?);
    }
    let chats = call.view(me, |view| {
        rooms.iter().map(|room| view.channel(room)).collect()
    });
    Ok(types::messages::Chats { chats }.into())
}

/// `channels.getFullChannel`.
pub(in crate::rpc) fn get_full_channel(
    call: &mut Call<'_>,
    request: functions::channels::GetFullChannel,
) -> RpcResult<enums::messages::ChatFull> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    let (channel, date) = (&room.channel, call.date());
    let number = |n: usize| Some(i32::try_from(n).unwrap_or(i32::MAX));
    let is_admin = call.has_right(room, |_| true);
    call.view(me, |view| {
        view.mention(PeerKey::Channel(channel.id));
        let mut full = types::ChannelFull::new(
            channel.id,
            channel.about.clone(),
            room.read_inbox.get(&me).copied().unwrap_or(0),
            room.read_outbox.get(&me).copied().unwrap_or(0),
            view.channel_unread(room, me),
            types::PhotoEmpty { id: 0 }.into(),
            types::PeerNotifySettings::new().into(),
            Vec::new(),
            room.pts,
        );
        full.participants_count = number(room.current().count());
        full.can_view_participants = is_admin || !channel.broadcast;
        full.can_set_username = channel.creator == me;
        full.can_delete_channel = channel.creator == me;
        if is_admin && channel.broadcast {
            full.can_view_stats = true;
            full.stats_dc = Some(call.world.stats_datacenter(channel.id));
        }
        full.pinned_msg_id = room.pinned.last().copied();
        if is_admin {
            let admins = room
                .members
                .iter()
                .filter(|(user, member)| {
                    !member.left && (member.admin.is_some() || **user == channel.creator)
                })
                .count();
            let banned = |kicked| {
                room.members
                    .values()
                    .filter_map(|member| member.ban.as_ref())
                    .filter(|ban| ban.kicked == kicked && ban.holds(date))
                    .count()
            };
            full.admins_count = number(admins);
            full.kicked_count = number(banned(true));
            full.banned_count = number(banned(false));
        }
        Ok(types::messages::ChatFull {
            full_chat: full.into(),
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}

/// `channels.editTitle`.
pub(in crate::rpc) fn edit_title(
    call: &mut Call<'_>,
    request: functions::channels::EditTitle,
) -> RpcResult<enums::Updates> {
    let room = call.input_channel(&request.channel)?;
    call.require_right(room, |rights| rights.change_info)?;
    let title = clean_title(&request.title)?;
    if title == room.channel.title {
        return Err(bad("CHAT_NOT_MODIFIED"));
    }
    let mut channel = room.channel.clone();
    channel.title.clone_from(&title);
    let id = channel.id;
    call.world.commit(Event::ChannelPut(channel));
    let touched = call.announce_in(id, Action::ChatEditTitle { title })?;
    Ok(call.publish_changed(id, &touched))
}

/// `channels.checkUsername`: whether the name is free.
pub(in crate::rpc) fn check_username(
    call: &mut Call<'_>,
    request: functions::channels::CheckUsername,
) -> RpcResult<bool> {
    if !matches!(request.channel, enums::InputChannel::InputChannelEmpty) {
        call.input_channel(&request.channel)?;
    }
    if !is_username(&request.username) {
        return Err(bad("USERNAME_INVALID"));
    }
    if call.world.state.username_taken(&request.username) {
        return Err(bad("USERNAME_OCCUPIED"));
    }
    Ok(true)
}

/// `channels.updateUsername`: an empty one makes the channel private again.
pub(in crate::rpc) fn update_username(
    call: &mut Call<'_>,
    request: functions::channels::UpdateUsername,
) -> RpcResult<bool> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    if room.channel.creator != me {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let wanted = (!request.username.is_empty()).then_some(request.username);
    if room.channel.username == wanted {
        return Err(bad("USERNAME_NOT_MODIFIED"));
    }
    if let Some(name) = &wanted {
        if !is_username(name) {
            return Err(bad("USERNAME_INVALID"));
        }
        let own = room
            .channel
            .username
            .as_ref()
            .is_some_and(|old| old.eq_ignore_ascii_case(name));
        if !own && call.world.state.username_taken(name) {
            return Err(bad("USERNAME_OCCUPIED"));
        }
    }
    let mut channel = room.channel.clone();
    channel.username = wanted;
    let id = channel.id;
    call.world.commit(Event::ChannelPut(channel));
    call.publish_changed(id, &[]);
    Ok(true)
}

/// `channels.deleteChannel`: only its creator.
pub(in crate::rpc) fn delete_channel(
    call: &mut Call<'_>,
    request: functions::channels::DeleteChannel,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    if room.channel.creator != me {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let members: Vec<_> = room.current().collect();
    let mut channel = room.channel.clone();
    channel.deleted = true;
    channel.username = None;
    let id = channel.id;
    call.world.commit(Event::ChannelPut(channel));
    for member in members {
        call.tell_standing(id, member);
    }
    call.changed_for_me(id)
}
