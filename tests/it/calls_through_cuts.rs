//! A thousand calls in flight over one connection that is cut twenty times.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use crate::support::{HANG, bot, datacenter, person};
use actogram::{CallError, Error, prelude::*, tl};

const CALLS: usize = 1_000;
const CUTS: usize = 20;

#[derive(Debug, PartialEq, Clone, Copy)]
enum End {
    Answered,
    Unknown,
}

fn end<T>(result: Result<T>) -> End {
    match result {
        Ok(_) => End::Answered,
        Err(Error::Call {
            source: CallError::UnknownOutcome,
            ..
        }) => End::Unknown,
        Err(error) => panic!("a call ended with {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_once_and_none_is_carried_out_twice() {
    let datacenter = datacenter().await;
    let (bot, bot_id) = bot(&datacenter, "cut_bot").await;
    bot.start().await.unwrap();
    let ann = person(&datacenter, "9996622222").await;
    ann.start().await.unwrap();
    let operator = datacenter.operator();
    let api = ann.api();
    // The peer is known before the cuts begin: what is measured are the calls.
    let peer = api.resolve("@cut_bot").await.unwrap();
    let me = api.me_id().unwrap();

    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CALLS {
        let (api, peer) = (api.clone(), peer.clone());
        tasks.spawn(async move {
            let ended = match number % 10 {
                0 => {
                    let users = vec![
                        tl::types::InputUser {
                            user_id: bot_id,
                            access_hash: hash(&peer),
                        }
                        .into(),
                    ];
                    let mut create =
                        tl::functions::messages::CreateChat::new(users, format!("group {number}"));
                    create.ttl_period = None;
                    end(api.invoke(create).await)
                }
                1..=4 => end(api.get_me().await),
                _ => end(api.send_message(peer, format!("message {number}")).await),
            };
            (number, ended)
        });
    }
    let mut ends = vec![Vec::new(); CALLS];
    let mut cuts = 0;
    // Cut whenever another twentieth of the calls has ended, so that every cut falls among calls in flight.
    while let Some(done) = tokio::time::timeout(HANG * 3, tasks.join_next())
        .await
        .expect("a call never ended")
    {
        let (number, ended) = done.unwrap();
        ends[number].push(ended);
        let finished = CALLS - tasks.len();
        if cuts < CUTS && finished * (CUTS + 1) > CALLS * (cuts + 1) {
            cuts += 1;
            datacenter.cut_connections();
        }
    }
    assert_eq!(cuts, CUTS);
    assert!(
        ends.iter().all(|ends| ends.len() == 1),
        "each call ends exactly once"
    );
    let unknown = |kind: fn(usize) -> bool| {
        (0..CALLS)
            .filter(|n| kind(*n) && ends[*n] == [End::Unknown])
            .count()
    };
    assert_eq!(
        unknown(|n| n % 10 != 0),
        0,
        "reads and messages may be sent again, so none is in doubt"
    );

    let sends = (0..CALLS).filter(|n| n % 10 > 4).count();
    let history = operator.history(me, actogram_local_datacenter::model::PeerKey::User(bot_id));
    let mut texts: Vec<_> = history.iter().map(|message| message.text.clone()).collect();
    texts.sort();
    let stored = texts.len();
    texts.dedup();
    assert_eq!(
        (stored, texts.len()),
        (sends, sends),
        "messages sent = messages stored, none twice"
    );

    // A group is created by at most one execution of each call: no title stands twice.
    let titles = operator.group_titles();
    let mut unique = titles.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(
        unique.len(),
        titles.len(),
        "a call that may not happen twice was carried out twice"
    );
    let created = CALLS / 10;
    let doubtful = unknown(|n| n % 10 == 0);
    assert!(
        titles.len() <= created && titles.len() + doubtful >= created,
        "{} of {created}, {doubtful} in doubt",
        titles.len()
    );
    println!(
        "{CALLS} calls over {CUTS} cuts: {doubtful} of {created} group creations in doubt, nothing twice"
    );

    ann.shutdown(Duration::from_secs(5)).await;
    bot.shutdown(Duration::from_secs(5)).await;
}

fn hash(peer: &tl::enums::InputPeer) -> i64 {
    match peer {
        tl::enums::InputPeer::InputPeerUser(user) => user.access_hash,
        other => panic!("a bot is a user, not {other:?}"),
    }
}
