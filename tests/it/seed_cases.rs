//! Cases of the async API (`S1` to `S12` of its map in `ROWS.md`) at the façade: when a call runs, who waits for it, what
//! may run inside a handler, and which handles go where.
#![allow(clippy::unwrap_used)]

use std::{
    future::IntoFuture,
    pin::Pin,
    sync::{Mutex, mpsc},
    time::Duration,
};

use crate::support::{HANG, Prompts, accounts::received, datacenter, until};
use actix::{Actor, Addr, Context, Handler, Message, Recipient};
use actogram::{
    AccountEvent, ApiActor, Engine, Error, Escalation, LoopActor, LoopHandle, NewUpdate, Strand,
    blocking,
    prelude::*,
    runtime::{Flow, GenericLoop, LoopError, RestartPolicy, Signal, loop_once},
    tl::functions,
};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SEND: &str = "messages.sendMessage";

/// A datacenter, a bot, and a person it may write to.
struct Stage {
    datacenter: LocalDatacenter,
    bot: i64,
    ann: i64,
}

impl Stage {
    /// The bot has threads of its own, so that a handler can block one without stopping those of other tests.
    async fn new(username: &str) -> (Self, Client) {
        let datacenter = datacenter().await;
        let operator = datacenter.operator();
        let account = operator.create_bot(username, username).unwrap();
        // Before the login, which begins with the state of the moment.
        let ann = crate::support::accounts::reader(&datacenter, account.id);
        let client = crate::support::builder(&datacenter, username)
            .engine(Engine::builder().start().unwrap())
            .bot_token(account.token.as_str())
            .connect()
            .await
            .unwrap();
        let stage = Self {
            datacenter,
            bot: account.id,
            ann,
        };
        (stage, client)
    }

    /// What Ann got, in order.
    fn received(&self) -> Vec<String> {
        received(&self.datacenter, self.ann, self.bot)
    }

    /// Has somebody write to the bot.
    fn say(&self, from: i64, text: &str) {
        let operator = self.datacenter.operator();
        let to = PeerKey::User(self.bot);
        operator.send_message(from, to, text).unwrap();
    }

    fn somebody(&self, phone: &str) -> i64 {
        self.datacenter.operator().create_user(phone, "B").unwrap()
    }

    fn executed(&self, method: &str) -> u64 {
        self.datacenter.operator().counters().executed(method)
    }

    async fn end(self, client: Client) {
        client.shutdown(Duration::from_secs(5)).await;
        self.datacenter.shutdown().await;
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(HANG, future);
    waited.await.expect("it hangs")
}

/// A person in a program without async code, and the datacenter on a runtime of its own.
struct Synchronous {
    elsewhere: blocking::Runtime,
    datacenter: LocalDatacenter,
    client: blocking::Client,
    me: i64,
}

impl Synchronous {
    fn new(phone: &str) -> Self {
        let elsewhere = blocking::Runtime::new().unwrap();
        let datacenter = elsewhere.wait(datacenter()).unwrap();
        let client =
            blocking::Client::connect(crate::support::builder(&datacenter, phone)).unwrap();
        let mut prompts = Prompts {
            phone: phone.to_owned(),
            codes: datacenter.operator().login_codes(),
        };
        let me = client.log_in(&mut prompts).unwrap().id;
        Self {
            elsewhere,
            datacenter,
            client,
            me,
        }
    }

    fn saved(&self) -> Vec<String> {
        let operator = self.datacenter.operator();
        let history = operator.history(self.me, PeerKey::User(self.me));
        history.into_iter().map(|message| message.text).collect()
    }
}

#[test]
fn s01_s10_without_async_code_each_call_waits_for_its_answer() {
    let program = Synchronous::new("9996629001");
    let api = program.client.api();
    for number in 1..=10 {
        let sent = api.send_message("me", format!("line {number}")).wait();
        assert_eq!(sent.unwrap().text(), format!("line {number}"));
        assert_eq!(program.saved().len(), number, "carried out when it returns");
    }
    // The same calls in async code: begun together, and waited for together.
    let together = program
        .client
        .wait(async |api| actogram::all((0..10).map(|_| api.get_me()).collect::<Vec<_>>()).await);
    assert_eq!(together.unwrap().len(), 10);
    program.client.shutdown(Duration::from_secs(5)).unwrap();
    program
        .elsewhere
        .wait(program.datacenter.shutdown())
        .unwrap();
}

#[test]
fn s02_each_call_chooses_whether_it_waits() {
    let program = Synchronous::new("9996629002");
    let operator = program.datacenter.operator();
    let api = program.client.api();
    operator.delay_answers(SEND, Duration::from_secs(3600), 1);
    api.send_message("me", "does not wait").detach();
    let carried_out = || operator.counters().executed(SEND) == 1;
    let carried_out = until("the first is carried out", carried_out);
    program.elsewhere.wait(carried_out).unwrap();
    api.send_message("me", "waits").wait().unwrap();
    assert_eq!(program.saved(), ["does not wait", "waits"]);
    program.client.shutdown(Duration::ZERO).unwrap();

    // The other way round: one call of an async program waits, on a thread that may.
    program
        .elsewhere
        .wait(async {
            let (stage, bot) = Stage::new("async_bot").await;
            let call = bot.api().send_message(stage.ann, "waited for");
            let (sender, answer) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || sender.send(call.wait()));
            assert_eq!(in_time(answer).await.unwrap().unwrap().text(), "waited for");
            stage.end(bot).await;
        })
        .unwrap();
    program
        .elsewhere
        .wait(program.datacenter.shutdown())
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_what_nobody_awaits_does_not_begin() {
    let (stage, bot) = Stage::new("lazy_bot").await;
    let (api, ann) = (bot.api(), stage.ann);
    drop(api.send_message(ann, "a builder"));
    drop(api.send_message(ann, "a future").into_future());
    let own = async |text: &str| api.send_message(ann, text).await;
    drop(own("an async function"));
    drop(actogram::all([own("combined")]));
    // What is sent later is not overtaken by anything of that.
    own("awaited").await.unwrap();
    assert_eq!(stage.received(), ["awaited"]);
    assert_eq!(stage.executed(SEND), 1);
    stage.end(bot).await;
}

/// Async functions that call each other, to any depth.
fn descend(api: Api, to: i64, depth: u32) -> Pin<Box<dyn Future<Output = Result<u32>> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return api.send_message(to, "at the bottom").await.map(|_| 0);
        }
        if depth.is_multiple_of(100) {
            api.invoke(functions::help::GetConfig {}).await?;
        }
        Ok(descend(api, to, depth - 1).await? + 1)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_async_functions_call_each_other_to_any_depth() {
    async fn greet(cx: &Cx, message: &Msg) -> Result<()> {
        let name = name_of(message).await;
        answer(cx, message, format!("hello, {name}")).await
    }
    async fn name_of(message: &Msg) -> String {
        tokio::task::yield_now().await;
        message.text().to_uppercase()
    }
    async fn answer(cx: &Cx, message: &Msg, text: String) -> Result<()> {
        let depth = descend(cx.api().clone(), message.chat().to_bot_api(), 500).await?;
        message.reply(format!("{text} ({depth})")).await.map(drop)
    }
    let (stage, bot) = Stage::new("deep_bot").await;
    bot.on_message(async |cx: Cx, message: Msg| greet(&cx, &message).await);
    bot.start().await.unwrap();
    stage.say(stage.ann, "ann");
    until("it answers", || stage.received().len() == 2).await;
    assert_eq!(stage.received(), ["at the bottom", "hello, ANN (500)"]);
    stage.end(bot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s06_a_call_that_was_ignored_before_the_end_is_carried_out() {
    let (stage, bot) = Stage::new("parting_bot").await;
    for _ in 0..20 {
        bot.api().send_message(stage.ann, "good bye").detach();
    }
    in_time(bot.shutdown(HANG)).await;
    assert_eq!(stage.received().len(), 20);
    stage.datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_a_handler_that_blocks_its_thread_stalls_handlers_only() {
    let (stage, bot) = Stage::new("blocking_bot").await;
    let bob = stage.somebody("9996629008");
    let (entered, blocked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    bot.on_message(async move |_: Cx, message: Msg| {
        if message.text() == "block" {
            entered.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        message.reply(message.text()).await.map(drop)
    });
    let mut events = bot.events();
    bot.start().await.unwrap();
    stage.say(stage.ann, "block");
    let blocked = tokio::task::spawn_blocking(move || blocked.recv_timeout(HANG).unwrap());
    blocked.await.unwrap();

    for _ in 0..20 {
        let call = bot.api().invoke(functions::help::GetConfig {});
        in_time(async { call.await }).await.unwrap();
        stage.say(bob, "meanwhile");
    }
    assert_eq!(stage.executed(SEND), 0, "no handler runs meanwhile");
    let lost = crate::support::events_so_far(&mut events, |event| {
        matches!(event, AccountEvent::Disconnected { .. })
    });
    assert!(lost.is_empty(), "the connection is not touched: {lost:?}");

    release.send(()).unwrap();
    until("everything is answered", || stage.executed(SEND) == 21).await;
    assert_eq!(stage.received(), ["block"]);
    stage.end(bot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_twin_a_handler_that_blocks_elsewhere_stalls_nothing() {
    let (stage, bot) = Stage::new("polite_bot").await;
    let bob = stage.somebody("9996629018");
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Arc::new(Mutex::new(released));
    bot.on_message(async move |_: Cx, message: Msg| {
        if message.text() == "block" {
            let released = released.clone();
            let elsewhere = tokio::task::spawn_blocking(move || released.lock().unwrap().recv());
            elsewhere.await.map_err(Error::user)?.map_err(Error::user)?;
        }
        message.reply(message.text()).await.map(drop)
    });
    bot.start().await.unwrap();
    stage.say(stage.ann, "block");
    for _ in 0..20 {
        stage.say(bob, "meanwhile");
    }
    until("Bob is answered", || stage.executed(SEND) == 20).await;
    assert_eq!(stage.received(), [""; 0]);
    release.send(()).unwrap();
    until("Ann is answered", || stage.received() == ["block"]).await;
    stage.end(bot).await;
}

/// An actor of the program's own, on actix's own context.
struct Shout;

#[derive(Message)]
#[rtype(result = "String")]
struct Loudly(String);

impl Actor for Shout {
    type Context = Context<Self>;
}

impl Handler<Loudly> for Shout {
    type Result = String;

    fn handle(&mut self, Loudly(text): Loudly, _: &mut Self::Context) -> String {
        text.to_uppercase()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s09_libraries_of_tokio_and_actix_run_inside_handlers_as_they_are() {
    let (stage, bot) = Stage::new("sociable_bot").await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("note");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    });
    bot.on_message(async move |_: Cx, message: Msg| {
        // An actor, started and asked; a file; a socket; a task that is not `Send`; a timer. No loop is started for them.
        let shouted = Shout.start().send(Loudly(message.text().to_owned()));
        let shouted = shouted.await.map_err(Error::user)?;
        tokio::fs::write(&file, &shouted)
            .await
            .map_err(Error::user)?;
        let stream = tokio::net::TcpStream::connect(address).await;
        let mut stream = stream.map_err(Error::user)?;
        stream
            .write_all(shouted.as_bytes())
            .await
            .map_err(Error::user)?;
        stream.shutdown().await.map_err(Error::user)?;
        let mut echoed = String::new();
        stream
            .read_to_string(&mut echoed)
            .await
            .map_err(Error::user)?;
        let local = std::rc::Rc::new(echoed);
        let task = tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            format!("{local}!")
        });
        let text = task.await.map_err(Error::user)?;
        message.reply(text).await.map(drop)
    });
    bot.start().await.unwrap();
    stage.say(stage.ann, "quietly");
    until("it answers", || stage.received() == ["QUIETLY!"]).await;
    let note = std::fs::read_to_string(directory.path().join("note"));
    assert_eq!(note.unwrap(), "QUIETLY");
    echo.await.unwrap();
    stage.end(bot).await;
}

/// In a loop's body they run, too.
#[derive(Clone)]
struct Listening;

impl SignalLoop for Listening {
    type Signal = i32;

    fn name(&self) -> String {
        "listening".to_owned()
    }

    async fn run(&mut self, cx: &mut LoopCx<i32>) -> std::result::Result<(), LoopError> {
        cx.wait_signal(std::future::pending::<()>()).await?;
        Ok(())
    }
}

fn goes_to_other_threads<T: Send>() {}
fn is_shared_between_threads<T: Send + Sync>() {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_handles_go_to_any_thread() {
    is_shared_between_threads::<Api>();
    is_shared_between_threads::<Client>();
    is_shared_between_threads::<Engine>();
    is_shared_between_threads::<blocking::Client>();
    is_shared_between_threads::<blocking::Runtime>();
    is_shared_between_threads::<Addr<ApiActor>>();
    is_shared_between_threads::<Addr<LoopActor<Listening>>>();
    is_shared_between_threads::<LoopHandle<actogram::Bound<Listening>>>();
    is_shared_between_threads::<Msg>();
    is_shared_between_threads::<Update>();
    goes_to_other_threads::<Recipient<Signal<i32>>>();
    goes_to_other_threads::<Recipient<NewUpdate>>();
    goes_to_other_threads::<Strand<i32>>();
    goes_to_other_threads::<actogram::Pending<Msg>>();
    goes_to_other_threads::<actogram::SendMessage>();
    goes_to_other_threads::<Error>();

    // And work there: without a runtime, and in one that is not the client's.
    let (stage, bot) = Stage::new("travelling_bot").await;
    let listening = bot.spawn_loop(Listening);
    let (api, ann, signals) = (bot.api(), stage.ann, listening.signals());
    let elsewhere = std::thread::spawn(move || {
        api.send_message(ann, "from a plain thread").wait().unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            api.send_message(ann, "from another runtime").await.unwrap();
            signals.send(Signal(1)).await.unwrap()
        })
    });
    let joined = tokio::task::spawn_blocking(move || elsewhere.join());
    let outcome = in_time(joined).await.unwrap().unwrap();
    assert_ne!(outcome, actogram::runtime::SignalOutcome::Stopped);
    in_time(listening.until_ended()).await.unwrap();
    let texts = ["from a plain thread", "from another runtime"];
    assert_eq!(stage.received(), texts);
    stage.end(bot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s27_s36_a_loop_that_throws_can_end_the_program_and_be_started_again() {
    let (stage, bot) = Stage::new("fragile_bot").await;
    let (ann, mut turns) = (stage.ann, 0);
    let turn = async move |cx: &mut LoopCx| {
        turns += 1;
        cx.api().send_message(ann, format!("turn {turns}")).await?;
        match turns {
            1 => Err(LoopError::msg("thrown")),
            _ => Ok(Flow::Stop),
        }
    };
    let described = loop_once(GenericLoop::new("fragile", turn), bot.api());
    let fragile = bot.spawn_loop_from(described.policy(RestartPolicy::Temporary));
    assert!(bot.loops().get("fragile").is_ok(), "it has its name");
    let thrown = in_time(bot.failed()).await.to_string();
    assert!(thrown.contains("fragile") && thrown.contains("thrown"));
    let status = fragile.status();
    assert_eq!((status.running, status.restarts), (false, 0), "it is over");

    assert_eq!(in_time(fragile.start()).await, Ok(true));
    in_time(fragile.until_ended()).await.unwrap();
    assert_eq!(stage.received(), ["turn 1", "turn 2"]);
    stage.end(bot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s25_an_awaited_strand_gives_its_error_as_it_was() {
    let (stage, bot) = Stage::new("candid_bot").await;
    async fn act(bot: &Client) -> Result<()> {
        let work = async { Err::<(), _>(Error::user(std::io::Error::other("full"))) };
        bot.call_fork_with(Escalation::Report, work).await?;
        Ok(())
    }
    let error = in_time(act(&bot)).await.unwrap_err();
    let Error::User(reason) = error else {
        panic!("{error:?}");
    };
    let cause = reason.source().and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(Error::User(_))), "{reason:?}");
    stage.end(bot).await;
}
