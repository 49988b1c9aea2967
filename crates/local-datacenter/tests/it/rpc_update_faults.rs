//! Updates withheld, doubled, reordered, delayed and lost in a row, with restarts in between: whoever asks for the
//! difference at a gap ends with what the history shows, each message once.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel_support::*;
use crate::rpc_support::*;
use actogram_local_datacenter::model::{UserId, World, WorldConfig};
use actogram_local_datacenter::rpc::{UpdateFaultRates, UpdateFaultScope};
use actogram_local_datacenter::storage::SqliteJournal;
use actogram_tl as tl;
use tl::{enums, functions};

/// A client as simple as can be: what does not follow what it has is fetched by difference.
#[derive(Debug, Default)]
struct Follower {
    pts: i32,
    date: i32,
    channel_pts: i32,
    texts: Vec<String>,
    repeated: usize,
    gaps: usize,
}

impl Follower {
    fn take(&mut self, message: &enums::Message) {
        if let enums::Message::Message(message) = message {
            self.texts.push(message.message.clone());
        }
    }

    /// Whether an update follows; one that was seen does not, and is no gap.
    fn follows(at: &mut i32, pts: i32, count: i32, repeated: &mut usize) -> Result<bool, ()> {
        if pts <= *at {
            *repeated += 1;
            return Ok(false);
        }
        if *at + count != pts {
            return Err(());
        }
        *at = pts;
        Ok(true)
    }

    fn push(
        &mut self,
        rig: &mut Rig,
        client: &mut Client,
        channel: &Named,
        update: &enums::Update,
    ) {
        let (result, message) = match update {
            enums::Update::UpdateNewMessage(u) => (
                Self::follows(&mut self.pts, u.pts, u.pts_count, &mut self.repeated),
                &u.message,
            ),
            enums::Update::UpdateNewChannelMessage(u) => (
                Self::follows(
                    &mut self.channel_pts,
                    u.pts,
                    u.pts_count,
                    &mut self.repeated,
                ),
                &u.message,
            ),
            _ => return,
        };
        match result {
            Ok(true) => self.take(message),
            Ok(false) => {}
            Err(()) => {
                self.gaps += 1;
                self.catch_up(rig, client, channel);
            }
        }
    }

    fn catch_up(&mut self, rig: &mut Rig, client: &mut Client, channel: &Named) {
        let request = functions::updates::GetDifference {
            pts: self.pts,
            pts_limit: None,
            pts_total_limit: None,
            date: self.date,
            qts: 0,
            qts_limit: None,
        };
        match rig.call(client, &request).unwrap() {
            enums::updates::Difference::DifferenceEmpty(_) => {}
            enums::updates::Difference::Difference(found) => {
                for message in &found.new_messages {
                    self.take(message);
                }
                let enums::updates::State::State(state) = &found.state;
                self.pts = state.pts;
                self.date = state.date;
            }
            other => panic!("{other:?}"),
        }
        match rig
            .call(client, &difference(channel, self.channel_pts, 100))
            .unwrap()
        {
            enums::updates::ChannelDifference::ChannelDifferenceEmpty(_) => {}
            enums::updates::ChannelDifference::ChannelDifference(found) => {
                for message in &found.new_messages {
                    self.take(message);
                }
                self.channel_pts = found.pts;
                assert!(found.final_);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Runs one seed; returns what the follower went through.
fn run(seed: u64, scope: impl Fn(UserId, i64) -> UpdateFaultScope, restart: bool) -> Follower {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("datacenter.sqlite");
    let open = || {
        World::open(
            WorldConfig::default(),
            Box::new(SqliteJournal::open(&path).unwrap()),
            Box::new(actogram_crypto::random::SeededRandom::from_seed(seed)),
        )
        .unwrap()
    };
    let mut rig = Rig::around(open());
    let (mut alice, _) = rig.person("Alice");
    let (mut bob, bob_id) = rig.person("Bob");
    rig.set_username(&mut bob, "bob_bob");
    let to_bob = rig.input_peer(&mut alice, "bob_bob");
    let alices = create(&mut rig, &mut alice, "Club", false);
    publish(&mut rig, &mut alice, &alices, "our_club");
    let bobs = resolve(&mut rig, &mut bob, "our_club");
    join(&mut rig, &mut bob, &bobs);
    rig.pushed.clear();
    let enums::updates::State::State(state) =
        rig.call(&mut bob, &functions::updates::GetState).unwrap();
    let mut follower = Follower {
        pts: state.pts,
        date: state.date,
        channel_pts: full(&mut rig, &mut bob, &bobs).pts,
        ..Follower::default()
    };
    let order = |rig: &mut Rig| {
        rig.world
            .faults()
            .updates(scope(bob_id, bobs.id), seed, UpdateFaultRates::STORM);
    };
    order(&mut rig);
    for n in 0..40 {
        rig.now += Duration::from_millis(700);
        let due = rig.world.handle_timeout(rig.now);
        rig.take(due);
        let (peer, text) = if n % 2 == 0 {
            (to_bob.clone(), format!("private {n}"))
        } else {
            (alices.peer(), format!("group {n}"))
        };
        rig.call(&mut alice, &send_message(&peer, &text, n + 1))
            .unwrap();
        if restart && n % 13 == 12 {
            let (now, pushed) = (rig.now, std::mem::take(&mut rig.pushed));
            drop(rig);
            rig = Rig::around(open());
            (rig.now, rig.pushed) = (now, pushed);
            // Sessions are the process's: the client calls again and takes updates from then on.
            rig.call(&mut bob, &functions::updates::GetState).unwrap();
            order(&mut rig);
        }
        for push in rig.take_pushes(&bob) {
            for update in updates(&push) {
                follower.push(&mut rig, &mut bob, &bobs, &update);
            }
        }
    }
    // The faults end; silence makes a client ask.
    follower.catch_up(&mut rig, &mut bob, &bobs);
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for text in &follower.texts {
        *counted.entry(text).or_default() += 1;
    }
    assert!(
        counted.values().all(|n| *n == 1),
        "seed {seed}: {counted:?}"
    );
    assert_eq!(counted.len(), 40, "seed {seed}: {counted:?}");
    for kind in ["private", "group"] {
        let order: Vec<i64> = follower
            .texts
            .iter()
            .filter_map(|text| text.strip_prefix(kind)?.trim().parse().ok())
            .collect();
        assert!(order.is_sorted(), "seed {seed}: {order:?}");
    }
    follower
}

#[test]
fn whatever_happens_to_updates_differences_bring_each_once_and_in_order() {
    let (mut gaps, mut repeated) = (0, 0);
    for seed in 0..12 {
        let follower = run(seed, |_, _| UpdateFaultScope::All, false);
        gaps += follower.gaps;
        repeated += follower.repeated;
    }
    assert!(
        gaps > 20 && repeated > 20,
        "{gaps} gaps, {repeated} repetitions"
    );
}

#[test]
fn restarts_of_the_datacenter_in_between_lose_nothing() {
    for seed in 100..106 {
        run(seed, |bob, _| UpdateFaultScope::Account(bob), true);
    }
}

#[test]
#[allow(
    clippy::field_reassign_with_default,
    reason = "rates of the future may have more fields"
)]
fn faults_of_one_channel_leave_private_chats_alone() {
    let rates = UpdateFaultRates {
        withheld: 1000,
        ..UpdateFaultRates::default()
    };
    let mut p = pair();
    let alices = create(&mut p.rig, &mut p.alice, "Club", false);
    publish(&mut p.rig, &mut p.alice, &alices, "our_club");
    let bobs = resolve(&mut p.rig, &mut p.bob, "our_club");
    join(&mut p.rig, &mut p.bob, &bobs);
    p.rig.pushed.clear();
    let faults = p.rig.world.faults();
    faults.updates(UpdateFaultScope::Channel(bobs.id), 1, rates);
    p.rig
        .call(&mut p.alice, &send_message(&alices.peer(), "lost", 1))
        .unwrap();
    assert_eq!(p.rig.take_pushes(&p.bob).len(), 0);
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "found", 2))
        .unwrap();
    assert_eq!(
        only_new_message(&p.rig.take_pushes(&p.bob)).message,
        "found"
    );
    // The narrowest scope decides.
    let faults = p.rig.world.faults();
    faults.updates(UpdateFaultScope::All, 1, rates);
    faults.updates(
        UpdateFaultScope::Channel(bobs.id),
        1,
        UpdateFaultRates::default(),
    );
    p.rig
        .call(&mut p.alice, &send_message(&alices.peer(), "seen", 3))
        .unwrap();
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "lost", 4))
        .unwrap();
    let told = all_updates(&p.rig.take_pushes(&p.bob));
    assert!(
        matches!(&told[..], [enums::Update::UpdateNewChannelMessage(_)]),
        "{told:?}"
    );
}

#[test]
fn a_delayed_update_comes_when_it_is_due() {
    let mut p = pair();
    let rates = UpdateFaultRates {
        delayed: 1000,
        longest_delay: Duration::from_secs(2),
        ..UpdateFaultRates::default()
    };
    p.rig
        .world
        .faults()
        .updates(UpdateFaultScope::Account(p.bob_id), 5, rates);
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "late", 1))
        .unwrap();
    assert_eq!(p.rig.take_pushes(&p.bob).len(), 0);
    let due = p.rig.world.poll_timeout().unwrap();
    assert!(due > p.rig.now && due <= p.rig.now + Duration::from_secs(2));
    let early = p.rig.world.handle_timeout(due - Duration::from_millis(1));
    assert_eq!(early.pushes.len(), 0);
    let outcome = p.rig.world.handle_timeout(due);
    p.rig.take(outcome);
    assert_eq!(only_new_message(&p.rig.take_pushes(&p.bob)).message, "late");
    assert_eq!(p.rig.world.poll_timeout(), None);
}
