//! Long lists, read page by page.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use crate::support::{HANG, Prompts, datacenter, person};
use actogram::{Listing, MemberFilter, MemberStatus, PeerId, Settings, prelude::*};
use actogram_local_datacenter::{LocalDatacenter, model::PeerKey, operator::Operator};
use futures_util::{StreamExt, TryStreamExt};

/// Ann, and Bob whom the operator plays.
struct Stage {
    datacenter: LocalDatacenter,
    ann: Client,
    ann_id: i64,
    bob: i64,
}

impl Stage {
    async fn new(number: u32) -> Self {
        let datacenter = datacenter().await;
        let ann = person(&datacenter, &format!("999662{number}1")).await;
        let bob = datacenter
            .operator()
            .create_user(&format!("999662{number}2"), "Bob")
            .unwrap();
        let ann_id = ann.api().me_id().unwrap();
        Self {
            datacenter,
            ann,
            ann_id,
            bob,
        }
    }

    fn operator(&self) -> Operator {
        self.datacenter.operator()
    }

    /// Bob writes so many messages, `m1` first.
    async fn say(&self, count: usize) -> PeerId {
        let operator = self.operator();
        for number in 1..=count {
            let text = format!("m{number}");
            operator
                .send_message(self.bob, PeerKey::User(self.ann_id), &text)
                .unwrap();
        }
        // Opening the list of chats tells whom one has to do with.
        self.ann.api().dialogs().collect().await.unwrap();
        PeerId::User(self.bob)
    }

    fn asked(&self, method: &str) -> u64 {
        self.operator().counters().executed(method)
    }

    async fn end(self) {
        self.ann.shutdown(HANG).await;
        self.datacenter.shutdown().await;
    }
}

fn numbers(messages: &[Msg]) -> Vec<usize> {
    let numbers = messages.iter().map(|it| it.text()[1..].parse().unwrap());
    numbers.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_read_page_by_page_as_it_is_asked_for() {
    let stage = Stage::new(3101).await;
    let bob = stage.say(350).await;
    let api = stage.ann.api();
    let mut history = api.history(bob);
    assert_eq!(
        stage.asked("messages.getHistory"),
        0,
        "nothing before it is polled"
    );
    assert_eq!(history.progress().total, None);
    for expected in (251..=350).rev() {
        let message = history.try_next().await.unwrap().unwrap();
        assert_eq!(message.text(), format!("m{expected}"));
        assert_eq!(stage.asked("messages.getHistory"), 1);
    }
    let progress = history.progress();
    assert_eq!((progress.given, progress.total), (100, Some(350)));
    let rest: Vec<Msg> = history.try_collect().await.unwrap();
    assert_eq!(numbers(&rest), (1..=250).rev().collect::<Vec<_>>());

    // Limits that end before, at and behind the end of a page.
    for limit in [0, 1, 99, 100, 101, 200, 349, 350, 351] {
        let before = stage.asked("messages.getHistory");
        let list = api.history(bob).limit(limit);
        let found = list.collect().await.unwrap();
        assert_eq!(found.len(), limit.min(350));
        let calls = stage.asked("messages.getHistory") - before;
        let pages = limit.min(350).div_ceil(100) as u64;
        assert!(
            (pages..=pages + 1).contains(&calls),
            "{limit}: {calls} calls"
        );
    }
    let mut limited = api.history(bob).limit(10);
    limited.next().await.unwrap();
    assert_eq!(
        (limited.progress().given, limited.progress().total),
        (1, Some(10))
    );

    let found = api.history(bob).oldest_first().collect().await.unwrap();
    assert_eq!(numbers(&found), (1..=350).collect::<Vec<_>>());
    let (at_50, at_300) = (found[49].id(), found[299].id());
    let older = api.history(bob).offset_id(at_50).collect().await.unwrap();
    assert_eq!(numbers(&older), (1..50).rev().collect::<Vec<_>>());
    let newer = api.history(bob).oldest_first().offset_id(at_300);
    let newer = newer.collect().await.unwrap();
    assert_eq!(numbers(&newer), (301..=350).collect::<Vec<_>>());
    let tomorrow = i32::try_from(found[0].date() + 86_400).unwrap();
    let dated = api.history(bob).offset_date(tomorrow).limit(3);
    assert_eq!(numbers(&dated.collect().await.unwrap()), [350, 349, 348]);
    let too_old = api.history(bob).offset_date(1).collect().await.unwrap();
    assert!(too_old.is_empty());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_or_doubled_when_messages_come_and_go_meanwhile() {
    let stage = Stage::new(3102).await;
    let bob = stage.say(330).await;
    let api = stage.ann.api();
    for oldest_first in [false, true] {
        let mut history = api.history(bob);
        if oldest_first {
            history = history.oldest_first();
        }
        let mut seen: Vec<Msg> = Vec::new();
        let mut gone: HashSet<i32> = HashSet::new();
        while let Some(message) = history.next().await.unwrap() {
            seen.push(message);
            if seen.len().is_multiple_of(100) {
                // At the border of the pages: what was given last, what comes next, something further on; and news.
                let last = seen.last().unwrap().id();
                let next = if oldest_first { last + 1 } else { last - 1 };
                let further = if oldest_first { last + 20 } else { last - 20 };
                for id in [last, next, further] {
                    api.delete_messages(bob, [id]).only_for_me().await.unwrap();
                    gone.insert(id);
                }
                let ann = PeerKey::User(stage.ann_id);
                stage
                    .operator()
                    .send_message(stage.bob, ann, "m999")
                    .unwrap();
            }
        }
        let ids: Vec<i32> = seen.iter().map(Msg::id).collect();
        let distinct: HashSet<i32> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "nothing is given twice");
        let sorted = ids
            .windows(2)
            .all(|pair| (pair[0] < pair[1]) == oldest_first);
        assert!(sorted, "in order");
        let old = |message: &&Msg| message.text() != "m999";
        let found = seen.iter().filter(old).count();
        let left = stage
            .operator()
            .history(stage.ann_id, PeerKey::User(stage.bob));
        for message in left.iter().filter(|message| message.text != "m999") {
            assert!(
                distinct.contains(&message.id),
                "{} was missed",
                message.text
            );
        }
        let kept = left.iter().filter(|message| message.text != "m999").count();
        // What was given before it was deleted is there besides.
        assert!(found >= kept && found <= kept + gone.len());
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_wait_in_the_middle_neither_loses_nor_doubles() {
    let stage = Stage::new(3103).await;
    let bob = stage.say(250).await;
    let api = stage.ann.api();
    let everything: Vec<usize> = (1..=250).rev().collect();

    // A short one is slept through.
    let mut history = api.history(bob);
    let mut found = Vec::new();
    while let Some(message) = history.next().await.unwrap() {
        found.push(message);
        if found.len() == 100 {
            stage.operator().flood_wait("messages.getHistory", 1, 2);
        }
    }
    assert_eq!(numbers(&found), everything);
    assert_eq!(
        stage.operator().counters().refused("messages.getHistory"),
        2
    );

    // One that is not slept through is an item: whoever waits and goes on asking goes on reading.
    let mut settings = Settings::default();
    settings.calls.flood_wait_limit = 0;
    let impatient = Client::builder(":memory:")
        .settings(settings)
        .session(":memory:")
        .account("impatient")
        .local_datacenter(&stage.datacenter);
    let impatient = impatient.connect().await.unwrap();
    let mut prompts = Prompts {
        phone: "99966231031".to_owned(),
        codes: stage.operator().login_codes(),
    };
    impatient.log_in(&mut prompts).await.unwrap();
    impatient.api().dialogs().collect().await.unwrap();
    let mut history = impatient.api().history(bob);
    let (mut found, mut waits, mut refusals) = (Vec::new(), 0, 0);
    while let Some(item) = StreamExt::next(&mut history).await {
        match item {
            Ok(message) => {
                found.push(message);
                match found.len() {
                    100 => stage.operator().flood_wait("messages.getHistory", 1, 1),
                    200 => {
                        let operator = stage.operator();
                        operator.fail("messages.getHistory", 400, "TAKEOUT_INVALID", 3);
                    }
                    _ => {}
                }
            }
            Err(error) if error.is("FLOOD_WAIT_*") => {
                waits += 1;
                let wait = error.rpc().and_then(|it| it.retry_after()).unwrap();
                tokio::time::sleep(wait).await;
            }
            Err(error) => {
                assert!(error.is("TAKEOUT_INVALID"), "{error}");
                refusals += 1;
            }
        }
    }
    assert_eq!(numbers(&found), everything);
    assert!(waits >= 1 && refusals == 3, "{waits} {refusals}");
    impatient.shutdown(HANG).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_lists_and_refusals() {
    let stage = Stage::new(3104).await;
    let api = stage.ann.api();
    let mut mine = api.history("me");
    assert!(mine.next().await.unwrap().is_none());
    assert!(mine.next().await.unwrap().is_none());
    assert_eq!(mine.progress().total, Some(0));
    assert!(api.dialogs().collect().await.unwrap().is_empty());
    assert!(api.search("me", "x").collect().await.unwrap().is_empty());
    let error = api.history("@nobody_there").collect().await.unwrap_err();
    assert!(matches!(error, Error::Peer(_)), "{error}");
    let error = api.participants("me").collect().await.unwrap_err();
    assert!(matches!(error, Error::Peer(_)), "{error}");
    let (bot, _) = crate::support::bot(&stage.datacenter, "list_bot").await;
    let error = bot.api().dialogs().collect().await.unwrap_err();
    assert!(error.is("BOT_METHOD_INVALID"), "{error}");
    bot.shutdown(HANG).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_a_list_as_well() {
    let stage = Stage::new(3105).await;
    let bob = stage.say(450).await;
    let api = stage.ann.api();
    for _ in 0..3 {
        api.send_message(bob, "m3 by Ann").await.unwrap();
    }
    // m3, m13, m30 … and those by Ann.
    let expected: Vec<String> = (1..=450)
        .rev()
        .map(|number| format!("m{number}"))
        .filter(|text| text.contains("m3"))
        .collect();
    let mut search = api.search(bob, "m3");
    let mut found = Vec::new();
    while let Some(message) = search.next().await.unwrap() {
        found.push(message);
    }
    assert_eq!(search.progress().total, Some(expected.len() + 3));
    let texts = |messages: &[Msg]| -> Vec<String> {
        messages.iter().map(|it| it.text().to_owned()).collect()
    };
    assert_eq!(texts(&found[3..]), expected);
    assert_eq!(expected.len(), 111, "more than a page");
    let by_ann = api.search(bob, "m3").sender("me");
    assert_eq!(by_ann.collect().await.unwrap().len(), 3);
    let by_bob = api.search(bob, "m3").sender(bob).limit(105);
    assert_eq!(texts(&by_bob.collect().await.unwrap()), expected[..105]);
    let older = api.search(bob, "m3").offset_id(found[100].id());
    assert_eq!(older.collect().await.unwrap().len(), found.len() - 101);
    let date = i32::try_from(found[0].date()).unwrap();
    let none = api.search(bob, "m3").after(date + 1000);
    assert!(none.collect().await.unwrap().is_empty());
    let all = api.search(bob, "m3").before(date + 1000);
    assert_eq!(all.collect().await.unwrap().len(), found.len());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_are_listed_once_each_whatever_happens_in_them() {
    let stage = Stage::new(3106).await;
    let operator = stage.operator();
    let ann = PeerKey::User(stage.ann_id);
    let mut people = Vec::new();
    for number in 0..230 {
        let person = operator
            .create_user(&format!("99966{number:05}"), &format!("P{number}"))
            .unwrap();
        operator.send_message(person, ann, "hello").unwrap();
        people.push(person);
    }
    let channel = operator
        .create_channel(stage.ann_id, &[], "Channel", true)
        .unwrap();
    let group = operator
        .create_chat(stage.ann_id, &[people[0]], "Group")
        .unwrap();
    let api = stage.ann.api();
    let mut dialogs = api.dialogs();
    let mut seen = Vec::new();
    while let Some(dialog) = dialogs.next().await.unwrap() {
        seen.push(dialog);
        if seen.len() == 100 {
            assert_eq!(dialogs.progress().total, Some(232));
            // One that was given and one that was not move to the top.
            for person in [people[229], people[5]] {
                operator.send_message(person, ann, "news").unwrap();
            }
        }
    }
    let peers: HashSet<PeerId> = seen.iter().map(|dialog| dialog.peer).collect();
    assert_eq!(peers.len(), seen.len(), "once each");
    // Who moved away before it was their turn may be missing: they are above the place now.
    let missing: Vec<_> = people
        .iter()
        .filter(|id| !peers.contains(&PeerId::User(**id)))
        .collect();
    assert!(missing.is_empty() || missing == [&people[5]], "{missing:?}");
    assert!(peers.contains(&PeerId::Channel(channel)) && peers.contains(&PeerId::Chat(group)));
    let p7 = seen.iter().find(|dialog| dialog.title == "P7").unwrap();
    assert_eq!(
        (p7.peer, p7.unread, p7.pinned),
        (PeerId::User(people[7]), 1, false)
    );
    assert_eq!(p7.last.as_ref().unwrap().text(), "hello");
    assert_eq!(api.dialogs().limit(7).collect().await.unwrap().len(), 7);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_listed_once_each_with_what_they_are() {
    let stage = Stage::new(3107).await;
    let operator = stage.operator();
    let people: Vec<i64> = (0..430)
        .map(|number| {
            let phone = format!("99965{number:05}");
            operator.create_user(&phone, &format!("P{number}")).unwrap()
        })
        .collect();
    let channel = operator
        .create_channel(stage.ann_id, &people, "Room", false)
        .unwrap();
    let api = stage.ann.api();
    api.dialogs().collect().await.unwrap();
    let room = PeerId::Channel(channel);
    let list = |filter: MemberFilter| -> Listing<_> { api.participants(room).filter(filter) };
    let mut members = api.participants(room);
    let mut seen = Vec::new();
    while let Some(member) = members.next().await.unwrap() {
        seen.push(member);
        if seen.len() == 190 {
            assert_eq!(members.progress().total, Some(431));
        }
        if [200, 380].contains(&seen.len()) {
            // Some who were given leave: the rest moves up.
            for gone in &seen[seen.len() - 5..] {
                let PeerId::User(gone) = gone.id() else {
                    panic!()
                };
                let leave = actogram::tl::functions::channels::LeaveChannel {
                    channel: operator.input_channel(gone, channel).unwrap(),
                };
                operator.invoke_as(gone, &leave).unwrap();
            }
        }
    }
    let ids: HashSet<PeerId> = seen.iter().map(|member| member.id()).collect();
    assert_eq!(ids.len(), seen.len(), "once each");
    assert_eq!(ids.len(), 431, "and nobody is missed");
    let creator = seen.iter().find(|member| member.is_admin()).unwrap();
    assert_eq!(creator.id(), PeerId::User(stage.ann_id));
    assert_eq!(creator.status(), &MemberStatus::Creator);
    assert_eq!(
        seen.iter()
            .filter(|it| it.status() == &MemberStatus::Member)
            .count(),
        430
    );
    assert!(seen.iter().any(|member| member.name() == "P7"));

    let named = list(MemberFilter::Named("P42".to_owned()));
    let named = named.collect().await.unwrap();
    assert_eq!(named.len(), 11, "P42 and P420 to P429");
    let limited = api.participants(room).offset(400).limit(5);
    assert_eq!(limited.collect().await.unwrap().len(), 5);
    assert_eq!(list(MemberFilter::Admins).collect().await.unwrap().len(), 1);
    assert!(list(MemberFilter::Bots).collect().await.unwrap().is_empty());

    let group = operator
        .create_chat(stage.ann_id, &people[..3], "Group")
        .unwrap();
    let group = PeerId::Chat(group);
    let members = api.participants(group).collect().await.unwrap();
    assert_eq!(members.len(), 4);
    assert_eq!(members.iter().filter(|member| member.is_admin()).count(), 1);
    let one = api.get_member(group, people[1]).await.unwrap();
    assert_eq!((one.name(), one.is_in()), ("P1".to_owned(), true));
    let error = api.get_member(group, people[7]).await.unwrap_err();
    assert!(error.is("USER_NOT_PARTICIPANT"), "{error}");
    let me = api.get_member(room, "me").await.unwrap();
    assert_eq!(me.status(), &MemberStatus::Creator);
    stage.end().await;
}

/// A datacenter that answers with its first page for ever, whatever it is asked.
fn repeat(operator: &Operator, method: &str) {
    let mut first = None;
    operator.rewrite_answers(method, 1000, move |answer| {
        first.get_or_insert(answer).clone()
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datacenter_that_gives_one_page_for_ever_is_not_asked_for_ever() {
    let stage = Stage::new(3108).await;
    let bob = stage.say(250).await;
    let operator = stage.operator();
    let api = stage.ann.api();
    let ann = PeerKey::User(stage.ann_id);
    let people: Vec<i64> = (0..120)
        .map(|number| {
            let phone = format!("99964{number:05}");
            let person = operator.create_user(&phone, "P").unwrap();
            operator.send_message(person, ann, "hello").unwrap();
            person
        })
        .collect();
    let room = operator
        .create_channel(stage.ann_id, &people, "Room", false)
        .unwrap();
    api.dialogs().collect().await.unwrap();
    for method in [
        "messages.getHistory",
        "messages.search",
        "messages.getDialogs",
        "channels.getParticipants",
    ] {
        repeat(&operator, method);
    }
    let newest = api.history(bob).collect().await.unwrap();
    assert_eq!(numbers(&newest), (151..=250).rev().collect::<Vec<_>>());
    let found = api.search(bob, "m").collect().await.unwrap();
    assert_eq!(numbers(&found), (151..=250).rev().collect::<Vec<_>>());
    assert_eq!(api.dialogs().collect().await.unwrap().len(), 100);
    let members = api
        .participants(PeerId::Channel(room))
        .collect()
        .await
        .unwrap();
    assert_eq!(members.len(), 121);
    let asked = [
        "messages.getHistory",
        "messages.search",
        "messages.getDialogs",
        "channels.getParticipants",
    ];
    for method in asked {
        assert!(stage.asked(method) <= 6, "{method}");
    }
    stage.end().await;
}

#[test]
fn the_example_reads_what_there_is() {
    let (lines, status, errors) = crate::support::processes::Running::example("reader").end();
    assert!(status.success(), "{status}: {errors}");
    let bob: Vec<_> = lines
        .iter()
        .filter(|line| line.ends_with(" is Bob"))
        .collect();
    assert_eq!(bob.len(), 3, "{lines:?}");
    for line in [
        "Bob: 1 unread",
        "  1 of Some(1) read",
        "Club: 251 unread",
        "  120 of Some(120) read",
        "  11 found",
        "  Bob: admin",
        "  Ann: member",
        "kept with \"a book\"",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line}: {lines:?}");
    }
}
