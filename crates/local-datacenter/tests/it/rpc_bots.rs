//! Keyboards, pressed buttons and inline queries.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::channel_support::*;
use crate::rpc_support::*;
use actogram_local_datacenter::model::PeerKey;
use actogram_local_datacenter::rpc::BOT_PATIENCE;
use actogram_tl as tl;
use tl::{Constructor as _, Decode, Function, enums, functions, types};

fn keyboard(data: &[u8]) -> enums::ReplyMarkup {
    let callback = types::InlineButtonTypeCallback {
        requires_password: false,
        data: data.to_vec().into(),
    };
    let button = types::KeyboardInlineButton::new("Press".into(), callback.into());
    let row = types::KeyboardInlineButtonRow {
        buttons: vec![button.into()],
    };
    types::ReplyInlineMarkup::new(vec![row.into()]).into()
}

/// Alice, Bob and a bot that Alice has begun to talk with.
struct Scene {
    p: Pair,
    bot: Client,
    bot_id: i64,
    to_bot: enums::InputPeer,
    bots_alice: enums::InputPeer,
}

fn scene() -> Scene {
    let mut p = pair();
    let (mut bot, bot_id) = p.rig.bot("button_bot");
    let to_bot = p.rig.input_peer(&mut p.alice, "button_bot");
    p.rig
        .call(&mut p.alice, &send_message(&to_bot, "/start", 900))
        .unwrap();
    let bots_alice = p.rig.input_peer(&mut bot, "alice_a");
    p.rig.pushed.clear();
    Scene {
        p,
        bot,
        bot_id,
        to_bot,
        bots_alice,
    }
}

impl Scene {
    fn offer(&mut self, to: &enums::InputPeer, data: &[u8], random_id: i64) {
        let mut request = send_message(to, "choose", random_id);
        request.reply_markup = Some(keyboard(data));
        self.p.rig.call(&mut self.bot, &request).unwrap();
    }
}

fn press(
    peer: &enums::InputPeer,
    msg_id: i32,
    data: &[u8],
) -> functions::messages::GetBotCallbackAnswer {
    functions::messages::GetBotCallbackAnswer {
        game: false,
        peer: peer.clone(),
        msg_id,
        data: Some(data.to_vec().into()),
        password: None,
    }
}

fn answer(query_id: i64, text: &str) -> functions::messages::SetBotCallbackAnswer {
    functions::messages::SetBotCallbackAnswer {
        alert: true,
        query_id,
        message: Some(text.into()),
        url: None,
        cache_time: 5,
    }
}

/// Sends a call whose answer comes later.
fn begin<F: Function>(rig: &mut Rig, client: &mut Client, call: &F) -> i64 {
    let msg_id = rig.send(client, call.to_bytes());
    assert_eq!(rig.answer(msg_id), None, "answered at once");
    msg_id
}

fn end<T: Decode>(rig: &mut Rig, msg_id: i64) -> Result<T, String> {
    result(rig.answer(msg_id).expect("an answer")).map_err(|error| error.to_string())
}

fn query_of(pushes: &[enums::Updates]) -> types::UpdateBotCallbackQuery {
    let told = all_updates(pushes);
    match &told[..] {
        [enums::Update::UpdateBotCallbackQuery(query)] => (**query).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pressed_button_waits_for_the_bots_answer() {
    let mut s = scene();
    let alice = s.bots_alice.clone();
    s.offer(&alice, b"yes", 1);
    let offered = only_new_message(&s.p.rig.take_pushes(&s.p.alice));
    assert_eq!(offered.reply_markup, Some(keyboard(b"yes")));
    assert_eq!(
        s.p.rig
            .error(&mut s.p.alice, &press(&s.to_bot, offered.id, b"no")),
        "400 DATA_INVALID"
    );
    assert_eq!(
        s.p.rig
            .error(&mut s.p.alice, &press(&s.to_bot, 999, b"yes")),
        "400 MESSAGE_ID_INVALID"
    );
    let asked = begin(
        &mut s.p.rig,
        &mut s.p.alice,
        &press(&s.to_bot, offered.id, b"yes"),
    );
    let query = query_of(&s.p.rig.take_pushes(&s.bot));
    assert_eq!(query.user_id, s.p.alice_id);
    assert_eq!(query.data.as_deref(), Some(&b"yes"[..]));
    assert_eq!(
        s.p.rig.error(&mut s.bot, &answer(query.query_id ^ 2, "ok")),
        "400 QUERY_ID_INVALID"
    );
    assert_eq!(
        s.p.rig
            .error(&mut s.bot, &answer(query.query_id, &"x".repeat(201))),
        "400 MESSAGE_TOO_LONG"
    );
    let (mut other, _) = s.p.rig.bot("other_bot");
    assert_eq!(
        s.p.rig.error(&mut other, &answer(query.query_id, "mine")),
        "400 QUERY_ID_INVALID"
    );
    assert!(
        s.p.rig
            .call(&mut s.bot, &answer(query.query_id, "done"))
            .unwrap()
    );
    let got: enums::messages::BotCallbackAnswer = end(&mut s.p.rig, asked).unwrap();
    let enums::messages::BotCallbackAnswer::BotCallbackAnswer(got) = got;
    assert!(got.alert && got.message.as_deref() == Some("done") && got.cache_time == 5);
    assert_eq!(
        s.p.rig.error(&mut s.bot, &answer(query.query_id, "twice")),
        "400 QUERY_ID_INVALID"
    );
    assert_eq!(s.p.rig.world.poll_timeout(), None);
}

#[test]
fn a_bot_that_does_not_answer_costs_the_caller_a_bounded_time() {
    let mut s = scene();
    let alice = s.bots_alice.clone();
    s.offer(&alice, b"yes", 1);
    let id = only_new_message(&s.p.rig.take_pushes(&s.p.alice)).id;
    let asked = begin(&mut s.p.rig, &mut s.p.alice, &press(&s.to_bot, id, b"yes"));
    let query = query_of(&s.p.rig.take_pushes(&s.bot));
    assert_eq!(
        s.p.rig.world.poll_timeout(),
        Some(s.p.rig.now + BOT_PATIENCE)
    );
    s.p.rig.now += BOT_PATIENCE + Duration::from_secs(1);
    let due = s.p.rig.world.handle_timeout(s.p.rig.now);
    s.p.rig.take(due);
    let got = end::<enums::messages::BotCallbackAnswer>(&mut s.p.rig, asked);
    assert_eq!(got.unwrap_err(), "400 BOT_RESPONSE_TIMEOUT");
    assert_eq!(
        s.p.rig.error(&mut s.bot, &answer(query.query_id, "late")),
        "400 QUERY_ID_INVALID"
    );
}

#[test]
fn a_button_in_a_supergroup_names_the_group_and_the_same_message_id() {
    let mut s = scene();
    let alices = create(&mut s.p.rig, &mut s.p.alice, "Club", false);
    let invite = functions::channels::InviteToChannel {
        channel: alices.input(),
        users: vec![input_user(&s.to_bot)],
    };
    s.p.rig.call(&mut s.p.alice, &invite).unwrap();
    s.p.rig.pushed.clear();
    // A member that is a bot may leave the access hash out.
    let lenient = Named {
        id: alices.id,
        access_hash: 0,
    };
    s.offer(&lenient.peer(), b"go", 1);
    let told = all_updates(&s.p.rig.take_pushes(&s.p.alice));
    let [enums::Update::UpdateNewChannelMessage(new)] = &told[..] else {
        panic!("{told:?}")
    };
    let id = message(&new.message).id;
    begin(
        &mut s.p.rig,
        &mut s.p.alice,
        &press(&alices.peer(), id, b"go"),
    );
    let query = query_of(&s.p.rig.take_pushes(&s.bot));
    assert_eq!(query.msg_id, id);
    assert_eq!(
        query.peer,
        types::PeerChannel {
            channel_id: alices.id
        }
        .into()
    );
}

#[test]
fn keyboards_are_checked_stored_and_shown_in_the_layer_of_the_client() {
    let mut s = scene();
    let mut too_long = send_message(&s.bots_alice, "choose", 5);
    too_long.reply_markup = Some(keyboard(&[7; 65]));
    assert_eq!(
        s.p.rig.error(&mut s.bot, &too_long),
        "400 BUTTON_DATA_INVALID"
    );
    let mut old = s.p.rig.second_login(s.p.alice_id);
    old.layer = 228;
    old.initialized = false;
    s.p.rig
        .call(&mut old, &functions::help::GetNearestDc)
        .unwrap();
    s.p.rig.pushed.clear();
    let alice = s.bots_alice.clone();
    s.offer(&alice, b"yes", 1);
    let contains = |client: &Client, id: u32| {
        s.p.rig.pushed[&(client.key, client.session)]
            .iter()
            .any(|body| body.windows(4).any(|word| word == id.to_le_bytes()))
    };
    let (new, former) = (types::ReplyInlineMarkup::ID, 0x48a3_0254);
    assert!(contains(&s.p.alice, new) && !contains(&s.p.alice, former));
    assert!(contains(&old, former) && !contains(&old, new));
}

#[test]
fn the_operator_presses_buttons_too() {
    let mut s = scene();
    let alice = s.bots_alice.clone();
    s.offer(&alice, b"yes", 1);
    let id = only_new_message(&s.p.rig.take_pushes(&s.p.alice)).id;
    let (alice_id, bot_id) = (s.p.alice_id, s.bot_id);
    let query_id = operate(&mut s.p.rig, |operator| {
        assert!(
            operator
                .press_button(alice_id, PeerKey::User(bot_id), id, b"no")
                .is_err()
        );
        operator
            .press_button(alice_id, PeerKey::User(bot_id), id, b"yes")
            .unwrap()
    });
    assert_eq!(query_of(&s.p.rig.take_pushes(&s.bot)).query_id, query_id);
    s.p.rig.call(&mut s.bot, &answer(query_id, "fine")).unwrap();
    let (got, again) = operate(&mut s.p.rig, |operator| {
        (
            operator.callback_answer(query_id),
            operator.callback_answer(query_id),
        )
    });
    assert!(
        matches!(got, Some(enums::messages::BotCallbackAnswer::BotCallbackAnswer(a))
        if a.message.as_deref() == Some("fine"))
    );
    assert_eq!(again, None);
}

fn ask(s: &Scene, peer: enums::InputPeer) -> functions::messages::GetInlineBotResults {
    functions::messages::GetInlineBotResults {
        bot: input_user(&s.to_bot),
        peer,
        geo_point: None,
        query: "cats".into(),
        offset: String::new(),
    }
}

fn article(
    id: &str,
    text: &str,
    markup: Option<enums::ReplyMarkup>,
) -> enums::InputBotInlineResult {
    let mut message = types::InputBotInlineMessageText::new(text.into());
    message.reply_markup = markup;
    let mut result = types::InputBotInlineResult::new(id.into(), "article".into(), message.into());
    result.title = Some("Title".into());
    result.into()
}

fn results(
    query_id: i64,
    results: Vec<enums::InputBotInlineResult>,
) -> functions::messages::SetInlineBotResults {
    functions::messages::SetInlineBotResults::new(query_id, results, 10)
}

#[test]
fn an_inline_query_is_answered_and_one_result_sent_in_the_bots_name() {
    let mut s = scene();
    let request = ask(&s, s.p.to_bob.clone());
    assert_eq!(
        s.p.rig.error(&mut s.p.alice, &request),
        "400 BOT_INLINE_DISABLED"
    );
    let bot_id = s.bot_id;
    operate(&mut s.p.rig, |operator| {
        operator.set_inline(bot_id, Some("Search")).unwrap();
    });
    let asked = begin(&mut s.p.rig, &mut s.p.alice, &request);
    let told = all_updates(&s.p.rig.take_pushes(&s.bot));
    let [enums::Update::UpdateBotInlineQuery(query)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(query.query, "cats");
    assert_eq!(
        query.peer_type,
        Some(enums::InlineQueryPeerType::InlineQueryPeerTypePm)
    );
    let twice = vec![article("a", "A", None), article("a", "B", None)];
    assert_eq!(
        s.p.rig.error(&mut s.bot, &results(query.query_id, twice)),
        "400 RESULT_ID_DUPLICATE"
    );
    let good = vec![
        article("a", "A", None),
        article("b", "Bee", Some(keyboard(b"like"))),
    ];
    assert!(
        s.p.rig
            .call(&mut s.bot, &results(query.query_id, good))
            .unwrap()
    );
    let shown: enums::messages::BotResults = end(&mut s.p.rig, asked).unwrap();
    let enums::messages::BotResults::BotResults(shown) = shown;
    assert_eq!((shown.query_id, shown.results.len()), (query.query_id, 2));
    let choose = |query_id, id: &str, random_id| {
        functions::messages::SendInlineBotResult::new(
            s.p.to_bob.clone(),
            random_id,
            query_id,
            id.into(),
        )
    };
    assert_eq!(
        s.p.rig
            .error(&mut s.p.alice, &choose(query.query_id, "c", 1)),
        "400 RESULT_ID_INVALID"
    );
    assert_eq!(
        s.p.rig.error(&mut s.p.alice, &choose(1, "b", 1)),
        "400 INLINE_RESULT_EXPIRED"
    );
    let chosen = choose(query.query_id, "b", 1);
    s.p.rig.call(&mut s.p.alice, &chosen).unwrap();
    let got = only_new_message(&s.p.rig.take_pushes(&s.p.bob));
    assert_eq!(
        (got.message.as_str(), got.via_bot_id),
        ("Bee", Some(bot_id))
    );
    let told = all_updates(&s.p.rig.take_pushes(&s.bot));
    let [enums::Update::UpdateBotInlineSend(sent)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((sent.id.as_str(), sent.query.as_str()), ("b", "cats"));
    let named = sent.msg_id.clone().unwrap();
    // Bob presses the button under a message of which the bot has no copy.
    let to_alice = s.p.to_alice.clone();
    begin(
        &mut s.p.rig,
        &mut s.p.bob,
        &press(&to_alice, got.id, b"like"),
    );
    let told = all_updates(&s.p.rig.take_pushes(&s.bot));
    assert!(
        matches!(&told[..], [enums::Update::UpdateInlineBotCallbackQuery(q)]
        if q.user_id == s.p.bob_id && q.msg_id == named)
    );
}
