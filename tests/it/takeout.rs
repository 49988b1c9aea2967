//! Calls in another's name: a takeout of an account's data, a bot that answers for whoever has connected it.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use actogram::{Api, Error, PeerId, tl::functions};
use futures_util::TryStreamExt as _;

use crate::support::{
    files::Place,
    processes::{Running, path_of_example},
};

fn name_of(error: &Error) -> &str {
    error
        .rpc()
        .unwrap_or_else(|| panic!("{error}"))
        .name
        .as_str()
}

async fn texts(api: &Api) -> Result<Vec<String>, Error> {
    let messages: Vec<_> = api.history("me").try_collect().await?;
    Ok(messages.iter().map(|it| it.text().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_takeout_is_a_part_of_it_until_it_ends() {
    let place = Place::new("9996630070").await;
    for number in 0..130 {
        let sent = place.api.send_message("me", format!("kept {number}"));
        sent.await.unwrap();
    }
    let takeout = place.api.takeout().private_chats().files(1 << 20).await;
    let takeout = takeout.unwrap();
    let within = takeout.api();
    let exported = texts(&within).await.unwrap();
    assert_eq!(exported.len(), 130, "over several pages");
    assert_eq!(exported, texts(&place.api).await.unwrap());
    // What comes of its calls belongs to it, too.
    let last = within.history("me").try_next().await.unwrap().unwrap();
    last.reply("a part of the takeout").await.unwrap();

    // A second one ends the first, and each has a number of its own.
    let second = place.api.takeout().contacts().await.unwrap();
    assert_ne!(second.id(), takeout.id());
    assert_eq!(
        name_of(&takeout.finish().await.unwrap_err()),
        "TAKEOUT_INVALID"
    );
    let within = second.api();
    within.get_me().await.unwrap();
    second.finish().await.unwrap();
    for refused in [
        texts(&within).await.map(drop),
        within.send_message("me", "too late").await.map(drop),
        last.reply("too late").await.map(drop),
    ] {
        assert_eq!(name_of(&refused.unwrap_err()), "TAKEOUT_INVALID");
    }
    // The account itself goes on.
    place.api.send_message("me", "as usual").await.unwrap();
    let finish = functions::account::FinishTakeoutSession::new();
    let error = place.api.invoke(finish).await.unwrap_err();
    assert_eq!(name_of(&error), "TAKEOUT_REQUIRED");
    let given_up = place.api.takeout().await.unwrap();
    given_up.give_up().await.unwrap();
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeout_that_has_to_wait_says_how_long() {
    let place = Place::new("9996630071").await;
    let operator = place.operator();
    let delay = |seconds: u32| {
        let name = format!("TAKEOUT_INIT_DELAY_{seconds}");
        operator.fail("account.initTakeoutSession", 420, &name, 1);
    };
    delay(86_400);
    let error = place.api.takeout().await.err().unwrap();
    assert_eq!(name_of(&error), "TAKEOUT_INIT_DELAY_86400");
    delay(1);
    let takeout = place.api.takeout().await.unwrap();
    takeout.finish().await.unwrap();
    let (bot, _) = crate::support::bot(&place.datacenter, "takeout_bot").await;
    let error = bot.api().takeout().await.err().unwrap();
    assert_eq!(name_of(&error), "BOT_METHOD_INVALID");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_a_connection_that_nobody_made_are_refused() {
    let place = Place::new("9996630072").await;
    let (bot, id) = crate::support::bot(&place.datacenter, "business_bot").await;
    place
        .api
        .send_message("@business_bot", "hello")
        .await
        .unwrap();
    let ann = PeerId::User(place.me);
    let for_nobody = bot.api().business("a connection");
    let error = for_nobody.send_message(ann, "as Ann").await.unwrap_err();
    assert_eq!(name_of(&error), "BUSINESS_CONNECTION_INVALID");
    // The twin: in its own name it may.
    bot.api().send_message(ann, "as itself").await.unwrap();
    let texts: Vec<_> = place
        .api
        .history(PeerId::User(id))
        .try_collect()
        .await
        .unwrap();
    let texts: Vec<_> = texts.iter().map(|it: &actogram::Msg| it.text()).collect();
    assert_eq!(texts, ["as itself", "hello"]);
    place.end().await;
}

#[test]
fn the_example_exports_messages_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut example = Command::new(path_of_example("takeout_export"));
    let (lines, status, errors) = Running::start(example.arg(folder.path())).end();
    assert!(status.success(), "{status}: {errors}");
    assert_eq!(lines.last().unwrap(), "4 messages", "{lines:?}");
    let messages = lines.iter().take(4).map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(message["chat"], "Bob");
        let texts = ["text", "file"].map(|name| message[name].as_str().unwrap_or("").to_owned());
        texts.concat()
    });
    let messages: Vec<_> = messages.collect();
    assert_eq!(messages, ["page 1", "page 2", "page 3", "book.txt"]);
    let saved = std::fs::metadata(folder.path().join("book.txt")).unwrap();
    assert_eq!(saved.len(), 1000);
}
