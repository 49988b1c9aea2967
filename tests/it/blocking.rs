//! Programs without async code: calls that wait, where they are refused, and how a client ends.
#![allow(clippy::unwrap_used)]

use std::{sync::mpsc, time::Duration};

use crate::support::{HANG, Prompts, processes::Running};
use actogram::{
    Error,
    blocking::{Client, Runtime},
    prelude::{Cx, Msg},
    tl::functions,
};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};

const SEND: &str = "messages.sendMessage";

/// A datacenter on a runtime of its own, as if it were elsewhere.
struct Elsewhere {
    runtime: Runtime,
    datacenter: LocalDatacenter,
}

impl Elsewhere {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let datacenter = runtime.wait(crate::support::datacenter()).unwrap();
        Self {
            runtime,
            datacenter,
        }
    }

    /// A person who signs up, and their id.
    fn person(&self, phone: &str) -> (Client, i64) {
        let client = Client::connect(crate::support::builder(&self.datacenter, phone)).unwrap();
        let mut prompts = Prompts {
            phone: phone.to_owned(),
            codes: self.datacenter.operator().login_codes(),
        };
        let me = client.log_in(&mut prompts).unwrap();
        (client, me.id)
    }

    fn saved(&self, me: i64) -> Vec<String> {
        let history = self.datacenter.operator().history(me, PeerKey::User(me));
        history.into_iter().map(|message| message.text).collect()
    }

    fn executed(&self, method: &str) -> u64 {
        self.datacenter.operator().counters().executed(method)
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        self.runtime
            .wait(crate::support::until(what, holds))
            .unwrap();
    }

    fn end(self) {
        self.runtime.wait(self.datacenter.shutdown()).unwrap();
    }
}

/// Fails the test if this hangs.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    done.recv_timeout(HANG).expect("it hangs or panics")
}

fn refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::InsideRuntime))
}

#[test]
fn each_way_of_waiting_gives_the_answer_or_the_error() {
    in_time(|| {
        let elsewhere = Elsewhere::new();
        let (client, me) = elsewhere.person("9996628001");
        let api = client.api();
        assert_eq!(api.send_message("me", "one").wait().unwrap().text(), "one");
        let both = client.wait(async |api| {
            actogram::all(["two", "three"].map(|text| api.send_message("me", text))).await
        });
        assert_eq!(both.unwrap().each_ref().map(Msg::text), ["two", "three"]);
        let four = client.runtime().wait(api.send_message("me", "four"));
        assert_eq!(four.unwrap().unwrap().text(), "four");
        assert_eq!(elsewhere.saved(me).len(), 4);

        let nobody = api.send_message("@nobody_is_called_so", "x").wait();
        assert!(matches!(nobody, Err(Error::Peer(_))), "{nobody:?}");
        let operator = elsewhere.datacenter.operator();
        operator.fail(SEND, 400, "MESSAGE_EMPTY", 1);
        let empty = api.send_message("me", "x").wait();
        assert!(empty.unwrap_err().is("MESSAGE_EMPTY"));
        operator.delay_answers(SEND, Duration::from_secs(30), 1);
        let late = api
            .send_message("me", "late")
            .timeout(Duration::from_millis(50))
            .wait();
        assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
        let own = client.wait(async |_| Err::<(), _>(Error::user("my own")));
        assert_eq!(own.unwrap_err().to_string(), "my own");
        client.shutdown(Duration::from_millis(100)).unwrap();
        elsewhere.end();
    });
}

#[test]
fn many_threads_wait_for_one_client() {
    in_time(|| {
        let elsewhere = Elsewhere::new();
        let (client, me) = elsewhere.person("9996628002");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let client = &client;
                scope.spawn(move || {
                    for number in 0..5 {
                        let text = format!("{thread}.{number}");
                        let sent = client.api().send_message("me", &text).wait().unwrap();
                        assert_eq!(sent.text(), text);
                        client.wait(async |api| api.get_me().await).unwrap();
                    }
                });
            }
        });
        assert_eq!(elsewhere.saved(me).len(), 40);
        drop(client);
        elsewhere.end();
    });
}

/// Awaited in each kind of place that belongs to a runtime.
async fn everything_is_refused(client: Client, elsewhere: &Elsewhere) {
    let before = elsewhere.executed(SEND);
    assert!(refused(client.api().send_message("me", "x").wait()));
    let queued = client.api().send_message("me", "x").queue("q");
    assert!(refused(queued.wait()));
    let get_config = functions::help::GetConfig {};
    assert!(refused(client.api().invoke(get_config).wait()));
    assert!(refused(client.wait(async |api| api.get_me().await)));
    assert!(refused(client.runtime().wait(std::future::ready(()))));
    assert!(refused(client.start()));
    let builder = || crate::support::builder(&elsewhere.datacenter, "another");
    assert!(refused(Client::connect(builder())));
    assert!(refused(client.runtime().connect(builder())));
    let api = client.api();
    assert!(refused(client.shutdown(Duration::from_secs(1))));
    assert_eq!(elsewhere.executed(SEND), before, "nothing was sent");

    // A refused `shutdown` is a drop, which ends the account on a thread of its own.
    let ended = tokio::time::timeout(HANG, async {
        while api.send_message("me", "still there").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    ended.await.expect("it goes on");
}

#[test]
fn inside_a_runtime_it_is_a_typed_error() {
    in_time(|| {
        let elsewhere = Elsewhere::new();
        let current = || tokio::runtime::Builder::new_current_thread();
        let multi = || tokio::runtime::Builder::new_multi_thread();
        for (number, mut builder) in [current(), multi()].into_iter().enumerate() {
            let (client, _) = elsewhere.person(&format!("999662801{number}"));
            let runtime = builder.enable_all().build().unwrap();
            runtime.block_on(everything_is_refused(client, &elsewhere));
        }

        // On a thread of `spawn_blocking` the program's own runtime waits.
        let (client, me) = elsewhere.person("9996628013");
        let api = client.api();
        let runtime = current().enable_all().build().unwrap();
        let there = runtime.spawn_blocking(move || {
            assert!(refused(api.send_message("me", "x").wait()));
            let handle = tokio::runtime::Handle::current();
            handle.block_on(async { api.send_message("me", "awaited").await })
        });
        runtime.block_on(there).unwrap().unwrap();
        // And where nothing runs, it waits again.
        client.api().send_message("me", "waited").wait().unwrap();
        assert_eq!(elsewhere.saved(me), ["awaited", "waited"]);
        drop(client);
        elsewhere.end();
    });
}

#[test]
fn a_handler_that_waits_costs_its_update_and_no_more() {
    in_time(|| {
        let elsewhere = Elsewhere::new();
        let (client, me) = elsewhere.person("9996628020");
        let operator = elsewhere.datacenter.operator();
        let bob = operator.create_user("9996628021", "Bob").unwrap();
        let (sender, seen) = mpsc::channel();
        client
            .as_async()
            .on_message(async move |cx: Cx, message: Msg| {
                let waited = cx.api().send_message("me", message.text()).wait();
                sender.send(refused(waited)).unwrap();
                cx.api().send_message("me", message.text()).await.map(drop)
            });
        client.start().unwrap();
        for text in ["a", "b"] {
            operator.send_message(bob, PeerKey::User(me), text).unwrap();
        }
        assert!(seen.recv_timeout(HANG).unwrap() && seen.recv_timeout(HANG).unwrap());
        elsewhere.until("both are handled", || elsewhere.saved(me).len() == 2);
        assert_eq!(elsewhere.saved(me), ["a", "b"]);
        drop(client);
        elsewhere.end();
    });
}

#[test]
fn a_client_that_is_dropped_sends_what_was_detached() {
    in_time(|| {
        let elsewhere = Elsewhere::new();
        let (client, me) = elsewhere.person("9996628030");
        for number in 0..20 {
            let text = format!("line {number}");
            client.api().send_message("me", text).queue("all").detach();
        }
        drop(client);
        let lines: Vec<_> = (0..20).map(|number| format!("line {number}")).collect();
        assert_eq!(elsewhere.saved(me), lines);
        elsewhere.end();
    });
}

#[test]
fn calls_of_a_client_that_is_gone_are_errors() {
    in_time(|| {
        let elsewhere = Elsewhere::new();
        let (client, _) = elsewhere.person("9996628040");
        let api = client.api();
        client.shutdown(Duration::from_secs(5)).unwrap();
        let gone = api.send_message("me", "x").wait();
        assert!(matches!(gone, Err(Error::Engine(_))), "{gone:?}");

        // The runtime outlives the account, if somebody has it.
        let (client, _) = elsewhere.person("9996628041");
        let (api, runtime) = (client.api(), client.runtime().clone());
        client.shutdown(Duration::from_secs(5)).unwrap();
        let gone = api.send_message("me", "x").wait();
        assert!(matches!(gone, Err(Error::Call { .. })), "{gone:?}");
        assert_eq!(runtime.wait(std::future::ready(7)).unwrap(), 7);
        elsewhere.end();
    });
}

#[test]
fn loops_and_handlers_run_while_a_synchronous_program_works() {
    in_time(|| {
        let elsewhere = Elsewhere::new();
        let (client, me) = elsewhere.person("9996628050");
        let beat = client
            .as_async()
            .generic_loop("beat", async |_: &mut actogram::LoopCx| 0.005);
        let operator = elsewhere.datacenter.operator();
        let bob = operator.create_user("9996628051", "Bob").unwrap();
        client
            .as_async()
            .on_message(async |_: Cx, message: Msg| message.reply("yes?").await.map(drop));
        let value = client.run_until(async move |api| {
            operator.send_message(bob, PeerKey::User(me), "hi").unwrap();
            crate::support::until("the handler answers", || {
                !operator.history(bob, PeerKey::User(me)).is_empty()
                    && operator.history(bob, PeerKey::User(me)).len() == 2
            })
            .await;
            crate::support::until("the loop turns", || beat.status().iterations > 3).await;
            api.send_message("me", "done").await.map(|sent| sent.id())
        });
        assert!(value.unwrap().unwrap() > 0);
        assert_eq!(elsewhere.saved(me), ["done"]);
        elsewhere.end();
    });
}

#[test]
fn the_example_runs() {
    let (lines, status, errors) = Running::example("blocking").end();
    assert!(status.success(), "{status}: {errors}");
    assert_eq!(
        lines,
        [
            "logged in as Ann",
            "sent one line",
            "sent another line",
            "sent a last line",
            "sent left and right",
            "refused: nobody is called @nobody_has_this_name",
            "5 messages are saved",
        ]
    );
}
