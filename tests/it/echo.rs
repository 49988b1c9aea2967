//! The main job over real sockets: a bot answers a person.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{Inbox, bot, datacenter, person};
use actogram::prelude::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_answers_and_both_sides_see_the_same_messages() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = bot(&datacenter, "echo_bot").await;
    bot.on_message(async |_cx: Cx, message: Msg| {
        message.reply(html("<b>You said</b>")).await.map(drop)
    });
    bot.start().await.unwrap();
    let ann = person(&datacenter, "9996621111").await;
    let inbox = Inbox::of(&ann);
    ann.start().await.unwrap();

    let sent = ann.api().send_message("@echo_bot", "hello").await.unwrap();
    assert!(sent.outgoing() && sent.is_private());
    let answer = inbox.next().await;
    assert_eq!(answer.text(), "You said");
    assert_eq!(answer.reply_to(), Some(sent.id()));
    assert_eq!(answer.formatted().entities().len(), 1);
    assert_eq!(answer.sender(), Some(actogram::PeerId::User(bot_id)));

    let edited = sent.edit("hello again").await.unwrap();
    assert_eq!(edited.text(), "hello again");
    answer.delete().await.unwrap();

    bot.shutdown(Duration::from_secs(5)).await;
    ann.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_method_can_be_called_typed_and_by_name() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = bot(&datacenter, "name_bot").await;
    let config = bot
        .api()
        .invoke(actogram::tl::functions::help::GetConfig)
        .await
        .unwrap();
    let actogram::tl::enums::Config::Config(config) = config;
    assert_eq!(config.this_dc, datacenter.dc_id());

    let me = bot
        .api()
        .call(
            "users.getUsers",
            serde_json::json!({"id": [{"_": "inputUserSelf"}]}),
        )
        .await
        .unwrap();
    assert_eq!(me[0]["username"], "name_bot");
    assert_eq!(
        me[0]["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .or(me[0]["id"].as_i64()),
        Some(bot_id)
    );

    let error = bot
        .api()
        .call("messages.sendMesage", serde_json::json!({}))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("messages.sendMessage"),
        "{error}"
    );
    let error = bot
        .api()
        .send_message("@nobody_here", "x")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nobody_here"), "{error}");
    bot.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_handler_costs_one_update() {
    let datacenter = datacenter().await;
    let (bot, _) = bot(&datacenter, "panic_bot").await;
    bot.on_message(async |_cx: Cx, message: Msg| {
        assert_ne!(message.text(), "panic", "as asked");
        message.reply(message.text()).await.map(drop)
    });
    bot.start().await.unwrap();
    let ann = person(&datacenter, "9996621112").await;
    let inbox = Inbox::of(&ann);
    ann.start().await.unwrap();
    for text in ["one", "panic", "two"] {
        ann.api().send_message("@panic_bot", text).await.unwrap();
    }
    assert_eq!(inbox.next().await.text(), "one");
    assert_eq!(inbox.next().await.text(), "two");
    bot.shutdown(Duration::from_secs(5)).await;
    ann.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_two_step_password_is_proved_and_a_wrong_one_refused() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let id = operator.create_user("9996621113", "Bob").unwrap();
    operator
        .set_two_step_password(id, Some("correct horse"), "a horse")
        .unwrap();
    let client = crate::support::builder(&datacenter, "bob")
        .connect()
        .await
        .unwrap();
    let mut codes = operator.login_codes();
    let sent = client.api().send_code("+9996621113").await.unwrap();
    let code = codes.next().await.unwrap().code;
    let state = client.api().sign_in(&sent, &code).await.unwrap();
    assert!(matches!(state, actogram::SignIn::PasswordRequired));
    assert_eq!(
        client.api().password_hint().await.unwrap().as_deref(),
        Some("a horse")
    );
    let error = client
        .api()
        .check_password(&"wrong".into())
        .await
        .unwrap_err();
    assert!(error.is("PASSWORD_HASH_INVALID"), "{error}");
    let user = client
        .api()
        .check_password(&"correct horse".into())
        .await
        .unwrap();
    assert_eq!(user.id, id);
    assert!(client.is_logged_in());
    client.shutdown(Duration::from_secs(5)).await;
}
