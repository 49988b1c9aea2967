//! Appointing administrators, restricting and banning.

use actogram_tl as tl;
use tl::{Encode, enums, functions, types};

use crate::model::{Action, Admin, Ban, Member, PeerKey};
use crate::rpc::call::Call;
use crate::rpc::channel_view::admin_rights;
use crate::rpc::errors::{RpcResult, USER_ID_INVALID, bad, forbidden};
use crate::rpc::view;

/// Longer ranks are refused.
const RANK_LENGTH: usize = 16;

fn flags<T: Encode>(value: &T) -> u32 {
    let bytes = value.to_bytes();
    bytes
        .get(4..8)
        .and_then(|word| <[u8; 4]>::try_from(word).ok())
        .map_or(0, u32::from_le_bytes)
}

/// `channels.editAdmin`: no rights at all dismiss an administrator.
pub(in crate::rpc) fn edit_admin(
    call: &mut Call<'_>,
    request: functions::channels::EditAdmin,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    call.require_right(room, |rights| rights.add_admins)?;
    let user = call.input_user(&request.user_id)?;
    if user.deleted {
        return Err(bad("INPUT_USER_DEACTIVATED"));
    }
    let user = user.id;
    if user == room.channel.creator {
        return Err(bad("USER_CREATOR"));
    }
    if user == me {
        return Err(USER_ID_INVALID);
    }
    let (id, date) = (room.channel.id, call.date());
    let is_creator = room.channel.creator == me;
    let old = room.members.get(&user);
    let others = old
        .and_then(|member| member.admin.as_ref())
        .is_some_and(|admin| admin.promoted_by != me);
    if others && !is_creator {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    if old
        .and_then(|member| member.ban.as_ref())
        .is_some_and(|ban| ban.kicked && ban.holds(date))
    {
        return Err(bad("USER_KICKED"));
    }
    let rank = request.rank.filter(|rank| !rank.is_empty());
    if rank
        .as_ref()
        .is_some_and(|rank| rank.chars().count() > RANK_LENGTH)
    {
        return Err(bad("ADMIN_RANK_INVALID"));
    }
    let wanted = flags(&request.admin_rights);
    let own: enums::ChatAdminRights = admin_rights(room, me)
        .unwrap_or_else(types::ChatAdminRights::new)
        .into();
    if !is_creator && wanted & !flags(&own) != 0 {
        return Err(forbidden("RIGHT_FORBIDDEN"));
    }
    let mut member = old.cloned().unwrap_or(Member {
        inviter: me,
        date,
        left: true,
        admin: None,
        ban: None,
    });
    if wanted != 0 {
        // Who is appointed comes in by it: the only way for bots into broadcast channels.
        member.left = false;
        member.ban = None;
    }
    member.admin = (wanted != 0).then(|| Admin {
        rights: view::to_store(&request.admin_rights),
        promoted_by: me,
        rank,
    });
    call.put_member(id, user, member);
    call.tell_standing(id, user);
    call.changed_for_me(id)
}

/// `channels.editBanned`: no restrictions at all let somebody back in.
pub(in crate::rpc) fn edit_banned(
    call: &mut Call<'_>,
    request: functions::channels::EditBanned,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    call.require_right(room, |rights| rights.ban_users)?;
    let PeerKey::User(user) = call.input_peer(&request.participant)? else {
        return Err(bad("PARTICIPANT_ID_INVALID"));
    };
    if user == me {
        return Err(USER_ID_INVALID);
    }
    let (id, broadcast, date) = (room.channel.id, room.channel.broadcast, call.date());
    let old = room.members.get(&user).cloned();
    let is_admin = old.as_ref().is_some_and(|member| member.admin.is_some());
    if user == room.channel.creator || (is_admin && room.channel.creator != me) {
        return Err(bad("USER_ADMIN_INVALID"));
    }
    let enums::ChatBannedRights::ChatBannedRights(rights) = &request.banned_rights;
    let restricts = flags(&request.banned_rights) != 0;
    if broadcast && restricts && !rights.view_messages {
        return Err(bad("BANNED_RIGHTS_INVALID"));
    }
    let was_in = old.as_ref().is_some_and(|member| !member.left);
    let mut member = old.unwrap_or(Member {
        inviter: me,
        date,
        left: true,
        admin: None,
        ban: None,
    });
    member.ban = restricts.then(|| Ban {
        rights: view::to_store(&request.banned_rights),
        kicked: rights.view_messages,
        by: me,
        date,
        until: rights.until_date,
    });
    if restricts {
        member.admin = None;
    }
    let kicks = rights.view_messages && was_in;
    if rights.view_messages {
        member.left = true;
    }
    call.put_member(id, user, member);
    call.tell_standing(id, user);
    if kicks && !broadcast {
        let touched = call.announce_in(id, Action::ChatDeleteUser { user })?;
        return Ok(call.publish(&touched));
    }
    call.changed_for_me(id)
}
