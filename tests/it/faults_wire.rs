//! Connections that are cut, fall silent or change what they carry, beneath calls and updates: every call ends, what it
//! does happens once, and every update is handled once and in order.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{
    HANG, Inbox,
    accounts::{Bot, call, message, received},
    datacenter, event, events_so_far,
    lanes::{DIRECTIONS, both_ways, in_lanes},
    until,
};
use actogram::{AccountEvent, Client, Msg, prelude::*, tl::functions};
use actogram_local_datacenter::{Direction, LocalDatacenter, WireFault, model::PeerKey};
use tokio::{sync::broadcast, task::JoinHandle};

const SEND: &str = "messages.sendMessage";
const CREATE: &str = "messages.createChat";

/// A bot sends one message over a connection with each of these faults. Gives how many cost that connection.
async fn messages_under(faults: Vec<WireFault>) -> usize {
    let datacenter = datacenter().await;
    let bot = Bot::new(&datacenter, "wire_bot").await;
    let before = datacenter.operator().counters().executed(SEND);
    let mut events = bot.account.events();
    let mut felt = 0;
    for (number, fault) in faults.iter().enumerate() {
        settle(&bot, &mut events).await;
        datacenter.faults().order(fault.clone());
        datacenter.cut_connections();
        event(&mut events, |event| {
            matches!(event, AccountEvent::Connected { .. })
        })
        .await;
        bot.send(&format!("message {number}"))
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        // What was cut may still have answered: then the next connection suffers it.
        until("a connection took the fault", || {
            datacenter.faults().pending() == 0
        })
        .await;
        felt += usize::from(!events_so_far(&mut events, is_disconnected).is_empty());
    }
    let expected: Vec<_> = (0..faults.len())
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(
        bot.received(&datacenter),
        expected,
        "each once and in order, with {faults:?}"
    );
    assert_eq!(
        datacenter.operator().counters().executed(SEND) - before,
        faults.len() as u64,
        "with {faults:?}"
    );
    bot.end().await;
    felt
}

/// Waits until the connection at hand is one that both sides know and that stays: only such a one can be cut, and is told
/// of as cut.
async fn settle(bot: &Bot, events: &mut broadcast::Receiver<AccountEvent>) {
    loop {
        call(&bot.account, &functions::help::GetConfig)
            .await
            .unwrap();
        events_so_far(events, |_| true);
        tokio::time::sleep(Duration::from_millis(50)).await;
        if events_so_far(events, |_| true).is_empty() {
            return;
        }
    }
}

fn is_disconnected(event: &AccountEvent) -> bool {
    matches!(event, AccountEvent::Disconnected { .. })
}

async fn sweep(lanes: usize, faults: Vec<WireFault>) -> usize {
    in_lanes(lanes, faults, messages_under).await.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_a_message_is_stored_once_wherever_its_connection_is_cut() {
    let bytes = both_ways((0..700).step_by(11), |direction, bytes| {
        WireFault::CutAfter { direction, bytes }
    });
    let payloads = both_ways(0..5, |direction, payloads| WireFault::CutAfterPayloads {
        direction,
        payloads,
    });
    let faults = [bytes, payloads].concat();
    let count = faults.len();
    let felt = sweep(8, faults).await;
    println!("{felt} of {count} cuts fell before the message was answered");
    assert!(felt * 2 >= count, "{felt} of {count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_a_corrupt_byte_anywhere_costs_a_connection_at_most() {
    let faults = both_ways((8..600).step_by(9), |direction, offset| {
        WireFault::Corrupt { direction, offset }
    });
    let count = faults.len();
    let felt = sweep(16, faults).await;
    println!("{felt} of {count} corrupt bytes cost a connection before the message was answered");
    assert!(felt * 2 >= count, "{felt} of {count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_connection_that_falls_silent_is_replaced_and_its_calls_go_on() {
    let faults = both_ways([0, 90, 250], |direction, bytes| WireFault::BlackHole {
        direction,
        bytes,
    });
    let count = faults.len();
    assert_eq!(sweep(count, faults).await, count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_packets_that_come_twice_late_or_again_change_nothing_about_calls() {
    let mut faults = both_ways(0..6, |direction, payload| WireFault::Duplicate {
        direction,
        payload,
    });
    faults.extend(both_ways(0..6, |direction, payload| WireFault::Reorder {
        direction,
        payload,
    }));
    for after in [0, 1, 3] {
        faults.extend(both_ways(0..4, |direction, payload| WireFault::Replay {
            direction,
            payload,
            after,
        }));
    }
    assert_eq!(sweep(6, faults).await, 0, "none of it costs a connection");
}

/// A person, logged in through the façade, and a bot she talks to, played by the operator.
struct Stage {
    datacenter: LocalDatacenter,
    ann: Client,
    me: i64,
    bot: i64,
    /// How she names the bot in calls.
    peer: actogram::PeerRef,
    inbox: Inbox,
}

impl Stage {
    async fn new() -> Self {
        let datacenter = datacenter().await;
        let operator = datacenter.operator();
        let bot = operator.create_bot("stage_bot", "Stage").unwrap().id;
        let ann = crate::support::person(&datacenter, "9996624444").await;
        let inbox = Inbox::of(&ann);
        ann.start().await.unwrap();
        let peer = ann.api().resolve("@stage_bot").await.unwrap();
        Self {
            me: ann.api().me_id().unwrap(),
            peer: peer.into(),
            datacenter,
            ann,
            bot,
            inbox,
        }
    }

    /// The next connection suffers this, and begins now.
    async fn suffer(&mut self, fault: WireFault) {
        let faults = self.datacenter.faults();
        faults.order(fault);
        self.datacenter.cut_connections();
        until("a connection took the fault", || faults.pending() == 0).await;
    }

    /// Cuts the connection, and waits for the next.
    async fn cut(&mut self) {
        // A fault that comes too late to do anything tells when there is one.
        self.suffer(WireFault::CutAfter {
            direction: Direction::ToServer,
            bytes: u64::MAX,
        })
        .await;
    }

    fn executed(&self, method: &str) -> u64 {
        self.datacenter.operator().counters().executed(method)
    }

    fn start_send(&self, text: &str) -> JoinHandle<Result<Msg>> {
        let (api, peer, text) = (self.ann.api(), self.peer.clone(), text.to_owned());
        tokio::spawn(async move { api.send_message(peer, text).await })
    }

    /// Starts to make a group, which must not happen twice: nothing in the call tells it from another.
    fn start_create(&self, title: &str) -> JoinHandle<Result<()>> {
        let (api, title) = (self.ann.api(), title.to_owned());
        let user = self.datacenter.operator().input_user(self.me, self.bot);
        let create = functions::messages::CreateChat::new(vec![user.unwrap()], title);
        tokio::spawn(async move { api.invoke(create).await.map(drop) })
    }

    fn received(&self) -> Vec<String> {
        received(&self.datacenter, self.bot, self.me)
    }

    fn bot_writes(&self, text: &str) {
        self.datacenter
            .operator()
            .send_message(self.bot, PeerKey::User(self.me), text)
            .unwrap();
    }

    /// The message was stored and the group made, each once.
    fn assert_once(&self) {
        assert_eq!(self.executed(SEND), 1);
        assert_eq!(self.received(), ["one"]);
        assert_eq!(self.executed(CREATE), 1);
        assert_eq!(self.datacenter.operator().group_titles(), ["group"]);
    }

    async fn end(self) {
        self.ann.shutdown(Duration::from_secs(5)).await;
        self.datacenter.shutdown().await;
    }
}

async fn ended<T>(task: JoinHandle<Result<T>>) -> Result<T> {
    tokio::time::timeout(HANG, task)
        .await
        .expect("a call hangs")
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_killed_after_the_request_was_sent_and_before_it_was_read() {
    let mut stage = Stage::new().await;
    let silence = WireFault::BlackHole {
        direction: Direction::ToServer,
        bytes: 0,
    };
    stage.suffer(silence).await;
    let (sent, made) = (stage.start_send("one"), stage.start_create("group"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.executed(SEND), 0, "nothing arrived");
    assert_eq!(stage.executed(CREATE), 0);
    stage.cut().await;
    ended(sent).await.unwrap();
    ended(made).await.unwrap();
    stage.assert_once();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_killed_after_execution_and_before_the_answer() {
    let mut stage = Stage::new().await;
    let operator = stage.datacenter.operator();
    let late = Duration::from_millis(800);
    operator.delay_answers(SEND, late, 1);
    operator.delay_answers(CREATE, late, 1);
    let (sent, made) = (stage.start_send("one"), stage.start_create("group"));
    until("both were carried out", || {
        stage.executed(SEND) > 0 && stage.executed(CREATE) > 0
    })
    .await;
    assert!(!sent.is_finished() && !made.is_finished());
    stage.cut().await;
    ended(sent).await.unwrap();
    ended(made).await.unwrap();
    stage.assert_once();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_killed_after_the_answer_was_sent_and_before_it_was_read() {
    let mut stage = Stage::new().await;
    let silence = WireFault::BlackHole {
        direction: Direction::ToClient,
        bytes: 0,
    };
    stage.suffer(silence).await;
    let (sent, made) = (stage.start_send("one"), stage.start_create("group"));
    until("both were carried out", || {
        stage.executed(SEND) > 0 && stage.executed(CREATE) > 0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!sent.is_finished() && !made.is_finished());
    stage.cut().await;
    ended(sent).await.unwrap();
    ended(made).await.unwrap();
    stage.assert_once();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_killed_after_the_answer_was_read_and_before_it_was_acknowledged() {
    let mut stage = Stage::new().await;
    let (sent, made) = (stage.start_send("one"), stage.start_create("group"));
    ended(sent).await.unwrap();
    ended(made).await.unwrap();
    // Acknowledgements wait for seconds, or for the next packet.
    stage.cut().await;
    ended(tokio::spawn({
        let api = stage.ann.api();
        async move { api.get_me().await }
    }))
    .await
    .unwrap();
    stage.assert_once();
    stage.end().await;
}

/// Both sides talk over connections with these faults, one after the other.
async fn talk_under(faults: Vec<WireFault>) {
    let mut stage = Stage::new().await;
    ended(stage.start_send("hello")).await.unwrap();
    let (mut said, mut told) = (vec!["hello".to_owned()], Vec::new());
    for (number, fault) in faults.iter().enumerate() {
        stage.suffer(fault.clone()).await;
        for part in ["a", "b", "c"] {
            told.push(format!("to ann {number}{part}"));
            stage.bot_writes(told.last().unwrap());
            said.push(format!("to the bot {number}{part}"));
            ended(stage.start_send(said.last().unwrap()))
                .await
                .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        }
    }
    let mut handled = Vec::new();
    for _ in &told {
        handled.push(stage.inbox.next().await.text().to_owned());
    }
    assert_eq!(handled, told, "with {faults:?}");
    assert!(stage.inbox.is_quiet().await, "with {faults:?}");
    assert_eq!(stage.received(), said, "with {faults:?}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_updates_are_handled_once_and_in_order_whatever_becomes_of_packets() {
    let mut faults = Vec::new();
    for direction in DIRECTIONS {
        for payload in 0..4 {
            faults.push(WireFault::Duplicate { direction, payload });
            faults.push(WireFault::Reorder { direction, payload });
            faults.push(WireFault::Replay {
                direction,
                payload,
                after: 2,
            });
        }
        for bytes in [40, 200, 450, 900] {
            faults.push(WireFault::CutAfter { direction, bytes });
        }
    }
    in_lanes(8, faults, talk_under).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_a_message_sent_again_under_its_random_id_is_not_stored_again() {
    let datacenter = datacenter().await;
    let bot = Bot::new(&datacenter, "same_bot").await;
    let same = message(bot.reader, "once", 77);
    call(&bot.account, &same).await.unwrap();
    let again = call(&bot.account, &same).await.unwrap_err();
    assert!(again.to_string().contains("RANDOM_ID_DUPLICATE"), "{again}");
    assert_eq!(bot.received(&datacenter), ["once"]);
    bot.end().await;
}
