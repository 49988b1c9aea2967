//! Channels: each has its own sequence, its own differences and its own place in the store.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{Bot, Inbox, World, call, event, virtual_time};
use actogram_actors::{AccountEvent, DedupeId, Done};
use actogram_local_datacenter::{model::PeerKey, operator::Operator, rpc::PushFault};
use actogram_store::ChannelPosition;
use actogram_tl::{enums, functions, types};

const DIFFERENCE: &str = "updates.getChannelDifference";

/// A bot in a supergroup, and a person who writes there.
struct Stage {
    world: World,
    bot: Bot,
    ann: i64,
    channel: i64,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let mut bot = world.bot("room_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let channel = operator
            .create_channel(ann, &[bot.id], "room", false)
            .unwrap();
        operator
            .send_message(ann, PeerKey::Channel(channel), "first")
            .unwrap();
        let (of, text, _, done) = next_text(&mut bot.inbox).await;
        assert_eq!((of, text.as_str()), (channel, "first"));
        done.done();
        settle().await;
        Self {
            world,
            bot,
            ann,
            channel,
        }
    }

    fn operator(&self) -> Operator {
        self.world.datacenter.operator()
    }

    fn say(&self, text: &str) -> i32 {
        self.operator()
            .send_message(self.ann, PeerKey::Channel(self.channel), text)
            .unwrap()
    }

    fn differences(&self) -> u64 {
        self.operator().counters().executed(DIFFERENCE)
    }

    fn stored(&self) -> Option<ChannelPosition> {
        let record = self.bot.store.account("room_bot").load().wait().unwrap();
        (record.channels.into_iter()).find(|at| at.channel_id == self.channel)
    }

    async fn next(&mut self) -> String {
        next_text(&mut self.bot.inbox).await.1
    }

    async fn end(self) {
        self.bot.account.shutdown(Duration::from_secs(5)).await;
    }
}

/// What is on its way arrives.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// The text of a message in a channel, with the channel.
fn text_of(update: &enums::Update) -> Option<(i64, String)> {
    let enums::Update::UpdateNewChannelMessage(update) = update else {
        return None;
    };
    match &update.message {
        enums::Message::Message(message) if !message.out => match &message.peer_id {
            enums::Peer::PeerChannel(peer) => Some((peer.channel_id, message.message.clone())),
            _ => None,
        },
        _ => None,
    }
}

async fn next_text(inbox: &mut Inbox) -> (i64, String, DedupeId, Done) {
    loop {
        let next = inbox.next().await;
        if let Some((channel, text)) = text_of(&next.update) {
            return (channel, text, next.id, next.done);
        }
    }
}

/// Whether no message of a channel comes for this long.
async fn is_quiet(inbox: &mut Inbox, for_long: Duration) -> bool {
    tokio::time::timeout(for_long, next_text(inbox))
        .await
        .is_err()
}

#[test]
fn r15_a_gap_in_a_channel_is_closed_by_its_own_difference() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        let common = operator.counters().executed("updates.getDifference");
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 1);
        stage.say("lost on the way");
        stage.say("comes");
        assert_eq!(stage.next().await, "lost on the way");
        assert_eq!(stage.next().await, "comes");
        assert!(is_quiet(&mut stage.bot.inbox, Duration::from_secs(5)).await);
        assert_eq!(stage.differences(), 1);
        assert_eq!(
            operator.counters().executed("updates.getDifference"),
            common,
            "the common sequence has no part in it"
        );
        stage.end().await;
    });
}

#[test]
fn r15_what_comes_twice_or_swapped_in_a_channel_costs_no_difference() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        operator.disturb_updates(stage.bot.id, PushFault::Duplicate, 1);
        stage.say("twice");
        operator.disturb_updates(stage.bot.id, PushFault::Swap, 1);
        stage.say("held");
        stage.say("overtakes");
        for text in ["twice", "held", "overtakes"] {
            assert_eq!(stage.next().await, text);
        }
        assert!(is_quiet(&mut stage.bot.inbox, Duration::from_secs(5)).await);
        assert_eq!(stage.differences(), 0);
        stage.end().await;
    });
}

#[test]
fn a_withheld_update_that_nothing_follows_is_found_by_the_regular_check() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 1);
        stage.say("nobody knows");
        // The account is not silent meanwhile.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            operator
                .send_message(stage.ann, PeerKey::User(stage.bot.id), "elsewhere")
                .unwrap();
        }
        assert_eq!(stage.next().await, "nobody knows");
        stage.end().await;
    });
}

#[test]
fn calls_of_our_own_in_a_channel_make_no_gap() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        let channel = operator.input_channel(stage.bot.id, stage.channel).unwrap();
        let peer = operator
            .input_peer(stage.bot.id, PeerKey::Channel(stage.channel))
            .unwrap();
        let account = stage.bot.account.clone();
        let send = functions::messages::SendMessage::new(
            peer,
            "of my own".to_owned(),
            account.random_id(),
        );
        let sent = call(&account, &send).await.unwrap();
        let enums::Updates::Updates(sent) = sent else {
            panic!("{sent:?}")
        };
        let id = (sent.updates.iter())
            .find_map(|update| match update {
                enums::Update::UpdateMessageId(update) => Some(update.id),
                _ => None,
            })
            .unwrap();
        let delete = functions::channels::DeleteMessages {
            channel,
            id: vec![id],
        };
        call(&account, &delete).await.unwrap();
        stage.say("after");
        assert_eq!(stage.next().await, "after");
        assert!(is_quiet(&mut stage.bot.inbox, Duration::from_secs(5)).await);
        assert_eq!(stage.differences(), 0);
        stage.end().await;
    });
}

#[test]
fn what_was_missed_in_a_channel_comes_after_a_restart() {
    virtual_time(|| async {
        let stage = Stage::new().await;
        stage.bot.account.shutdown(Duration::from_secs(5)).await;
        assert_eq!(
            stage.stored(),
            Some(ChannelPosition {
                channel_id: stage.channel,
                pts: stage.operator().channel_pts(stage.channel).unwrap(),
                behind: false
            })
        );
        for number in 0..250 {
            stage.say(&format!("{number}"));
        }
        let again = stage.world.open("room_bot", &stage.bot.store).await;
        let mut inbox = Inbox::of(&again);
        again.start_updates().await.unwrap();
        for number in 0..250 {
            assert_eq!(next_text(&mut inbox).await.1, format!("{number}"));
        }
        assert!(is_quiet(&mut inbox, Duration::from_secs(5)).await);
        assert_eq!(stage.differences(), 3, "slices of a hundred");
        again.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn what_was_not_handled_in_a_channel_comes_again_though_nothing_else_happened_there() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        stage.say("zero");
        stage.say("one");
        stage.say("two");
        let (_, text, _, done) = next_text(&mut stage.bot.inbox).await;
        assert_eq!(text, "zero");
        done.done();
        let (_, _, first, held) = next_text(&mut stage.bot.inbox).await;
        let (_, _, second, done) = next_text(&mut stage.bot.inbox).await;
        done.done();
        settle().await;
        assert!(stage.stored().unwrap().behind);
        // The common position passes the date at which the channel changed.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        stage
            .operator()
            .send_message(stage.ann, PeerKey::User(stage.bot.id), "later")
            .unwrap();
        assert_eq!(stage.bot.inbox.next_text().await.0, "later");
        settle().await;
        // As a kill would leave it.
        std::mem::forget(held);
        drop(stage.bot.account);

        let again = stage.world.open("room_bot", &stage.bot.store).await;
        let mut inbox = Inbox::of(&again);
        again.start_updates().await.unwrap();
        for (text, name) in [("one", first), ("two", second)] {
            let (_, came, id, done) = next_text(&mut inbox).await;
            assert_eq!((came.as_str(), id), (text, name));
            done.done();
        }
        assert!(is_quiet(&mut inbox, Duration::from_secs(5)).await);
        again.shutdown(Duration::from_secs(5)).await;
        let record = stage.bot.store.account("room_bot").load().wait().unwrap();
        assert!(record.channels.iter().all(|at| !at.behind));
    });
}

#[test]
fn r16_a_channel_the_datacenter_remembers_too_little_of_is_told_of_and_followed_on() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        let mut events = stage.bot.account.events();
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 3);
        for text in ["a", "b", "c"] {
            stage.say(text);
        }
        operator.forget_channel_updates(stage.channel).unwrap();
        stage.say("d");
        let lost = event(&mut events, |event| {
            matches!(event, AccountEvent::UpdatesLost { .. })
        })
        .await;
        let AccountEvent::UpdatesLost { stream } = lost else {
            panic!("{lost:?}")
        };
        assert_eq!(stream, format!("channel {}", stage.channel));
        stage.say("e");
        assert_eq!(stage.next().await, "e");
        stage.end().await;
    });
}

#[test]
fn r16_a_difference_that_fails_is_asked_again_and_nothing_is_lost() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        operator.fail(DIFFERENCE, 500, "PERSISTENT_TIMESTAMP_OUTDATED", 3);
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 1);
        stage.say("one");
        stage.say("two");
        assert_eq!(stage.next().await, "one");
        assert_eq!(stage.next().await, "two");
        operator.flood_wait(DIFFERENCE, 7, 1);
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 1);
        stage.say("three");
        stage.say("four");
        assert_eq!(stage.next().await, "three");
        assert_eq!(stage.next().await, "four");
        assert!(is_quiet(&mut stage.bot.inbox, Duration::from_secs(300)).await);
        stage.end().await;
    });
}

#[test]
fn r16_a_channel_that_became_private_ends_its_actor_and_is_forgotten() {
    virtual_time(|| async {
        let stage = Stage::new().await;
        let operator = stage.operator();
        let mut events = stage.bot.account.events();
        operator.fail(DIFFERENCE, 400, "CHANNEL_PRIVATE", 1);
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 1);
        stage.say("one");
        stage.say("two");
        let closed = event(&mut events, |event| {
            matches!(event, AccountEvent::ChannelClosed { .. })
        })
        .await;
        assert_eq!(
            closed,
            AccountEvent::ChannelClosed {
                channel_id: stage.channel,
                why: "CHANNEL_PRIVATE".to_owned()
            }
        );
        settle().await;
        assert_eq!(stage.stored(), None);
        let tree = stage.bot.account.snapshot();
        let name = format!("channel {}", stage.channel);
        assert!(tree.root.find(&name).is_none());
        stage.end().await;
    });
}

#[test]
fn a_channel_that_was_left_is_no_longer_followed() {
    virtual_time(|| async {
        let stage = Stage::new().await;
        let operator = stage.operator();
        let mut events = stage.bot.account.events();
        let channel = operator.input_channel(stage.bot.id, stage.channel).unwrap();
        call(
            &stage.bot.account,
            &functions::channels::LeaveChannel { channel },
        )
        .await
        .unwrap();
        event(&mut events, |event| {
            matches!(event, AccountEvent::ChannelClosed { .. })
        })
        .await;
        settle().await;
        assert_eq!(stage.stored(), None);
        stage.end().await;
    });
}

#[test]
fn a_quiet_channel_has_no_actor_and_asks_nothing_when_it_wakes() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let name = format!("channel {}", stage.channel);
        let lives = |stage: &Stage| stage.bot.account.snapshot().root.find(&name).is_some();
        assert!(lives(&stage));
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!(!lives(&stage));
        stage.say("wake up");
        assert_eq!(stage.next().await, "wake up");
        assert!(lives(&stage));
        assert_eq!(stage.differences(), 0);
        stage.end().await;
    });
}

#[test]
fn a_channel_joined_while_nobody_was_there_is_told_of_from_then_on() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        let old = (operator.create_channel(stage.ann, &[], "old", false)).unwrap();
        let peer = PeerKey::Channel(old);
        operator.send_message(stage.ann, peer, "long ago").unwrap();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        stage.say("so that the account has been here since");
        assert_eq!(
            stage.next().await,
            "so that the account has been here since"
        );
        operator
            .send_message(stage.ann, PeerKey::User(stage.bot.id), "hello")
            .unwrap();
        operator
            .notify(stage.bot.id, "NOTE", "moves seq and with it the date")
            .unwrap();
        settle().await;
        tokio::time::sleep(Duration::from_secs(901)).await;
        stage.bot.account.shutdown(Duration::from_secs(5)).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;

        let invite = functions::channels::InviteToChannel {
            channel: operator.input_channel(stage.ann, old).unwrap(),
            users: vec![operator.input_user(stage.ann, stage.bot.id).unwrap()],
        };
        operator.invoke_as(stage.ann, &invite).unwrap();
        operator.send_message(stage.ann, peer, "welcome").unwrap();
        let again = stage.world.open("room_bot", &stage.bot.store).await;
        let mut inbox = Inbox::of(&again);
        again.start_updates().await.unwrap();
        let (of, text, _, done) = next_text(&mut inbox).await;
        assert_eq!((of, text.as_str()), (old, "welcome"));
        done.done();
        operator.send_message(stage.ann, peer, "live").unwrap();
        assert_eq!(next_text(&mut inbox).await.1, "live");
        again.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn a10_a_channel_that_lies_about_its_position_is_not_asked_without_pause() {
    virtual_time(|| async {
        let stage = Stage::new().await;
        let operator = stage.operator();
        let channel_id = stage.channel;
        // A difference that is never the last and never gets on.
        operator.rewrite_answers(DIFFERENCE, u32::MAX, move |_| {
            use actogram_tl::Encode as _;
            enums::updates::ChannelDifference::from(types::updates::ChannelDifference {
                final_: false,
                pts: 3,
                timeout: None,
                new_messages: Vec::new(),
                other_updates: vec![
                    types::UpdateDeleteChannelMessages {
                        channel_id,
                        messages: vec![1],
                        pts: -1,
                        pts_count: i32::MAX,
                    }
                    .into(),
                ],
                chats: Vec::new(),
                users: Vec::new(),
            })
            .to_bytes()
        });
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 1);
        stage.say("one");
        stage.say("two");
        tokio::time::sleep(Duration::from_secs(600)).await;
        let asked = stage.differences();
        assert!((5..=20).contains(&asked), "{asked} in ten minutes");
        stage.end().await;
    });
}

#[test]
fn five_thousand_channels_are_caught_up_ten_at_a_time() {
    virtual_time(|| async {
        let stage = Stage::new().await;
        let operator = stage.operator();
        let many = 5_000;
        let mut channels = vec![stage.channel];
        while channels.len() < many {
            let title = format!("{}", channels.len());
            let made = operator.create_channel(stage.ann, &[stage.bot.id], &title, false);
            channels.push(made.unwrap());
        }
        let mut inbox = stage.bot.inbox;
        while !is_quiet(&mut inbox, Duration::from_secs(70)).await {}
        let tree = stage.bot.account.snapshot();
        assert!(
            tree.root.find("channels").unwrap().children.is_empty(),
            "quiet channels have no actors"
        );
        stage.bot.account.shutdown(Duration::from_secs(5)).await;
        for channel in &channels {
            operator
                .send_message(stage.ann, PeerKey::Channel(*channel), "missed")
                .unwrap();
        }
        // Each difference takes a second.
        let slowly = u32::MAX;
        operator.delay_answers(DIFFERENCE, Duration::from_secs(1), slowly);
        let before = operator.counters().executed(DIFFERENCE);
        let again = stage.world.open("room_bot", &stage.bot.store).await;
        let mut inbox = Inbox::of(&again);
        again.start_updates().await.unwrap();
        for second in 1..=20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let asked = operator.counters().executed(DIFFERENCE) - before;
            assert!(asked <= 10 * (second + 1), "{asked} after {second} s");
        }
        let mut missed = std::collections::BTreeSet::new();
        while missed.len() < many {
            let (channel, _, _, done) = next_text(&mut inbox).await;
            assert!(missed.insert(channel), "{channel} twice");
            done.done();
        }
        assert_eq!(
            operator.counters().executed(DIFFERENCE) - before,
            u64::try_from(many).unwrap()
        );
        again.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn an_update_of_somebody_unknown_waits_until_they_are_introduced() {
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        let common = || operator.counters().executed("updates.getDifference");
        // Known people need no introduction.
        operator.disturb_updates(stage.bot.id, PushFault::Unaccompanied, 1);
        operator
            .send_message(stage.ann, PeerKey::User(stage.bot.id), "known")
            .unwrap();
        assert_eq!(stage.bot.inbox.next_text().await.0, "known");
        let bob = operator.create_user("+9996619999", "Bob").unwrap();
        let invite = functions::channels::InviteToChannel {
            channel: operator.input_channel(stage.ann, stage.channel).unwrap(),
            users: vec![operator.input_user(stage.ann, bob).unwrap()],
        };
        operator.disturb_updates(stage.bot.id, PushFault::Withhold, 1);
        operator.invoke_as(stage.ann, &invite).unwrap();
        let (before, differences) = (common(), stage.differences());
        operator.disturb_updates(stage.bot.id, PushFault::Unaccompanied, 2);
        operator
            .send_message(bob, PeerKey::Channel(stage.channel), "in the room")
            .unwrap();
        let update = loop {
            let next = stage.bot.inbox.next().await;
            if text_of(&next.update).is_some() {
                break next;
            }
        };
        assert_eq!(text_of(&update.update).unwrap().1, "in the room");
        let known = |update: &actogram_actors::DeliveredUpdate, id| {
            (update.users.iter())
                .any(|user| matches!(user, enums::User::User(user) if user.id == id))
        };
        assert!(known(&update, bob), "{:?}", update.users);
        assert_eq!((common(), stage.differences()), (before, differences + 1));
        let cay = operator.create_user("+9996617777", "Cay").unwrap();
        operator
            .send_message(cay, PeerKey::User(stage.bot.id), "in private")
            .unwrap();
        let update = loop {
            let next = stage.bot.inbox.next().await;
            if crate::support::text_of(&next.update).is_some() {
                break next;
            }
        };
        assert!(known(&update, cay), "{:?}", update.users);
        assert_eq!(common(), before + 1);
        stage.end().await;
    });
}

#[test]
fn what_was_with_a_handler_when_a_channel_was_left_says_nothing_about_it_after_it_is_joined_again()
{
    virtual_time(|| async {
        let mut stage = Stage::new().await;
        let operator = stage.operator();
        stage.say("before");
        let (_, text, _, held) = next_text(&mut stage.bot.inbox).await;
        assert_eq!(text, "before");
        let channel = operator.input_channel(stage.bot.id, stage.channel).unwrap();
        let leave = functions::channels::LeaveChannel { channel };
        call(&stage.bot.account, &leave).await.unwrap();
        settle().await;
        assert_eq!(stage.stored(), None);
        let invite = functions::channels::InviteToChannel {
            channel: operator.input_channel(stage.ann, stage.channel).unwrap(),
            users: vec![operator.input_user(stage.ann, stage.bot.id).unwrap()],
        };
        operator.invoke_as(stage.ann, &invite).unwrap();
        stage.say("after");
        assert_eq!(stage.next().await, "after");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = stage.stored().unwrap();
        assert_eq!(now.pts, operator.channel_pts(stage.channel).unwrap());
        held.done();
        settle().await;
        assert_eq!(stage.stored(), Some(now));
        stage.end().await;
    });
}
