//! Call queues through deaths of the actors that hold their calls.
#![allow(clippy::unwrap_used)]

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{HANG, World, virtual_time};
use actogram_actors::{Account, CallError, CallPolicy, Engine};
use actogram_crypto::random::{Random, SeededRandom};
use actogram_local_datacenter::model::PeerKey;
use actogram_tl::{Encode as _, enums, functions, types};
use bytes::Bytes;
use tokio::{task::JoinSet, time::Instant};

const SEND: &str = "messages.sendMessage";
const CREATE: &str = "messages.createChat";

/// Calls of one queue.
const CALLS: usize = 40;

/// Actors die this far apart, so that their supervisors do not give up.
const BETWEEN_DEATHS: Duration = Duration::from_secs(15);

/// xorshift: chance that a seed decides.
struct Dice(Cell<u64>);

impl Dice {
    fn below(&self, most: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        x % most
    }
}

/// Panics once, when it is armed and asked for four bytes: that is how the jitter of a pause is drawn.
struct Fuse(SeededRandom, Arc<AtomicBool>);

impl Random for Fuse {
    fn fill(&mut self, out: &mut [u8]) {
        assert!(
            out.len() != 4 || !self.1.swap(false, Ordering::Relaxed),
            "a source of chance that panics"
        );
        self.0.fill(out);
    }
}

struct Stage {
    world: World,
    account: Account,
    me: i64,
    ann: i64,
    fuse: Arc<AtomicBool>,
    deaths: Cell<u64>,
}

impl Stage {
    async fn new(seed: u64) -> Self {
        let mut world = World::new().await;
        let fuse = Arc::new(AtomicBool::new(false));
        let (armed, drawn) = (fuse.clone(), AtomicUsize::new(0));
        world.engine = Engine::builder()
            .random(move || {
                let number = drawn.fetch_add(1, Ordering::Relaxed) as u64;
                let random = SeededRandom::from_seed((seed << 32) | number);
                Box::new(Fuse(random, armed.clone()))
            })
            .on_local_set();
        let user = world.user("+9996655555").await;
        let ann = world.person();
        Self {
            account: user.account,
            me: user.id,
            world,
            ann,
            fuse,
            deaths: Cell::new(0),
        }
    }

    fn message(&self, text: &str) -> Bytes {
        let operator = self.world.datacenter.operator();
        let enums::InputUser::InputUser(ann) = operator.input_user(self.me, self.ann).unwrap()
        else {
            panic!("Ann is a user")
        };
        let peer = types::InputPeerUser {
            user_id: ann.user_id,
            access_hash: ann.access_hash,
        };
        let random_id = self.account.random_id();
        functions::messages::SendMessage::new(peer.into(), text.to_owned(), random_id).to_bytes()
    }

    fn generations(&self) -> u64 {
        let children = self.account.supervisor().children();
        children.iter().map(|child| child.generation()).sum()
    }

    fn restart(&self, name: &str) {
        let children = self.account.supervisor().children();
        let child = children.into_iter().find(|child| child.name() == name);
        child.unwrap().restart();
    }

    /// An actor dies, now or as soon as it does something.
    fn death(&self, dice: &Dice) {
        let operator = self.world.datacenter.operator();
        self.deaths.set(self.deaths.get() + 1);
        match dice.below(5) {
            0 => self.restart("connection"),
            1 => self.restart("api"),
            2 => self.restart("updates"),
            3 => {
                let readings = 1 + i64::try_from(dice.below(12)).unwrap();
                let panics_in = &self.world.clock.panics_in;
                panics_in.store(readings, Ordering::Relaxed);
            }
            _ => {
                self.fuse.store(true, Ordering::Relaxed);
                operator.fail(SEND, 500, "INTERDC_CALL_ERROR", 1);
            }
        }
    }

    /// What else may come between two calls.
    fn trouble(&self, dice: &Dice) {
        let operator = self.world.datacenter.operator();
        match dice.below(6) {
            0 => operator.fail(SEND, 420, "SLOWMODE_WAIT_4", 1),
            1 => operator.delay_answers(SEND, Duration::from_secs(2), 2),
            2 => operator.delay_answers(CREATE, Duration::from_secs(2), 1),
            3 => drop(self.world.datacenter.cut_connections()),
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Message,
    /// Not to be carried out twice, and nothing in it tells that it was.
    Chat,
}

/// How many deaths there were, and how many calls ended in doubt.
async fn through_deaths(seed: u64) -> (u64, usize) {
    let stage = Stage::new(seed).await;
    let dice = Dice(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    let operator = stage.world.datacenter.operator();
    let before = stage.generations();
    // Each chat is told by whom it is with.
    let invited: Vec<i64> = (0..CALLS)
        .map(|nth| {
            let phone = format!("+99966{nth:05}");
            operator.create_user(&phone, "Member").unwrap()
        })
        .collect();
    let mut calls = JoinSet::new();
    let mut last = Instant::now();
    for (nth, member) in invited.iter().enumerate() {
        let kind = if dice.below(3) == 0 {
            Kind::Chat
        } else {
            Kind::Message
        };
        let body = match kind {
            Kind::Message => stage.message(&format!("{nth:02}")),
            Kind::Chat => {
                let with = operator.input_user(stage.me, *member).unwrap();
                functions::messages::CreateChat::new(vec![with], format!("{nth:02}")).to_bytes()
            }
        };
        let policy = CallPolicy {
            flood_wait_limit: HANG,
            ..CallPolicy::default()
        };
        let place = stage.account.place_in_queue("poem").unwrap();
        let call = stage.account.invoke_in_queue(place, body, policy);
        calls.spawn_local(async move {
            let ended = tokio::time::timeout(HANG, call).await;
            (nth, kind, ended.expect("a call hangs"))
        });
        if dice.below(3) == 0 {
            stage.trouble(&dice);
        }
        if last.elapsed() > BETWEEN_DEATHS {
            last = Instant::now();
            stage.death(&dice);
        }
        if dice.below(2) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.below(4000))).await;
        }
    }
    let mut ends = calls.join_all().await;
    ends.sort_by_key(|(nth, ..)| *nth);
    stage.world.clock.panics_in.store(0, Ordering::Relaxed);

    let history = operator.history(stage.ann, PeerKey::User(stage.me));
    let received: Vec<String> = history.into_iter().map(|message| message.text).collect();
    assert!(received.is_sorted(), "seed {seed}: {received:?}");
    let mut chats: Vec<i64> = (operator.dialogs(stage.me).into_iter())
        .filter_map(|dialog| match dialog {
            PeerKey::Chat(id) => Some(id),
            _ => None,
        })
        .collect();
    chats.sort_unstable();
    let created: Vec<usize> = chats
        .into_iter()
        .map(|chat| {
            let members = operator.members(chat);
            let with = |member: &i64| members.contains(member);
            invited.iter().position(with).unwrap()
        })
        .collect();
    assert!(created.is_sorted(), "seed {seed}: {created:?}");
    let mut doubtful = 0;
    for (nth, kind, end) in ends {
        let times = match kind {
            Kind::Message => received
                .iter()
                .filter(|text| **text == format!("{nth:02}"))
                .count(),
            Kind::Chat => created.iter().filter(|created| **created == nth).count(),
        };
        match end {
            Ok(_) => assert_eq!(times, 1, "seed {seed}: {nth}"),
            // An answer was lost with its actor; the message was not.
            Err(CallError::Rpc { message, .. }) if message == "RANDOM_ID_DUPLICATE" => {
                assert_eq!(times, 1, "seed {seed}: {nth}");
            }
            Err(CallError::UnknownOutcome) => {
                assert!(
                    kind == Kind::Chat && times <= 1,
                    "seed {seed}: {nth}: {times}"
                );
                doubtful += 1;
            }
            Err(error) => panic!("seed {seed}: {nth}: {error}"),
        }
    }
    let deaths = stage.generations() - before;
    // The actor of the updates may have been asking for what it missed.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.account.calls_in_flight(), 0, "seed {seed}");
    stage.account.shutdown(Duration::from_secs(5)).await;
    (deaths, doubtful)
}

/// S7: the datacenter carries the calls out in their order, each call ends once, and what must not happen twice does not.
#[test]
fn s07_a_queue_keeps_its_order_through_deaths_of_the_actors_that_hold_its_calls() {
    let (mut deaths, mut doubtful) = (0, 0);
    for seed in 1..=40 {
        virtual_time(|| async {
            let (died, doubted) = through_deaths(seed).await;
            deaths += died;
            doubtful += doubted;
        });
    }
    assert!(deaths > 40, "{deaths} deaths");
    assert!(doubtful > 0, "no chat was being created when an actor died");
}
