//! R27: what an update is made of is not known, or is of an older layer.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{World, virtual_time};
use actogram_local_datacenter::{Attack, When, model::PeerKey, rpc::PushFault};
use actogram_tl::{Constructor as _, Decode as _, Encode as _, enums, types};
use bytes::Bytes;

const DIFFERENCE: &str = "updates.getDifference";
const UNKNOWN: u32 = 0xdead_beef;

/// The answer with every constructor of this id replaced by one that nobody knows.
fn made_unknown(answer: &Bytes, id: u32) -> Bytes {
    let mut bytes = answer.to_vec();
    let mut replaced = 0;
    // Constructors begin at multiples of four.
    for word in bytes.chunks_exact_mut(4) {
        if word == id.to_le_bytes() {
            word.copy_from_slice(&UNKNOWN.to_le_bytes());
            replaced += 1;
        }
    }
    assert!(replaced > 0, "there is nothing of {id:08x} in the answer");
    Bytes::from(bytes)
}

/// The difference cannot be read for ten minutes: it is asked for ever more rarely, and what came is not lost.
#[test]
fn r27_a_difference_with_an_unknown_constructor_is_asked_for_without_a_storm() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("old_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let say = |text: &str| {
            let to = PeerKey::User(bot.id);
            operator.send_message(ann, to, text).unwrap();
        };
        say("zero");
        assert_eq!(bot.inbox.texts(1).await, ["zero"]);
        let asked = || operator.counters().executed(DIFFERENCE);
        let before = asked();
        operator.rewrite_answers(DIFFERENCE, u32::MAX, |answer| {
            made_unknown(&answer, types::Message::ID)
        });
        operator.disturb_updates(bot.id, PushFault::Withhold, 1);
        say("one");
        say("two");
        assert!(bot.inbox.is_quiet(Duration::from_secs(600)).await);
        // After 1, 2, 4, … 60 s, and each minute from then on.
        let asked = asked() - before;
        assert!((8..=20).contains(&asked), "{asked} times");
        // Calls go on meanwhile.
        crate::support::call(&bot.account, &crate::support::config_call())
            .await
            .unwrap();
        operator.clear_faults();
        assert_eq!(bot.inbox.texts(2).await, ["one", "two"]);
        say("three");
        assert_eq!(bot.inbox.texts(1).await, ["three"]);
        assert!(bot.inbox.is_quiet(Duration::from_secs(600)).await);
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

/// What was pushed and cannot be read is asked for once; the session and its calls live on.
#[test]
fn r27_a_push_with_an_unknown_constructor_is_asked_for_and_ends_nothing() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("old_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let say = |text: &str| {
            let to = PeerKey::User(bot.id);
            operator.send_message(ann, to, text).unwrap();
        };
        let connects = world.connects.load(std::sync::atomic::Ordering::Relaxed);
        let before = operator.counters().executed(DIFFERENCE);
        operator.disturb_updates(bot.id, PushFault::Withhold, 1);
        say("withheld");
        let update = types::UpdateShort {
            update: types::UpdateDeleteMessages {
                messages: vec![1],
                pts: 1,
                pts_count: 1,
            }
            .into(),
            date: 1_800_000_000,
        };
        let push = enums::Updates::UpdateShort(Box::new(update)).to_bytes();
        let attack = Attack::Body {
            body: made_unknown(&push, types::UpdateDeleteMessages::ID),
            content_related: true,
        };
        world.datacenter.attacks().order(When::Answer(1), attack);
        crate::support::call(&bot.account, &crate::support::config_call())
            .await
            .unwrap();
        assert_eq!(bot.inbox.texts(1).await, ["withheld"]);
        assert!(bot.inbox.is_quiet(Duration::from_secs(600)).await);
        let asked = operator.counters().executed(DIFFERENCE) - before;
        assert!((1..=2).contains(&asked), "{asked} times");
        say("next");
        assert_eq!(bot.inbox.texts(1).await, ["next"]);
        let now = world.connects.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(now, connects, "the connection was given up");
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}

/// A datacenter that speaks an older layer is understood.
#[test]
fn r27_a_difference_of_an_older_layer_is_read() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("old_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let say = |text: &str| {
            let to = PeerKey::User(bot.id);
            operator.send_message(ann, to, text).unwrap();
        };
        for layer in [227, 228, 229] {
            operator.rewrite_answers(DIFFERENCE, 1, move |answer| {
                let difference = enums::updates::Difference::from_bytes(answer.clone()).unwrap();
                let old = difference.to_bytes_for(layer);
                if layer == 227 {
                    assert_ne!(old, answer, "it is the same in that layer");
                }
                old
            });
            operator.disturb_updates(bot.id, PushFault::Withhold, 1);
            let texts = ["withheld", "sent"].map(|half| format!("{half} in {layer}"));
            texts.iter().for_each(|text| say(text));
            assert_eq!(bot.inbox.texts(2).await, texts);
        }
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}
