//! The examples about handlers, run as the programs they are.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use crate::support::{examples::Scene, until};
use actogram::tl::{enums, functions, types};
use actogram_local_datacenter::model::PeerKey;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_with_commands_of_several_files() {
    let scene = Scene::new("commands_bot", "9996621411").await;
    let admin = scene.operator().create_user("9996621412", "Admin").unwrap();
    let _running = scene.run("commands_bot", &[admin.to_string()]);
    assert_eq!(scene.begin("/start").await, "Welcome.");
    scene
        .expect("/start a & b", "Welcome. You come from a & b.")
        .await;
    scene.expect("12 + 30", "42").await;
    scene.expect("/ping", "There is no /ping.").await;
    scene.say("/START");
    let id = scene.say("hm");
    let before = scene.answers().len();
    scene.edit(id, "hm, well");
    scene.wait_for(before, "I saw that.").await;
    assert_eq!(scene.answers().len(), before + 1, "who shouts is not heard");

    let of_admin = || crate::support::accounts::received(&scene.datacenter, admin, scene.bot);
    let operator = scene.operator();
    let to_bot = PeerKey::User(scene.bot);
    operator.send_message(admin, to_bot, "/ping").unwrap();
    until("the admin is answered", || of_admin() == ["pong"]).await;
    operator.send_message(admin, to_bot, "/sleep well").unwrap();
    until("the failure is told", || of_admin().len() == 2).await;
    let told = of_admin().pop().unwrap();
    assert!(
        told.starts_with("A handler failed: invalid digit"),
        "{told}"
    );
    operator.send_message(admin, to_bot, "/sleep 0").unwrap();
    until("it goes on", || of_admin().last().unwrap() == "I am awake.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_with_a_button_and_inline_results() {
    let scene = Scene::new("buttons_bot", "9996621421").await;
    let _running = scene.run("buttons_bot", &[]);
    assert_eq!(scene.begin("/start").await, "Nobody pressed it yet.");
    let (operator, to_bot) = (scene.operator(), PeerKey::User(scene.bot));
    let offered = operator.history(scene.ann, to_bot);
    let offered = offered
        .iter()
        .rev()
        .find(|it| it.from == scene.bot)
        .unwrap()
        .id;
    for (data, shown) in [
        ("count:1", "Pressed 1 times."),
        ("count:2", "Pressed 2 times."),
    ] {
        let pressed = operator.press_button(scene.ann, to_bot, offered, data.as_bytes());
        let pressed = pressed.unwrap();
        until(shown, || scene.answers().iter().any(|text| text == shown)).await;
        let answer = std::cell::RefCell::new(None);
        until("the query is answered", || {
            *answer.borrow_mut() = operator.callback_answer(pressed);
            answer.borrow().is_some()
        })
        .await;
        let enums::messages::BotCallbackAnswer::BotCallbackAnswer(answer) =
            answer.into_inner().unwrap();
        let number = data.strip_prefix("count:").unwrap();
        assert_eq!(
            answer.message.unwrap(),
            format!("That was number {number}.")
        );
    }

    operator.set_inline(scene.bot, Some("text")).unwrap();
    let bea = crate::support::person(&scene.datacenter, "9996621422").await;
    bea.start().await.unwrap();
    let ask = functions::messages::GetInlineBotResults::new(
        operator
            .input_user(bea.api().me_id().unwrap(), scene.bot)
            .unwrap(),
        enums::InputPeer::InputPeerSelf,
        "<hats>".to_owned(),
        String::new(),
    );
    let enums::messages::BotResults::BotResults(results) = bea.api().invoke(ask).await.unwrap();
    let results: Vec<_> = results
        .results
        .into_iter()
        .map(|result| match result {
            enums::BotInlineResult::BotInlineResult(result) => match result.send_message {
                enums::BotInlineMessage::BotInlineMessageText(text) => (
                    result.id,
                    text.message,
                    text.entities.unwrap_or_default().len(),
                ),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        results,
        [
            ("loud".to_owned(), "<HATS>".to_owned(), 0),
            ("bold".to_owned(), "<hats>".to_owned(), 1)
        ]
    );
    bea.shutdown(crate::support::HANG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_keeps_order() {
    let scene = Scene::new("moderator_bot", "9996621451").await;
    let operator = scene.operator();
    let bob = operator.create_user("9996621452", "Bob").unwrap();
    let room = operator
        .create_channel(scene.ann, &[bob, scene.bot], "Room", false)
        .unwrap();
    let place = PeerKey::Channel(room);
    let mut rights = types::ChatAdminRights::new();
    rights.ban_users = true;
    rights.delete_messages = true;
    rights.pin_messages = true;
    let appoint = functions::channels::EditAdmin::new(
        operator.input_channel(scene.ann, room).unwrap(),
        operator.input_user(scene.ann, scene.bot).unwrap(),
        rights.into(),
    );
    operator.invoke_as(scene.ann, &appoint).unwrap();
    let number = std::sync::atomic::AtomicI64::new(1);
    let answer = |who: i64, to: i32, text: &str| {
        let peer = operator.input_peer(who, place).unwrap();
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut send = functions::messages::SendMessage::new(peer, text.to_owned(), number);
        send.reply_to = Some(types::InputReplyToMessage::new(to).into());
        operator.invoke_as(who, &send).unwrap();
    };
    let _running = scene.run("moderator_bot", &[]);
    let texts = || -> Vec<String> {
        let history = operator.history(scene.ann, place).into_iter();
        history.map(|message| message.text).collect()
    };
    let reactions = || operator.counters().executed("messages.sendReaction");
    // The first order it hears is carried out, so it is repeated until it is there.
    let first = operator.send_message(bob, place, "first").unwrap();
    let spam = operator.send_message(bob, place, "spam").unwrap();
    let pinned = || {
        operator.inspect(|world| {
            let pinned = world.state().pinned(scene.ann, place);
            pinned.is_some_and(|ids| ids.contains(&first))
        })
    };
    for _ in 0..600 {
        if pinned() {
            break;
        }
        answer(scene.ann, first, "/pin");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(pinned());
    until("it is quiet", || {
        operator.counters().executed("messages.updatePinnedMessage") <= reactions()
    })
    .await;
    // Bob gives no orders.
    let before = reactions();
    answer(bob, first, "/ban");
    until("it refuses", || reactions() > before).await;
    assert_eq!(operator.channel_members(room).len(), 3);
    answer(scene.ann, spam, "/delete");
    until("it is deleted", || !texts().contains(&"spam".to_owned())).await;
    answer(scene.ann, first, "/mute");
    let refused = || operator.send_message(bob, place, "still here").is_err();
    until("Bob is mute", refused).await;
    answer(scene.ann, first, "/ban");
    until("Bob is banned", || {
        operator.channel_members(room).len() == 2
    })
    .await;
    until("it says so", || texts().contains(&"Banned.".to_owned())).await;
    let offered = operator.history(scene.ann, place);
    let offered = offered.iter().find(|it| it.text == "Banned.").unwrap().id;
    let data = format!("unban:{bob}");
    operator
        .press_button(scene.ann, place, offered, data.as_bytes())
        .unwrap();
    until("he may come back", || {
        texts().contains(&"They may come back.".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_is_one_value() {
    let scene = Scene::new("events_bot", "9996621431").await;
    let _running = scene.run("events_bot", &[]);
    assert!(scene.begin("hello").await.starts_with("That was number "));
    let before = scene.answers().len();
    let id = scene.say("fail");
    scene.wait_for(before, "Something went wrong.").await;
    scene.edit(id, "do not fail");
    scene.wait_for(before, "I saw that.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_polls() {
    let scene = Scene::new("polling_bot", "9996621441").await;
    let _running = scene.run("polling_bot", &[]);
    assert!(scene.begin("hello").await.ends_with(": hello"));
    let before = scene.answers().len();
    for text in ["a", "b"] {
        scene.say(text);
    }
    until("both are answered", || {
        let answers = scene.answers();
        let new: Vec<_> = answers[before..]
            .iter()
            .filter_map(|it| it.split_once(": "))
            .collect();
        let texts: Vec<_> = new
            .iter()
            .map(|(_, text)| *text)
            .filter(|it| *it != "hello")
            .collect();
        texts == ["a", "b"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_asks() {
    let scene = Scene::new("survey_bot", "9996621451").await;
    let _running = scene.run("survey_bot", &[]);
    assert_eq!(scene.begin("hello").await, "Write /start.");
    scene.expect("/start", "What is your name?").await;
    scene
        .expect("Ann", "How old are you, Ann? In digits, please.")
        .await;
    scene.expect("old enough", "In digits, please.").await;
    scene.expect("31", "Ann, 31. Thank you.").await;
    scene.expect("/start", "What is your name?").await;
    scene.expect("/cancel", "Never mind.").await;
    scene.expect("31", "Write /start.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_with_an_enum_of_commands() {
    let scene = Scene::new("menu_bot", "9996621471").await;
    let _running = scene.run("menu_bot", &[]);
    let help = scene.begin("/help").await;
    assert!(help.starts_with("/help – Show what there is\n/repeat <times> [text] – "));
    scene.expect("/repeat 3 ab", "ababab").await;
    scene
        .expect(
            "/repeat often",
            "/repeat: `times` is \"often\", u8 was expected: invalid digit found in string",
        )
        .await;
    scene.expect("/dice 1", "1").await;
    scene.expect("/rest", "No such command; see /help.").await;
}
