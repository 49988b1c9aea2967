//! What becomes of updates that came while the account was not open.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{Bot, Inbox, World, virtual_time};
use actogram_actors::{Account, CatchUp};
use actogram_local_datacenter::model::PeerKey;
use actogram_tl::enums;

const END: Duration = Duration::from_secs(5);

/// The bot again, after it was closed, with this choice.
async fn again(world: &World, bot: &Bot, catch_up: CatchUp) -> (Account, Inbox) {
    let mut config = world.config("absent_bot", &bot.store);
    config.catch_up = catch_up;
    let account = world.engine.open(config).await.unwrap();
    let inbox = Inbox::of(&account);
    account.start_updates().await.unwrap();
    (account, inbox)
}

/// The texts that come until nothing does for a while; all of them are handled.
async fn texts(inbox: &mut Inbox) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(Some(next)) = tokio::time::timeout(Duration::from_secs(30), inbox.try_next()).await
    {
        let message = match &next.update {
            enums::Update::UpdateNewMessage(update) => &update.message,
            enums::Update::UpdateNewChannelMessage(update) => &update.message,
            _ => continue,
        };
        if let enums::Message::Message(message) = message
            && !message.out
        {
            texts.push(message.message.clone());
        }
        next.done.done();
    }
    texts
}

/// A bot that was in a private chat and in a supergroup, in which it missed a message each while it was closed; and what it
/// gets of them, and of one more in each.
async fn after_an_absence(catch_up: &[CatchUp]) -> Vec<Vec<String>> {
    let world = World::new().await;
    let mut bot = world.bot("absent_bot").await;
    let ann = world.person();
    let operator = world.datacenter.operator();
    let channel = operator
        .create_channel(ann, &[bot.id], "room", false)
        .unwrap();
    let say = |text: &str| {
        for (chat, place) in [
            (PeerKey::User(bot.id), "private"),
            (PeerKey::Channel(channel), "room"),
        ] {
            let text = format!("{text} in {place}");
            operator.send_message(ann, chat, &text).unwrap();
        }
    };
    say("seen");
    let mut seen = vec![texts(&mut bot.inbox).await];
    bot.account.shutdown(END).await;
    for (nth, choice) in catch_up.iter().enumerate() {
        say(&format!("missed {nth}"));
        // In channels, what came in the second of the start is not told from what comes after.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (account, mut inbox) = again(&world, &bot, *choice).await;
        let mut got = texts(&mut inbox).await;
        say(&format!("new {nth}"));
        got.extend(texts(&mut inbox).await);
        got.sort();
        seen.push(got);
        account.shutdown(END).await;
    }
    seen
}

fn both(texts: &[&str]) -> Vec<String> {
    let places = |text: &&str| ["private", "room"].map(|place| format!("{text} in {place}"));
    texts.iter().flat_map(places).collect()
}

#[test]
fn everything_that_was_missed_comes_unless_it_is_to_be_skipped() {
    virtual_time(|| async {
        let seen = after_an_absence(&[CatchUp::Everything, CatchUp::Skip]).await;
        assert_eq!(
            seen,
            [
                both(&["seen"]),
                both(&["missed 0", "new 0"]),
                both(&["new 1"]),
            ]
        );
    });
}

/// What was skipped once stays skipped, and what comes after is caught up with again.
#[test]
fn after_a_start_that_skipped_one_that_does_not_gets_what_was_missed_since() {
    virtual_time(|| async {
        let seen = after_an_absence(&[CatchUp::Skip, CatchUp::Everything]).await;
        assert_eq!(
            seen,
            [
                both(&["seen"]),
                both(&["new 0"]),
                both(&["missed 1", "new 1"]),
            ]
        );
    });
}

/// The actor that follows updates dies before it has a position of its own.
#[test]
fn what_is_skipped_does_not_come_when_the_actor_dies_at_the_start() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut bot = world.bot("absent_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        let say = |text: &str| {
            let to = PeerKey::User(bot.id);
            operator.send_message(ann, to, text).unwrap();
        };
        say("seen");
        assert_eq!(texts(&mut bot.inbox).await, ["seen"]);
        bot.account.shutdown(END).await;
        say("missed");
        let mut config = world.config("absent_bot", &bot.store);
        config.catch_up = CatchUp::Skip;
        operator.delay_answers("updates.getState", Duration::from_secs(2), 1);
        let account = world.engine.open(config).await.unwrap();
        let mut inbox = Inbox::of(&account);
        let starting = account.clone();
        let starting = tokio::task::spawn_local(async move { starting.start_updates().await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let children = account.supervisor().children();
        let updates = (children.iter()).find(|child| child.name() == "updates");
        let updates = updates.unwrap();
        let life = updates.generation();
        updates.restart();
        // Whoever waited for the first life is told of its end.
        starting.await.unwrap().unwrap_err();
        assert!(texts(&mut inbox).await.is_empty());
        assert!(updates.generation() > life);
        say("new");
        assert_eq!(texts(&mut inbox).await, ["new"]);
        account.shutdown(END).await;
    });
}
