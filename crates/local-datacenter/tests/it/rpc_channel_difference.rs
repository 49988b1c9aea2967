//! What was missed of a channel: slices, too much of it, nothing, and who is told to ask.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::channel_support::*;
use crate::rpc_support::*;
use actogram_local_datacenter::model::{Limits, WorldConfig};
use actogram_local_datacenter::storage::MemoryJournal;
use actogram_tl as tl;
use proptest::prelude::*;
use tl::{enums, functions, types};

struct Stage {
    rig: Rig,
    alice: Client,
    bob: Client,
    alices: Named,
    bobs: Named,
}

fn stage(limits: Limits) -> Stage {
    let config = WorldConfig {
        limits,
        ..WorldConfig::default()
    };
    let mut rig = Rig::with(config, Box::new(MemoryJournal));
    let (mut alice, _) = rig.person("Alice");
    let (mut bob, _) = rig.person("Bob");
    let alices = create(&mut rig, &mut alice, "Club", false);
    publish(&mut rig, &mut alice, &alices, "our_club");
    let bobs = resolve(&mut rig, &mut bob, "our_club");
    join(&mut rig, &mut bob, &bobs);
    rig.pushed.clear();
    Stage {
        rig,
        alice,
        bob,
        alices,
        bobs,
    }
}

impl Stage {
    fn send(&mut self, n: i64) {
        let request = send_message(&self.alices.peer(), &format!("m{n}"), n);
        self.rig.call(&mut self.alice, &request).unwrap();
    }

    fn difference(&mut self, pts: i32, limit: i32) -> enums::updates::ChannelDifference {
        self.rig
            .call(&mut self.bob, &difference(&self.bobs, pts, limit))
            .unwrap()
    }

    fn pts(&mut self) -> i32 {
        full(&mut self.rig, &mut self.bob, &self.bobs).pts
    }
}

#[test]
fn a_difference_comes_in_slices_of_at_most_the_limit_until_the_final_one() {
    let mut s = stage(Limits {
        channel_difference_slice: 4,
        ..Limits::default()
    });
    let start = s.pts();
    for n in 1..=10 {
        s.send(n);
    }
    let mut pts = start;
    let mut sizes = Vec::new();
    for limit in [3, 100, 100, 100] {
        let enums::updates::ChannelDifference::ChannelDifference(slice) = s.difference(pts, limit)
        else {
            panic!("no slice")
        };
        sizes.push((slice.new_messages.len(), slice.final_));
        assert_eq!(slice.timeout, Some(30));
        pts = slice.pts;
        if slice.final_ {
            break;
        }
    }
    assert_eq!(sizes, [(3, false), (4, false), (3, true)]);
    assert_eq!(pts, s.pts());
    assert!(matches!(
        s.difference(pts, 100),
        enums::updates::ChannelDifference::ChannelDifferenceEmpty(empty) if empty.final_ && empty.pts == pts
    ));
}

#[test]
fn a_difference_that_is_too_long_brings_the_dialog_with_its_pts_and_the_last_messages() {
    let mut s = stage(Limits {
        channel_difference_total: 5,
        ..Limits::default()
    });
    let start = s.pts();
    for n in 1..=6 {
        s.send(n);
    }
    let pts = s.pts();
    let enums::updates::ChannelDifference::ChannelDifferenceTooLong(long) =
        s.difference(start, 100)
    else {
        panic!("not too long")
    };
    let enums::Dialog::Dialog(dialog) = &long.dialog else {
        panic!("{long:?}")
    };
    assert_eq!(dialog.pts, Some(pts));
    assert_eq!(dialog.unread_count, 6);
    assert!(long.messages.len() >= 6 && long.final_);
    assert!(matches!(
        s.difference(pts - 5, 100),
        enums::updates::ChannelDifference::ChannelDifference(_)
    ));
}

#[test]
fn positions_of_a_channel_are_refused_as_documented() {
    let mut s = stage(Limits::default());
    let pts = s.pts();
    for (at, error) in [
        (0, "400 PERSISTENT_TIMESTAMP_EMPTY"),
        (-1, "400 PERSISTENT_TIMESTAMP_INVALID"),
        (pts + 1, "400 PERSISTENT_TIMESTAMP_INVALID"),
    ] {
        assert_eq!(s.rig.error(&mut s.bob, &difference(&s.bobs, at, 10)), error);
    }
    let mut filtered = difference(&s.bobs, 1, 10);
    filtered.filter = types::ChannelMessagesFilter {
        exclude_new_messages: false,
        ranges: vec![
            types::MessageRange {
                min_id: 3,
                max_id: 2,
            }
            .into(),
        ],
    }
    .into();
    assert_eq!(s.rig.error(&mut s.bob, &filtered), "400 RANGES_INVALID");
}

#[test]
fn the_common_difference_names_the_channels_in_which_something_happened() {
    let mut s = stage(Limits::default());
    s.rig.now += Duration::from_secs(10);
    let state = |s: &mut Stage| {
        let enums::updates::State::State(state) = s
            .rig
            .call(&mut s.bob, &functions::updates::GetState)
            .unwrap();
        state
    };
    let ask = |s: &mut Stage, state: &types::updates::State| {
        let request = functions::updates::GetDifference {
            pts: state.pts,
            pts_limit: None,
            pts_total_limit: None,
            date: state.date,
            qts: 0,
            qts_limit: None,
        };
        s.rig.call(&mut s.bob, &request).unwrap()
    };
    let before = state(&mut s);
    assert!(matches!(
        ask(&mut s, &before),
        enums::updates::Difference::DifferenceEmpty(_)
    ));
    s.send(1);
    let pts = s.pts();
    // Even when that happened in the second of the client's own date.
    for _ in 0..2 {
        let enums::updates::Difference::Difference(told) = ask(&mut s, &before) else {
            panic!("nothing to tell")
        };
        assert!(matches!(&told.other_updates[..],
            [enums::Update::UpdateChannelTooLong(u)] if u.channel_id == s.bobs.id && u.pts == Some(pts)));
        assert!(matches!(&told.chats[..], [enums::Chat::Channel(_)]));
        s.rig.now += Duration::from_secs(5);
    }
    let after = state(&mut s);
    assert!(matches!(
        ask(&mut s, &after),
        enums::updates::Difference::DifferenceEmpty(_)
    ));
}

#[test]
fn a_forgotten_record_makes_the_difference_too_long() {
    let mut s = stage(Limits::default());
    let pts = s.pts();
    s.send(1);
    let world = std::mem::replace(&mut s.rig, Rig::new()).world;
    let world = std::sync::Arc::new(std::sync::Mutex::new(world));
    let (outbox, _outcomes) = tokio::sync::mpsc::unbounded_channel();
    let operator = actogram_local_datacenter::operator::Operator::new(
        std::sync::Arc::clone(&world),
        std::sync::Arc::new(|| START),
        outbox,
    );
    operator.forget_channel_updates(s.bobs.id).unwrap();
    assert!(operator.forget_channel_updates(1).is_err());
    drop(operator);
    let world = std::sync::Arc::into_inner(world).unwrap();
    s.rig = Rig::around(world.into_inner().unwrap());
    assert!(matches!(
        s.difference(pts, 100),
        enums::updates::ChannelDifference::ChannelDifferenceTooLong(_)
    ));
}

#[derive(Clone, Debug)]
enum Deed {
    Send,
    Edit(usize),
    Delete(usize, usize),
    Pin(usize, bool),
    CatchUp(i32),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        5 => Just(Deed::Send),
        2 => (0..6_usize).prop_map(Deed::Edit),
        2 => (0..6_usize, 1..4_usize).prop_map(|(back, n)| Deed::Delete(back, n)),
        1 => (0..6_usize, any::<bool>()).prop_map(|(back, unpin)| Deed::Pin(back, unpin)),
        3 => (1..4).prop_map(Deed::CatchUp),
    ]
}

/// What a client knows of the channel.
#[derive(Clone, Debug, Default, PartialEq)]
struct Replica {
    pts: i32,
    messages: BTreeMap<i32, (String, bool)>,
}

impl Replica {
    fn put(&mut self, message: &enums::Message) {
        match message {
            enums::Message::Message(m) => self.messages.insert(m.id, (m.message.clone(), m.pinned)),
            enums::Message::MessageService(m) => self
                .messages
                .insert(m.id, (format!("{:?}", m.action), false)),
            enums::Message::MessageEmpty(m) => panic!("{m:?}"),
        };
    }

    fn effect(&mut self, update: &enums::Update) {
        match update {
            enums::Update::UpdateNewChannelMessage(u) => self.put(&u.message),
            enums::Update::UpdateEditChannelMessage(u) => self.put(&u.message),
            enums::Update::UpdateDeleteChannelMessages(u) => {
                self.messages.retain(|id, _| !u.messages.contains(id));
            }
            enums::Update::UpdatePinnedChannelMessages(u) => {
                for id in &u.messages {
                    if let Some(message) = self.messages.get_mut(id) {
                        message.1 = u.pinned;
                    }
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, update: &enums::Update) {
        if let Some((pts, count)) = position(update) {
            assert_eq!(self.pts + count, pts, "a gap or a repetition");
            self.pts = pts;
        }
        self.effect(update);
    }

    fn catch_up(&mut self, s: &mut Stage, limit: i32) {
        loop {
            match s.difference(self.pts, limit) {
                enums::updates::ChannelDifference::ChannelDifferenceEmpty(empty) => {
                    assert_eq!(empty.pts, self.pts);
                    return;
                }
                enums::updates::ChannelDifference::ChannelDifference(slice) => {
                    for message in &slice.new_messages {
                        self.put(message);
                    }
                    for update in &slice.other_updates {
                        self.effect(update);
                    }
                    assert!(slice.pts > self.pts, "no progress");
                    self.pts = slice.pts;
                    if slice.final_ {
                        return;
                    }
                }
                enums::updates::ChannelDifference::ChannelDifferenceTooLong(_) => {
                    panic!("too long")
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pushes_differences_and_history_of_a_channel_tell_the_same(
        deeds in proptest::collection::vec(deed(), 1..60)
    ) {
        let mut s = stage(Limits { channel_difference_slice: 3, ..Limits::default() });
        let mut live = Replica { pts: s.pts(), ..Replica::default() };
        let mut lazy = live.clone();
        let mut next = 0;
        for deed in deeds {
            let nth = |back: usize| live.messages.keys().rev().nth(back).copied();
            match deed {
                Deed::Send => {
                    next += 1;
                    s.send(next);
                }
                Deed::Edit(back) => if let Some(id) = nth(back) {
                    next += 1;
                    let request = edit_message(&s.alices.peer(), id, &format!("e{next}"));
                    // A service message cannot be edited.
                    let _ = s.rig.call(&mut s.alice, &request);
                },
                Deed::Delete(back, n) => {
                    let id = (back..back + n).filter_map(nth).collect();
                    let request = functions::channels::DeleteMessages {
                        channel: s.alices.input(),
                        id,
                    };
                    s.rig.call(&mut s.alice, &request).unwrap();
                }
                Deed::Pin(back, unpin) => if let Some(id) = nth(back) {
                    let request = functions::messages::UpdatePinnedMessage {
                        silent: true,
                        unpin,
                        pm_oneside: false,
                        peer: s.alices.peer(),
                        id,
                    };
                    let _ = s.rig.call(&mut s.alice, &request);
                },
                Deed::CatchUp(limit) => lazy.catch_up(&mut s, limit),
            }
            for push in s.rig.take_pushes(&s.bob) {
                for update in updates(&push) {
                    live.push(&update);
                }
            }
        }
        lazy.catch_up(&mut s, 2);
        prop_assert_eq!(&lazy, &live);
        let shown = s.rig.call(&mut s.bob, &get_history(&s.bobs.peer())).unwrap();
        let enums::messages::Messages::ChannelMessages(shown) = shown else { panic!("{shown:?}") };
        let mut history = Replica { pts: shown.pts, ..Replica::default() };
        for message in &shown.messages {
            history.put(message);
        }
        // Creation and arrivals happened before the replicas began.
        history.messages.retain(|id, _| *id > 2);
        prop_assert_eq!(history, live);
    }
}
