//! Calls combined, forked and ignored: who loses goes on, and errors come out where they should (cases S3, S6, S15, S25 to
//! S35 of the async API, with real calls).
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, time::Duration};

use crate::support::{HANG, accounts::received, datacenter, until};
use actogram::{Error, Escalation, Strand, prelude::*, tl::functions};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};

const SEND: &str = "messages.sendMessage";

/// A datacenter, the id of a bot, and a person it may write to.
struct Stage {
    datacenter: LocalDatacenter,
    bot: i64,
    ann: i64,
}

impl Stage {
    async fn new(username: &str) -> (Self, Client) {
        let datacenter = datacenter().await;
        let (client, bot) = crate::support::bot(&datacenter, username).await;
        let operator = datacenter.operator();
        let ann = operator.create_user("9996625555", "Ann").unwrap();
        operator
            .send_message(ann, PeerKey::User(bot), "hello")
            .unwrap();
        client.start().await.unwrap();
        let stage = Self {
            datacenter,
            bot,
            ann,
        };
        (stage, client)
    }

    /// Whether Ann received this.
    fn stored(&self, text: &str) -> bool {
        received(&self.datacenter, self.ann, self.bot).contains(&text.to_owned())
    }

    async fn end(self, client: Client) {
        client.shutdown(Duration::from_secs(5)).await;
        self.datacenter.shutdown().await;
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s30_s33_s34_a_call_that_loses_is_carried_out_all_the_same() {
    let (stage, bot) = Stage::new("losing_bot").await;
    let ann = stage.ann;
    let api = bot.api();
    stage
        .datacenter
        .operator()
        .delay_answers(SEND, Duration::from_secs(2), 3);
    let send = |text: &str| {
        let message = api.send_message(ann, text);
        async move { message.await.map(|message| Some(message.text().to_owned())) }
    };
    let rest = async |time: f64| {
        actogram::sleep(time).await;
        Ok::<Option<String>, Error>(None)
    };
    let winner = in_time(actogram::first([
        Box::pin(send("the slow one")) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>,
        Box::pin(rest(0.05)),
    ]));
    assert_eq!(winner.await.unwrap(), None, "the sleep wins");
    until("the loser is stored", || stage.stored("the slow one")).await;

    let late = actogram::timeout(api.send_message(ann, "too late"), 0.05);
    in_time(late).await.unwrap_err();
    until("the late one is stored", || stage.stored("too late")).await;

    let own = api
        .send_message(ann, "own limit")
        .timeout(Duration::from_millis(50));
    assert!(matches!(
        in_time(async { own.await }).await,
        Err(Error::Timeout { .. })
    ));
    until("it is stored", || stage.stored("own limit")).await;
    assert_eq!(stage.datacenter.operator().counters().executed(SEND), 3);
    stage.end(bot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s29_s31_results_of_calls_are_keyed_like_their_calls() {
    let (stage, bot) = Stage::new("keyed_bot").await;
    let ann = stage.ann;
    let api = bot.api();
    let texts = ["a", "b", "c"];
    let all = in_time(actogram::all(texts.map(|text| api.send_message(ann, text))))
        .await
        .unwrap();
    assert_eq!(all.each_ref().map(Msg::text), texts);
    let calls = BTreeMap::from([
        ("right", api.send_message(ann, "fine")),
        ("wrong", api.send_message(424_242, "nobody is there")),
    ]);
    let settled = in_time(actogram::any(calls)).await;
    assert_eq!(settled.values.keys().collect::<Vec<_>>(), [&"right"]);
    assert_eq!(settled.errors.keys().collect::<Vec<_>>(), [&"wrong"]);
    stage.end(bot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s06_an_ignored_call_is_carried_out_and_its_error_counted() {
    let (stage, bot) = Stage::new("ignored_bot").await;
    let ann = stage.ann;
    let api = bot.api();
    api.send_message(ann, "ignored").detach();
    until("it is stored", || stage.stored("ignored")).await;
    assert_eq!(bot.unawaited_errors(), 0);
    api.send_message(424_242, "nobody is there").detach();
    api.invoke(functions::messages::GetDialogFilters {})
        .detach();
    until("both errors are counted", || bot.unawaited_errors() == 2).await;
    // They never surface.
    let value = in_time(bot.run_until(async { Ok(7) })).await.unwrap();
    assert_eq!(value, Some(7));
    stage.datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s25_a_fork_begins_at_once_and_its_error_ends_the_program() {
    let (stage, bot) = Stage::new("forking_bot").await;
    let ann = stage.ann;
    let begun = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (api, flag) = (bot.api(), begun.clone());
    let strand: Strand<i32> = bot.call_fork(async move {
        flag.store(true, std::sync::atomic::Ordering::SeqCst);
        api.send_message(ann, "from a fork")
            .await
            .map(|message| message.id())
    });
    assert!(
        begun.load(std::sync::atomic::Ordering::SeqCst),
        "up to its first suspension"
    );
    assert!(in_time(strand).await.unwrap() > 0);

    let api = bot.api();
    drop(bot.call_fork(async move { api.send_message(424_242, "nobody is there").await }));
    let error = in_time(bot.run_until(std::future::pending::<Result<()>>())).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("strands.rs"), "it names the place: {error}");
    stage.datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s26_a_deferred_fork_and_one_that_panics_surface_too() {
    for panics in [false, true] {
        let (stage, bot) = Stage::new("deferring_bot").await;
        bot.call_fork_defer(async move {
            assert!(!panics, "a strand panics");
            Err::<(), _>(Error::user("a strand fails"))
        });
        let error = in_time(bot.run_until(std::future::pending::<Result<()>>())).await;
        let error = error.unwrap_err().to_string();
        let expected = if panics {
            "a strand panics"
        } else {
            "a strand fails"
        };
        assert!(error.contains(expected), "{error}");
        stage.datacenter.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s27_a_fork_that_may_fail_is_only_reported() {
    let (stage, bot) = Stage::new("reporting_bot").await;
    let strand = bot.call_fork_with(Escalation::Report, async {
        Err::<(), _>(Error::user("harmless"))
    });
    assert!(in_time(strand).await.is_err(), "who awaits it sees it");
    assert_eq!(bot.unawaited_errors(), 1);
    let value = in_time(bot.run_until(async { Ok("went on") }))
        .await
        .unwrap();
    assert_eq!(value, Some("went on"));
    stage.datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_run_until_gives_the_value_of_what_it_ran() {
    let (stage, bot) = Stage::new("working_bot").await;
    let ann = stage.ann;
    let api = bot.api();
    let sent = bot.run_until(async move { api.send_message(ann, "done").await });
    assert_eq!(in_time(sent).await.unwrap().unwrap().text(), "done");
    assert!(stage.stored("done"));
    let (other, _) = crate::support::bot(&stage.datacenter, "failing_bot").await;
    let failed = in_time(other.run_until(async { Err::<(), _>(Error::user("broken")) })).await;
    assert!(failed.unwrap_err().to_string().contains("broken"));
    stage.datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s03_while_one_handler_waits_everything_else_goes_on() {
    let (stage, bot) = Stage::new("patient_bot").await;
    let ann = stage.ann;
    let operator = stage.datacenter.operator();
    let bob = operator.create_user("9996626666", "Bob").unwrap();
    let bot_id = bot.api().me_id().unwrap();
    bot.on_message(async move |cx: Cx, message: Msg| {
        if message.text() == "wait" {
            actogram::sleep(3600.0).await;
        }
        cx.api().send_message(bob, message.text()).await.map(drop)
    });
    operator
        .send_message(ann, PeerKey::User(bot_id), "wait")
        .unwrap();
    for number in 0..20 {
        let text = format!("text {number}");
        operator
            .send_message(bob, PeerKey::User(bot_id), &text)
            .unwrap();
    }
    let own = actogram::all(
        (0..20)
            .map(|_| bot.api().invoke(functions::help::GetConfig {}))
            .collect::<Vec<_>>(),
    );
    in_time(own).await.unwrap();
    until("the other chat is answered", || {
        operator.counters().executed(SEND) >= 20
    })
    .await;
    stage.end(bot).await;
}
