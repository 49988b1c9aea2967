//! Updates that are asked for. Under virtual time; what a kill brings again is shown in processes.
#![allow(clippy::unwrap_used)]

use std::{
    future::IntoFuture,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{bot_stage::BotStage, virtual_time::run};
use actogram::{PollError, PolledUpdate, Poller, prelude::*};
use actogram_local_datacenter::model::PeerKey;
use actogram_store::Store;
use tokio::time::{Instant, sleep};

fn say(stage: &BotStage, text: &str) {
    let operator = stage.datacenter.operator();
    operator
        .send_message(stage.ann, PeerKey::User(stage.bot.id), text)
        .unwrap();
}

fn texts(polled: &[PolledUpdate]) -> Vec<(i64, String)> {
    let text = |it: &PolledUpdate| it.update.message().unwrap().text().to_owned();
    polled.iter().map(|it| (it.id, text(it))).collect()
}

fn numbered(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    expected
        .iter()
        .map(|(id, text)| (*id, (*text).to_owned()))
        .collect()
}

async fn get(poller: &Poller, offset: i64, limit: usize) -> Vec<(i64, String)> {
    texts(
        &poller
            .get_updates()
            .offset(offset)
            .limit(limit)
            .await
            .unwrap(),
    )
}

#[test]
fn s16_updates_are_given_from_an_offset_until_they_are_acknowledged() {
    run(async {
        let stage = BotStage::new(21).await;
        let poller = stage.client.poller();
        stage.client.start().await.unwrap();
        for text in ["a", "b", "c", "d", "e"] {
            say(&stage, text);
        }
        sleep(Duration::from_secs(1)).await;
        let all = [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")];
        assert_eq!(get(&poller, 0, 100).await, numbered(&all));
        assert_eq!(
            get(&poller, 0, 2).await,
            numbered(&all[..2]),
            "not acknowledged"
        );
        assert_eq!(get(&poller, 2, 2).await, numbered(&all[1..3]));
        assert_eq!(
            get(&poller, 0, 0).await,
            numbered(&all[1..2]),
            "at least one"
        );
        assert_eq!(
            get(&poller, 1, 100).await,
            numbered(&all[1..]),
            "what is gone is gone"
        );
        assert_eq!(
            get(&poller, -2, 100).await,
            numbered(&all[3..]),
            "from the end"
        );
        assert_eq!(get(&poller, -50, 100).await, numbered(&all[3..]));
        let none = poller
            .get_updates()
            .offset(99)
            .timeout(Duration::ZERO)
            .await;
        assert!(none.unwrap().is_empty());
        say(&stage, "f");
        assert_eq!(
            get(&poller, 0, 1).await,
            numbered(&[(6, "f")]),
            "numbers go on"
        );
        poller.close();
        stage.client.shutdown(crate::support::HANG).await;
        stage.datacenter.shutdown().await;
    });
}

#[test]
fn s16_who_asks_waits_until_something_comes_or_its_time_is_over() {
    run(async {
        let stage = BotStage::new(22).await;
        let poller = stage.client.poller();
        stage.client.start().await.unwrap();
        let begun = Instant::now();
        assert!(poller.get_updates().await.unwrap().is_empty());
        assert_eq!(begun.elapsed(), Duration::from_secs(10), "the default");
        let patient = poller.get_updates().timeout(Duration::MAX).into_future();
        let speaking = async {
            sleep(Duration::from_secs(3600)).await;
            // One who asks meanwhile would take what the other waits for.
            let error = poller.get_updates().await.unwrap_err();
            assert!(matches!(error, Error::Poll(PollError::Busy)), "{error}");
            say(&stage, "at last");
        };
        let (polled, ()) = tokio::join!(patient, speaking);
        assert_eq!(texts(&polled.unwrap()), numbered(&[(1, "at last")]));

        // One that is dropped while it waits is nobody's hindrance, and takes nothing with it.
        let dropped = poller.get_updates().offset(2).timeout(Duration::MAX);
        let dropped = tokio::time::timeout(Duration::from_secs(5), dropped.into_future()).await;
        assert!(dropped.is_err());
        say(&stage, "again");
        assert_eq!(get(&poller, 2, 100).await, numbered(&[(2, "again")]));
        // From the end: what is there is acknowledged, but nothing of what comes while it waits.
        assert!(
            poller
                .get_updates()
                .offset(3)
                .timeout(Duration::ZERO)
                .await
                .unwrap()
                .is_empty()
        );
        let last = poller
            .get_updates()
            .offset(-1)
            .timeout(Duration::MAX)
            .into_future();
        let speaking = async {
            sleep(Duration::from_secs(1)).await;
            for text in ["x", "y"] {
                say(&stage, text);
            }
        };
        let (first, ()) = tokio::join!(last, speaking);
        assert_eq!(texts(&first.unwrap())[0], (3, "x".to_owned()));
        assert!(
            poller
                .get_updates()
                .offset(4)
                .timeout(Duration::ZERO)
                .await
                .is_ok()
        );
        assert_eq!(get(&poller, 4, 100).await, numbered(&[(4, "y")]));
        // What nobody acknowledged waits for the next poller.
        drop(poller);
        let (poller, other) = (stage.client.poller(), stage.client.poller());
        assert_eq!(get(&poller, 0, 100).await, numbered(&[(4, "y")]));
        assert!(
            poller
                .get_updates()
                .offset(5)
                .timeout(Duration::ZERO)
                .await
                .unwrap()
                .is_empty()
        );
        let waiting = other.get_updates().timeout(Duration::MAX).into_future();
        let (ended, ()) = tokio::join!(waiting, async { poller.close() });
        let error = ended.unwrap_err();
        assert!(matches!(error, Error::Poll(PollError::Closed)), "{error}");
        let last = stage.client.poller();
        let waiting = last.get_updates().timeout(Duration::MAX).into_future();
        let (ended, _) = tokio::join!(waiting, stage.client.shutdown(crate::support::HANG));
        let error = ended.unwrap_err();
        assert!(matches!(error, Error::Poll(PollError::Ended)), "{error}");
        stage.datacenter.shutdown().await;
    });
}

#[test]
fn s16_handlers_see_what_is_polled_too() {
    run(async {
        let stage = BotStage::new(23).await;
        let handled: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = handled.clone();
        stage.client.on_message(async move |_cx: Cx, message: Msg| {
            noted.lock().unwrap().push(message.text().to_owned());
            Ok(())
        });
        let poller = stage.client.poller();
        stage.client.start().await.unwrap();
        say(&stage, "both");
        assert_eq!(get(&poller, 0, 100).await, numbered(&[(1, "both")]));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(*handled.lock().unwrap(), ["both"]);
        poller.close();
        stage.client.shutdown(crate::support::HANG).await;
        stage.datacenter.shutdown().await;
    });
}

/// A bot of a datacenter over sockets, in a store that outlives it.
async fn bot_in(
    datacenter: &actogram_local_datacenter::LocalDatacenter,
    token: &str,
    store: &Store,
) -> Client {
    crate::support::builder(datacenter, "poll_bot")
        .store(store.clone())
        .bot_token(token)
        .connect()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_what_was_not_acknowledged_comes_again_after_a_restart() {
    let datacenter = crate::support::datacenter().await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("poll_bot", "Poll").unwrap();
    let ann = operator.create_user("9996621211", "Ann").unwrap();
    let store = Store::memory();
    let client = bot_in(&datacenter, &bot.token, &store).await;
    let poller = client.poller();
    client.start().await.unwrap();
    for text in ["a", "b", "c"] {
        operator
            .send_message(ann, PeerKey::User(bot.id), text)
            .unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen = poller.get_updates().await.unwrap();
    }
    assert_eq!(texts(&seen), numbered(&[(1, "a"), (2, "b"), (3, "c")]));
    // The first is acknowledged.
    assert_eq!(get(&poller, 2, 1).await, numbered(&[(2, "b")]));
    // The others keep the shutdown waiting until its deadline.
    client.shutdown(Duration::from_millis(500)).await;
    drop(poller);

    let client = bot_in(&datacenter, &bot.token, &store).await;
    let poller = client.poller();
    client.start().await.unwrap();
    let mut again = Vec::new();
    while again.len() < 2 {
        again = poller.get_updates().await.unwrap();
    }
    assert_eq!(
        texts(&again),
        numbered(&[(1, "b"), (2, "c")]),
        "numbers begin anew"
    );
    for (before, after) in seen[1..].iter().zip(&again) {
        assert_eq!(before.update.dedupe_id(), after.update.dedupe_id());
    }
    // All are acknowledged, so nothing keeps the shutdown, and nothing comes again.
    let none = poller.get_updates().offset(3).timeout(Duration::ZERO).await;
    assert!(none.unwrap().is_empty());
    client.shutdown(crate::support::HANG).await;
    let client = bot_in(&datacenter, &bot.token, &store).await;
    let poller = client.poller();
    client.start().await.unwrap();
    operator
        .send_message(ann, PeerKey::User(bot.id), "new")
        .unwrap();
    let mut last = Vec::new();
    while last.is_empty() {
        last = poller.get_updates().await.unwrap();
    }
    assert_eq!(texts(&last), numbered(&[(1, "new")]));
    poller.close();
    client.shutdown(crate::support::HANG).await;
    datacenter.shutdown().await;
}

#[test]
fn without_a_handler_updates_are_passed_over() {
    run(async {
        let stage = BotStage::new(24).await;
        stage.client.start().await.unwrap();
        say(&stage, "to nobody");
        sleep(Duration::from_secs(1)).await;
        let poller = stage.client.poller();
        say(&stage, "to the poller");
        assert_eq!(
            get(&poller, 0, 100).await,
            numbered(&[(1, "to the poller")])
        );
        poller.close();
        say(&stage, "to nobody again");
        // What nobody handles keeps nothing from ending.
        stage.client.shutdown(crate::support::HANG).await;
        stage.datacenter.shutdown().await;
    });
}
