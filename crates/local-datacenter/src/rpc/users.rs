//! `users.*`.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::RpcResult;
use crate::model::{PeerKey, UserId};

/// `users.getUsers`: users that cannot be seen are left out.
pub(super) fn get_users(
    call: &mut Call<'_>,
    request: functions::users::GetUsers,
) -> RpcResult<Vec<enums::User>> {
    let me = call.me()?;
    let ids: Vec<UserId> = request
        .id
        .iter()
        .filter_map(|input| call.input_user(input).ok().map(|user| user.id))
        .collect();
    Ok(ids.into_iter().map(|id| call.user_object(me, id)).collect())
}

/// `users.getFullUser`.
pub(super) fn get_full_user(
    call: &mut Call<'_>,
    request: functions::users::GetFullUser,
) -> RpcResult<enums::users::UserFull> {
    let me = call.me()?;
    let user = call.input_user(&request.id)?.clone();
    let common = call
        .world
        .state
        .chats
        .values()
        .filter(|chat| {
            user.id != me
                && chat.participants.contains_key(&me)
                && chat.participants.contains_key(&user.id)
        })
        .count();
    let mut settings = types::PeerSettings::new();
    let stranger = user.id != me
        && !call
            .world
            .state
            .contacts
            .get(&me)
            .is_some_and(|book| book.contains_key(&user.id));
    settings.add_contact = stranger && user.bot.is_none();
    settings.block_contact = stranger;
    let mut full = types::UserFull::new(
        user.id,
        settings.into(),
        types::PeerNotifySettings::new().into(),
        i32::try_from(common).unwrap_or(i32::MAX),
    );
    full.about = Some(user.about.clone()).filter(|about| !about.is_empty());
    full.can_pin_message = true;
    let pinned = call.world.state.pinned(me, PeerKey::User(user.id));
    full.pinned_msg_id = pinned.and_then(|ids| ids.last().copied());
    if let Some(bot) = &user.bot {
        let mut info = types::BotInfo::new();
        info.user_id = Some(user.id);
        info.commands = bot
            .commands
            .iter()
            .find(|list| list.language.is_empty())
            .map(|list| super::bots::commands(&list.commands));
        full.bot_info = Some(info.into());
    }
    call.view(me, |view| {
        view.mention(PeerKey::User(user.id));
        Ok(types::users::UserFull {
            full_user: full.into(),
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}
