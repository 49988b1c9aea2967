//! Basic groups and bots at the level of methods.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use crate::rpc_support::*;
use actogram_local_datacenter::operator::Operator;
use actogram_tl as tl;
use tl::{enums, functions, types};

fn create_chat(users: Vec<enums::InputUser>, title: &str) -> functions::messages::CreateChat {
    functions::messages::CreateChat {
        users,
        title: title.into(),
        ttl_period: None,
    }
}

#[test]
fn a_group_lives_from_creation_to_departure() {
    let mut p = pair();
    let (mut carol, carol_id) = p.rig.person("Carol");
    p.rig.set_username(&mut carol, "carol");
    let bob = input_user(&p.to_bob);
    let carol_for_alice = p.rig.input_peer(&mut p.alice, "carol");
    let carol_input = input_user(&carol_for_alice);
    assert_eq!(
        p.rig.error(&mut p.alice, &create_chat(vec![], "x")),
        "400 USERS_TOO_FEW"
    );
    assert_eq!(
        p.rig
            .error(&mut p.alice, &create_chat(vec![bob.clone()], " ")),
        "400 CHAT_TITLE_EMPTY"
    );
    p.rig.pushed.clear();
    let enums::messages::InvitedUsers::InvitedUsers(invited) = p
        .rig
        .call(&mut p.alice, &create_chat(vec![bob.clone()], "Club"))
        .unwrap();
    let enums::Updates::Updates(container) = &invited.updates else {
        panic!("{invited:?}")
    };
    let enums::Chat::Chat(chat) = &container.chats[0] else {
        panic!("{container:?}")
    };
    assert!(chat.creator && chat.participants_count == 2);
    let peer: enums::InputPeer = types::InputPeerChat { chat_id: chat.id }.into();
    let chat_id = chat.id;
    let pushes = p.rig.take_pushes(&p.bob);
    let told = updates(&pushes[0]);
    assert!(matches!(told[0], enums::Update::UpdateChatParticipants(_)));
    assert!(matches!(&told[1], enums::Update::UpdateNewMessage(u)
        if matches!(&u.message, enums::Message::MessageService(m)
            if matches!(&m.action, enums::MessageAction::MessageActionChatCreate(_)))));

    // A stranger sees nothing of it.
    assert_eq!(
        p.rig
            .error(&mut carol, &send_message(&peer, "let me in", 1)),
        "400 PEER_ID_INVALID"
    );
    let add = functions::messages::AddChatUser {
        chat_id,
        user_id: carol_input.clone(),
        fwd_limit: 10,
    };
    p.rig.call(&mut p.alice, &add).unwrap();
    assert_eq!(
        p.rig.error(&mut p.alice, &add),
        "400 USER_ALREADY_PARTICIPANT"
    );
    p.rig.pushed.clear();
    let sent = p
        .rig
        .call(&mut carol, &send_message(&peer, "hello all", 1))
        .unwrap();
    assert!(matches!(
        &updates(&sent)[0],
        enums::Update::UpdateMessageId(_)
    ));
    for member in [&p.alice, &p.bob] {
        let got = only_new_message(&p.rig.take_pushes(member));
        assert_eq!(got.message, "hello all");
        assert_eq!(
            got.from_id,
            Some(types::PeerUser { user_id: carol_id }.into())
        );
    }
    p.rig
        .call(
            &mut p.bob,
            &functions::messages::EditChatTitle {
                chat_id,
                title: "Our club".into(),
            },
        )
        .unwrap();
    let enums::messages::ChatFull::ChatFull(full) = p
        .rig
        .call(&mut carol, &functions::messages::GetFullChat { chat_id })
        .unwrap();
    let enums::Chat::Chat(chat) = &full.chats[0] else {
        panic!("{full:?}")
    };
    assert_eq!(chat.title, "Our club");
    assert_eq!(full.users.len(), 3);

    // Bob may not remove Carol, whom Alice brought in; Alice may.
    let to_carol = p.rig.input_peer(&mut p.bob, "carol");
    let remove = |user_id| functions::messages::DeleteChatUser {
        revoke_history: false,
        chat_id,
        user_id,
    };
    assert_eq!(
        p.rig.error(&mut p.bob, &remove(input_user(&to_carol))),
        "400 CHAT_ADMIN_REQUIRED"
    );
    p.rig.pushed.clear();
    p.rig.call(&mut p.alice, &remove(carol_input)).unwrap();
    let pushes = p.rig.take_pushes(&carol);
    let enums::Updates::Updates(container) = &pushes[0] else {
        panic!("{pushes:?}")
    };
    assert!(matches!(&container.chats[0], enums::Chat::Chat(chat) if chat.left));
    assert_eq!(
        p.rig
            .error(&mut carol, &send_message(&peer, "still here?", 2)),
        "403 CHAT_WRITE_FORBIDDEN"
    );
    p.rig
        .call(&mut p.alice, &send_message(&peer, "without Carol", 9))
        .unwrap();
    assert_eq!(p.rig.take_pushes(&carol).len(), 0);
    let seen = messages(p.rig.call(&mut carol, &get_history(&peer)).unwrap());
    assert_eq!(seen.len(), 4, "what she saw stays hers: {seen:?}");
    p.rig
        .call(&mut p.bob, &remove(enums::InputUser::InputUserSelf))
        .unwrap();
    assert_eq!(
        p.rig
            .error(&mut p.bob, &functions::messages::GetFullChat { chat_id: 1 }),
        "400 CHAT_ID_INVALID"
    );
}

#[test]
fn bots_answer_but_do_not_begin() {
    let mut p = pair();
    let world = std::mem::replace(&mut p.rig, Rig::new()).world;
    let world = Arc::new(Mutex::new(world));
    let (outbox, _outcomes) = tokio::sync::mpsc::unbounded_channel();
    let operator = Operator::new(Arc::clone(&world), Arc::new(|| START), outbox);
    let bot = operator.create_bot("echo_bot", "Echo").unwrap();
    let other = operator.create_bot("other_bot", "Other").unwrap();
    assert!(operator.create_bot("echo_bot", "Twin").is_err());
    drop(operator);
    p.rig = Rig::around(Arc::into_inner(world).unwrap().into_inner().unwrap());
    let mut echo = p.rig.client();
    p.rig
        .call(
            &mut echo,
            &functions::auth::ImportBotAuthorization {
                flags: 0,
                api_id: 1,
                api_hash: "h".into(),
                bot_auth_token: bot.token,
            },
        )
        .unwrap();
    assert_ne!(bot.id, other.id);
    let to_other = p.rig.input_peer(&mut echo, "other_bot");
    assert_eq!(
        p.rig.error(&mut echo, &send_message(&to_other, "hi", 1)),
        "400 USER_IS_BOT"
    );
    let to_alice = p.rig.input_peer(&mut echo, "alice_a");
    assert_eq!(
        p.rig.error(&mut echo, &send_message(&to_alice, "hi", 1)),
        "400 PEER_ID_INVALID"
    );
    assert_eq!(
        p.rig.error(&mut echo, &get_history(&to_alice)),
        "400 BOT_METHOD_INVALID"
    );
    let to_bot = p.rig.input_peer(&mut p.alice, "echo_bot");
    p.rig
        .call(&mut p.alice, &send_message(&to_bot, "/start", 7))
        .unwrap();
    assert_eq!(
        only_new_message(&p.rig.take_pushes(&echo)).message,
        "/start"
    );
    let lenient: enums::InputPeer = types::InputPeerUser {
        user_id: p.alice_id,
        access_hash: 0,
    }
    .into();
    p.rig
        .call(&mut echo, &send_message(&lenient, "welcome", 2))
        .unwrap();
    assert_eq!(
        only_new_message(&p.rig.take_pushes(&p.alice)).message,
        "welcome"
    );
    let stranger: enums::InputPeer = types::InputPeerUser {
        user_id: p.bob_id,
        access_hash: 0,
    }
    .into();
    assert_eq!(
        p.rig.error(&mut echo, &send_message(&stranger, "spam", 3)),
        "400 PEER_ID_INVALID"
    );
    let commands = functions::bots::SetBotCommands {
        scope: enums::BotCommandScope::BotCommandScopeDefault,
        lang_code: String::new(),
        commands: vec![
            types::BotCommand {
                ephemeral: false,
                command: "help".into(),
                description: "Shows help".into(),
            }
            .into(),
        ],
    };
    assert!(p.rig.call(&mut echo, &commands).unwrap());
    let stored = p
        .rig
        .call(
            &mut echo,
            &functions::bots::GetBotCommands {
                scope: enums::BotCommandScope::BotCommandScopeDefault,
                lang_code: String::new(),
            },
        )
        .unwrap();
    assert_eq!(stored, commands.commands);
    let enums::users::UserFull::UserFull(full) = p
        .rig
        .call(
            &mut p.alice,
            &functions::users::GetFullUser {
                id: input_user(&to_bot),
            },
        )
        .unwrap();
    let enums::UserFull::UserFull(full_user) = &full.full_user;
    let Some(enums::BotInfo::BotInfo(info)) = &full_user.bot_info else {
        panic!("{full_user:?}")
    };
    assert_eq!(info.commands.as_ref(), Some(&commands.commands));
}
