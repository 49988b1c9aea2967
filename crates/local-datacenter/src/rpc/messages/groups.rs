//! Basic groups.

use std::collections::BTreeMap;

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::send::Outgoing;
use crate::model::{Action, Chat, ChatId, Event, Participant, PeerKey, Place, Touched, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::{CHAT_ID_INVALID, PEER_ID_INVALID, RpcResult, USER_ID_INVALID, bad};
use crate::rpc::view::View;

/// The first group's id.
const FIRST_CHAT_ID: ChatId = 4_000_000_001;
/// Titles are cut off here.
const TITLE_LENGTH: usize = 255;

pub(in crate::rpc) fn clean_title(title: &str) -> RpcResult<String> {
    let cut: String = title.trim().chars().take(TITLE_LENGTH).collect();
    if cut.is_empty() {
        Err(bad("CHAT_TITLE_EMPTY"))
    } else {
        Ok(cut)
    }
}

/// `updateChatParticipants` as the viewer sees it.
fn participants_update(view: &mut View<'_>, chat: &Chat) -> enums::Update {
    view.mention(PeerKey::Chat(chat.id));
    types::UpdateChatParticipants {
        participants: view.participants(chat),
    }
    .into()
}

impl Call<'_> {
    /// A service message for everyone in `audience`.
    pub(super) fn announce(
        &mut self,
        id: ChatId,
        audience: Vec<UserId>,
        action: Action,
    ) -> RpcResult<Vec<Touched>> {
        let outgoing = Outgoing {
            action: Some(action),
            ..Outgoing::default()
        };
        let (_, touched) = self.deliver(Place::Chat { id }, audience, outgoing)?;
        Ok(touched)
    }

    /// Publishes with the list of members, for those who are among them.
    pub(super) fn publish_members(&mut self, touched: &[Touched], chat: &Chat) -> enums::Updates {
        self.publish_with(touched, &|view, viewer| {
            if chat.participants.contains_key(&viewer) {
                vec![participants_update(view, chat)]
            } else {
                Vec::new()
            }
        })
    }

    pub(super) fn may_administer(&self, chat: &Chat, me: UserId) -> bool {
        chat.creator == me
            || chat
                .participants
                .get(&me)
                .is_some_and(|member| member.admin)
    }
}

/// `messages.createChat`.
pub(in crate::rpc) fn create_chat(
    call: &mut Call<'_>,
    request: functions::messages::CreateChat,
) -> RpcResult<enums::messages::InvitedUsers> {
    let me = call.me()?;
    let title = clean_title(&request.title)?;
    if request.ttl_period.is_some_and(|period| period != 0) {
        return Err(super::parameter_not_built(
            "messages.createChat",
            "ttl_period",
        ));
    }
    let mut users: Vec<UserId> = Vec::new();
    for input in &request.users {
        let user = call.input_user(input)?;
        if user.deleted {
            return Err(bad("INPUT_USER_DEACTIVATED"));
        }
        if user.id != me && !users.contains(&user.id) {
            users.push(user.id);
        }
    }
    if users.is_empty() {
        return Err(bad("USERS_TOO_FEW"));
    }
    if users.len() + 1 > call.world.config.limits.chat_size {
        return Err(bad("USERS_TOO_MUCH"));
    }
    let date = call.date();
    let member = |admin| Participant {
        inviter: me,
        date,
        admin,
    };
    let mut participants: BTreeMap<UserId, Participant> =
        users.iter().map(|user| (*user, member(false))).collect();
    participants.insert(me, member(true));
    let id = call
        .world
        .state
        .chats
        .last_key_value()
        .map_or(FIRST_CHAT_ID, |(id, _)| id + 1);
    let chat = Chat {
        id,
        title: title.clone(),
        about: String::new(),
        creator: me,
        date,
        version: 1,
        participants,
    };
    call.world.commit(Event::ChatPut(chat.clone()));
    let audience = call.world.state.audience(me, Place::Chat { id });
    let touched = call.announce(id, audience, Action::ChatCreate { title, users })?;
    let updates = call.publish_members(&touched, &chat);
    Ok(types::messages::InvitedUsers {
        updates,
        missing_invitees: Vec::new(),
    }
    .into())
}

/// `messages.addChatUser`. The history before a member's arrival is not copied to it, whatever `fwd_limit` says.
pub(in crate::rpc) fn add_chat_user(
    call: &mut Call<'_>,
    request: functions::messages::AddChatUser,
) -> RpcResult<enums::messages::InvitedUsers> {
    let me = call.me()?;
    let mut chat = call.member_chat(request.chat_id)?.clone();
    let user = call.input_user(&request.user_id)?;
    if user.deleted {
        return Err(bad("INPUT_USER_DEACTIVATED"));
    }
    let user = user.id;
    if chat.participants.contains_key(&user) {
        return Err(bad("USER_ALREADY_PARTICIPANT"));
    }
    if chat.participants.len() >= call.world.config.limits.chat_size {
        return Err(bad("USERS_TOO_MUCH"));
    }
    let date = call.date();
    chat.participants.insert(
        user,
        Participant {
            inviter: me,
            date,
            admin: false,
        },
    );
    chat.version += 1;
    call.world.commit(Event::ChatPut(chat.clone()));
    let audience = call.world.state.audience(me, Place::Chat { id: chat.id });
    let action = Action::ChatAddUser { users: vec![user] };
    let touched = call.announce(chat.id, audience, action)?;
    let updates = call.publish_members(&touched, &chat);
    Ok(types::messages::InvitedUsers {
        updates,
        missing_invitees: Vec::new(),
    }
    .into())
}

/// `messages.deleteChatUser`: leaving, or removing someone one invited or administers.
pub(in crate::rpc) fn delete_chat_user(
    call: &mut Call<'_>,
    request: functions::messages::DeleteChatUser,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let mut chat = call.member_chat(request.chat_id)?.clone();
    let user = call.input_user(&request.user_id)?.id;
    let member = chat
        .participants
        .get(&user)
        .ok_or(bad("USER_NOT_PARTICIPANT"))?;
    let allowed = user == me
        || chat.creator == me
        || (user != chat.creator && (call.may_administer(&chat, me) || member.inviter == me));
    if !allowed {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    // The one who goes still gets the message that tells so.
    let audience = call.world.state.audience(me, Place::Chat { id: chat.id });
    chat.participants.remove(&user);
    chat.version += 1;
    call.world.commit(Event::ChatPut(chat.clone()));
    let action = Action::ChatDeleteUser { user };
    let mut touched = call.announce(chat.id, audience, action)?;
    if request.revoke_history {
        touched.extend(call.world.commit(Event::HistoryRevoked {
            owner: user,
            chat: chat.id,
        }));
    }
    Ok(call.publish_members(&touched, &chat))
}

/// `messages.editChatTitle`: any person in the group; bots only as administrators.
pub(in crate::rpc) fn edit_chat_title(
    call: &mut Call<'_>,
    request: functions::messages::EditChatTitle,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let mut chat = call.member_chat(request.chat_id)?.clone();
    if call.is_bot(me) && !call.may_administer(&chat, me) {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let title = clean_title(&request.title)?;
    if title == chat.title {
        return Err(bad("CHAT_NOT_MODIFIED"));
    }
    chat.title.clone_from(&title);
    chat.version += 1;
    let id = chat.id;
    call.world.commit(Event::ChatPut(chat));
    let audience = call.world.state.audience(me, Place::Chat { id });
    let touched = call.announce(id, audience, Action::ChatEditTitle { title })?;
    Ok(call.publish(&touched))
}

/// `messages.editChatAbout`.
pub(in crate::rpc) fn edit_chat_about(
    call: &mut Call<'_>,
    request: functions::messages::EditChatAbout,
) -> RpcResult<bool> {
    let me = call.me()?;
    let PeerKey::Chat(id) = call.input_peer(&request.peer)? else {
        return Err(PEER_ID_INVALID);
    };
    let mut chat = call.member_chat(id)?.clone();
    if call.is_bot(me) && !call.may_administer(&chat, me) {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let about: String = request.about.trim().chars().take(TITLE_LENGTH).collect();
    if about == chat.about {
        return Err(bad("CHAT_ABOUT_NOT_MODIFIED"));
    }
    chat.about = about;
    call.world.commit(Event::ChatPut(chat));
    Ok(true)
}

/// `messages.editChatAdmin`: only the creator appoints.
pub(in crate::rpc) fn edit_chat_admin(
    call: &mut Call<'_>,
    request: functions::messages::EditChatAdmin,
) -> RpcResult<bool> {
    let me = call.me()?;
    let mut chat = call.member_chat(request.chat_id)?.clone();
    if chat.creator != me {
        return Err(bad("CHAT_ADMIN_REQUIRED"));
    }
    let user = call.input_user(&request.user_id)?.id;
    if user == me {
        return Err(USER_ID_INVALID);
    }
    let member = chat
        .participants
        .get_mut(&user)
        .ok_or(bad("USER_NOT_PARTICIPANT"))?;
    member.admin = request.is_admin;
    chat.version += 1;
    let members: Vec<UserId> = chat.participants.keys().copied().collect();
    call.world.commit(Event::ChatPut(chat.clone()));
    let (date, origin) = (call.date(), call.origin);
    for viewer in members {
        let container = call.view(viewer, |view| {
            let update = participants_update(view, &chat);
            view.container(vec![update], date, 0)
        });
        call.world.push(viewer, origin, &container);
    }
    Ok(true)
}

/// `messages.getChats`: groups the caller cannot see come back as `chatEmpty`.
pub(in crate::rpc) fn get_chats(
    call: &mut Call<'_>,
    request: functions::messages::GetChats,
) -> RpcResult<enums::messages::Chats> {
    let me = call.me()?;
    let chats = call.view(me, |view| {
        request
            .id
            .iter()
            .map(|id| match call.visible_chat(*id) {
                Some(chat) => view.chat(chat),
                None => types::ChatEmpty { id: *id }.into(),
            })
            .collect()
    });
    Ok(types::messages::Chats { chats }.into())
}

/// `messages.getFullChat`.
pub(in crate::rpc) fn get_full_chat(
    call: &mut Call<'_>,
    request: functions::messages::GetFullChat,
) -> RpcResult<enums::messages::ChatFull> {
    let me = call.me()?;
    let chat = call.visible_chat(request.chat_id).ok_or(CHAT_ID_INVALID)?;
    let member = chat.participants.contains_key(&me);
    call.view(me, |view| {
        view.mention(PeerKey::Chat(chat.id));
        let participants = if member {
            view.participants(chat)
        } else {
            types::ChatParticipantsForbidden {
                chat_id: chat.id,
                self_participant: None,
            }
            .into()
        };
        let mut full = types::ChatFull::new(
            chat.id,
            chat.about.clone(),
            participants,
            types::PeerNotifySettings::new().into(),
        );
        let pinned = call.world.state.pinned(me, PeerKey::Chat(chat.id));
        full.pinned_msg_id = pinned.and_then(|ids| ids.last().copied());
        Ok(types::messages::ChatFull {
            full_chat: full.into(),
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}

/// `messages.getCommonChats`.
pub(in crate::rpc) fn get_common_chats(
    call: &mut Call<'_>,
    request: functions::messages::GetCommonChats,
) -> RpcResult<enums::messages::Chats> {
    let me = call.me()?;
    let user = call.input_user(&request.user_id)?.id;
    let limit = usize::try_from(request.limit).unwrap_or(0).clamp(1, 100);
    let chats = call.view(me, |view| {
        call.world
            .state
            .chats
            .values()
            .rev()
            .filter(|chat| request.max_id <= 0 || chat.id < request.max_id)
            .filter(|chat| {
                user != me
                    && chat.participants.contains_key(&me)
                    && chat.participants.contains_key(&user)
            })
            .take(limit)
            .map(|chat| view.chat(chat))
            .collect()
    });
    Ok(types::messages::Chats { chats }.into())
}
