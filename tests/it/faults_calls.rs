//! Callers that go away, programs that end: nothing is lost, nothing leaks, nobody waits for ever.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{future::IntoFuture, time::Duration};

use crate::support::{
    HANG,
    accounts::{Bot, reader, received},
    datacenter, until, virtual_time,
};
use actogram::{CallError, Client, Error, Settings, tl::functions::help::GetConfig};
use actogram_actors::CallPolicy;
use actogram_local_datacenter::model::PeerKey;

const SEND: &str = "messages.sendMessage";
const CONFIG: &str = "help.getConfig";

async fn finishes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, what).await.expect("it hangs")
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r22_ten_thousand_calls_half_of_them_cancelled_leave_nothing_behind() {
    const CALLS: usize = 10_000;
    const AT_ONCE: usize = 64;
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let mut settings = Settings::default();
    settings.calls.in_flight = AT_ONCE;
    let client = Client::from_settings(settings)
        .session(":memory:")
        .local_datacenter(&datacenter)
        .connect()
        .await
        .unwrap();
    let api = client.api();
    finishes(api.invoke(GetConfig).into_future()).await.unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let tasks_before = tasks();

    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let api = api.clone();
        let random = next(&mut state);
        calls.spawn(async move {
            if random.is_multiple_of(2) {
                api.invoke(GetConfig).await.map(|_| true)
            } else {
                let limit = Duration::from_micros(random / 2 % 1_000_000);
                let call = api.invoke(GetConfig).cancel_on_drop().into_future();
                match tokio::time::timeout(limit, call).await {
                    Ok(ended) => ended.map(|_| true),
                    Err(_) => Ok(false),
                }
            }
        });
    }
    let (mut answered, mut cancelled) = (0, 0);
    while let Some(ended) = finishes(calls.join_next()).await {
        if ended.unwrap().unwrap() {
            answered += 1;
        } else {
            cancelled += 1;
        }
    }
    println!("{answered} answered, {cancelled} cancelled");
    assert_eq!(answered + cancelled, CALLS);
    assert!(answered >= CALLS / 3 && cancelled >= CALLS / 100);
    until("the tasks of the calls have ended", || {
        tasks() <= tasks_before
    })
    .await;

    // Every place among the calls in flight is free again: so many are carried out before the first is answered.
    until("the last calls are through", {
        let operator = operator.clone();
        let last = std::cell::Cell::new(0);
        move || {
            let now = operator.counters().executed(CONFIG);
            last.replace(now) == now
        }
    })
    .await;
    let before = operator.counters().executed(CONFIG);
    operator.delay_answers(CONFIG, Duration::from_secs(3), 2 * AT_ONCE as u32);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..2 * AT_ONCE {
        let api = api.clone();
        calls.spawn(async move { api.invoke(GetConfig).await });
    }
    let executed = || operator.counters().executed(CONFIG) - before;
    until("all places are taken", || executed() >= AT_ONCE as u64).await;
    assert_eq!(executed(), AT_ONCE as u64, "and no more than there are");
    assert_eq!(calls.len(), 2 * AT_ONCE, "none is answered yet");
    while let Some(ended) = finishes(calls.join_next()).await {
        ended.unwrap().unwrap();
    }
    client.shutdown(Duration::from_secs(5)).await;
    assert!(datacenter.counts().1 <= 1, "one session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_call_whose_future_is_dropped_goes_on() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = crate::support::bot(&datacenter, "dropped_bot").await;
    let reader = reader(&datacenter, bot_id);
    let api = bot.api();
    datacenter
        .operator()
        .delay_answers(SEND, Duration::from_millis(500), 1);
    let call = api.send_message(reader, "goes on").into_future();
    let waited = tokio::time::timeout(Duration::from_millis(100), call).await;
    assert!(waited.is_err());
    until("it was carried out", || {
        received(&datacenter, reader, bot_id) == ["goes on"]
    })
    .await;
    // A future that nobody awaits does nothing.
    drop(api.send_message(reader, "never polled").into_future());
    // One that is detached needs nobody.
    api.send_message(reader, "detached").detach();
    until("the detached one was carried out", || {
        received(&datacenter, reader, bot_id) == ["goes on", "detached"]
    })
    .await;
    bot.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_call_that_is_cancelled_by_dropping_leaves_nothing_behind() {
    let datacenter = datacenter().await;
    let bot = Bot::new(&datacenter, "cancelled_bot").await;
    let operator = datacenter.operator();
    let call = |text: &str| {
        let function = crate::support::accounts::message(bot.reader, text, bot.account.random_id());
        let body = actogram::tl::Encode::to_bytes(&function);
        bot.account
            .invoke_raw(body, CallPolicy::default().cancel_on_drop())
    };
    // Carried out, its answer is on the way.
    operator.delay_answers(SEND, Duration::from_millis(700), 1);
    let before = operator.counters().executed(SEND);
    {
        let call = call("carried out");
        tokio::pin!(call);
        let carried_out = until("it was carried out", || {
            operator.counters().executed(SEND) > before
        });
        tokio::select! {
            answer = &mut call => panic!("{answer:?} came too early"),
            () = carried_out => {}
        }
        assert!(bot.account.calls_in_flight() > 0);
    }
    until("nothing is in flight", || {
        bot.account.calls_in_flight() == 0
    })
    .await;

    // Not sent yet, because there is no connection.
    datacenter.faults().refuse_all(true);
    datacenter.cut_connections();
    until("it is down", || datacenter.counts().0 == 0).await;
    for _ in 0..20 {
        let waited = tokio::time::timeout(Duration::from_millis(10), call("never sent")).await;
        assert!(waited.is_err());
    }
    datacenter.faults().refuse_all(false);
    bot.send("afterwards").await.unwrap();
    // The account's own question what it missed is answered now, too.
    until("nothing is in flight", || {
        bot.account.calls_in_flight() == 0
    })
    .await;
    assert_eq!(bot.received(&datacenter), ["carried out", "afterwards"]);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_shutdown_waits_for_the_calls_under_way() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = crate::support::bot(&datacenter, "leaving_bot").await;
    let reader = reader(&datacenter, bot_id);
    let operator = datacenter.operator();
    let before = operator.counters().executed(SEND);
    operator.delay_answers(SEND, Duration::from_millis(600), 50);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let api = bot.api();
        calls.spawn(async move { api.send_message(reader, format!("{number}")).await });
    }
    until("they are under way", || {
        operator.counters().executed(SEND) == before + 50
    })
    .await;
    let api = bot.api();
    finishes(bot.shutdown(Duration::from_secs(30))).await;
    while let Some(ended) = finishes(calls.join_next()).await {
        ended.unwrap().unwrap();
    }
    assert_eq!(received(&datacenter, reader, bot_id).len(), 50);
    let late = finishes(api.get_me()).await.unwrap_err();
    assert!(
        matches!(
            late,
            Error::Call {
                source: CallError::ShutDown { .. },
                ..
            }
        ),
        "{late}"
    );
    until("the connection is closed", || datacenter.counts().0 == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_shutdown_past_its_deadline_ends_every_call() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = crate::support::bot(&datacenter, "hasty_bot").await;
    let reader = reader(&datacenter, bot_id);
    let operator = datacenter.operator();
    let before = operator.counters().executed(SEND);
    operator.delay_answers(SEND, HANG * 10, 50);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let api = bot.api();
        calls.spawn(async move { api.send_message(reader, format!("{number}")).await });
    }
    until("they are under way", || {
        operator.counters().executed(SEND) == before + 50
    })
    .await;
    finishes(bot.shutdown(Duration::from_millis(300))).await;
    while let Some(ended) = finishes(calls.join_next()).await {
        let error = ended.unwrap().unwrap_err();
        assert!(matches!(error, Error::Call { .. }), "{error}");
    }
}

/// Leaves no program behind when a test fails.
#[cfg(unix)]
struct Ended(std::process::Child);

#[cfg(unix)]
impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A whole program, told to stop while it is at work: it ends by itself, with success, and what it handled does not come
/// again.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_program_told_to_stop_ends_well_and_goes_on_where_it_was() {
    use std::process::{Command, Stdio};

    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples/journal_bot");
    assert!(program.exists(), "run the tests with cargo test");
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("stopped_bot", "Stopped").unwrap();
    let ann = operator.create_user("9996627777", "Ann").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem");
    std::fs::write(&key, datacenter.public_key_pem().unwrap()).unwrap();
    let journal = directory.path().join("journal");
    let handled = || {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        lines.map(|(_, text)| text.to_owned()).collect::<Vec<_>>()
    };
    let mut said = Vec::new();
    for round in 0..3 {
        let child = Command::new(&program)
            .arg(&journal)
            .env("ACTOGRAM_API_ID", "1")
            .env("ACTOGRAM_API_HASH", "hash")
            .env("ACTOGRAM_BOT_TOKEN", &bot.token)
            .env("ACTOGRAM_SESSION", directory.path().join("bot.session"))
            .env(
                "ACTOGRAM_DATACENTER__ADDRESS",
                datacenter.address().unwrap().to_string(),
            )
            .env("ACTOGRAM_DATACENTER__PUBLIC_KEY", &key)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Ended(child);
        // A fresh login begins with the state of the moment: what came before is not missed.
        until("it follows updates", || {
            operator.counters().executed("updates.getState") > 0
        })
        .await;
        for number in 0..20 {
            said.push(format!("text {round}.{number}"));
            operator
                .send_message(ann, PeerKey::User(bot.id), said.last().unwrap())
                .unwrap();
        }
        let last = said.last().cloned();
        until("it handled the last", || handled().last() == last.as_ref()).await;
        let told = Command::new("kill")
            .args(["-TERM", &child.0.id().to_string()])
            .status();
        assert!(told.unwrap().success());
        let waiting = tokio::task::spawn_blocking(move || child.0.wait().unwrap());
        let status = finishes(waiting).await.unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(handled(), said, "each once and in order");
    }
    assert_eq!(
        operator.counters().executed("auth.importBotAuthorization"),
        1,
        "one login"
    );
}

/// The first copy is carried out and its answer lost; the second is refused. That must not read as if nothing was sent.
#[test]
fn a_refusal_of_a_second_copy_does_not_hide_that_the_first_may_have_been_carried_out() {
    virtual_time::run(async {
        for refusal in ["PEER_FLOOD", "RANDOM_ID_DUPLICATE"] {
            let (stage, client) = virtual_time::Stage::new(1).await;
            let operator = stage.datacenter.operator();
            operator.delay_answers("messages.sendMessage", Duration::from_secs(5), 1);
            let sending = client.api().send_message(stage.ann, "once");
            let sending = tokio::task::spawn_local(sending.into_future());
            tokio::time::sleep(Duration::from_secs(1)).await;
            if refusal == "PEER_FLOOD" {
                operator.fail("messages.sendMessage", 400, refusal, 1);
            }
            stage.datacenter.forget_sessions();
            stage.datacenter.cut_connections();
            let error = sending.await.unwrap().unwrap_err();
            if refusal == "PEER_FLOOD" {
                assert!(
                    matches!(
                        &error,
                        Error::Call {
                            source: CallError::UnknownOutcome,
                            ..
                        }
                    ),
                    "{error}"
                );
            } else {
                assert!(error.is(refusal), "{error}");
            }
            assert_eq!(stage.answers(), ["once"]);
        }
    });
}
