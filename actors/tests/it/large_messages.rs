//! Messages so large that they go through the crypto pool, on real threads: beside small ones, both ways, and damaged.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{World, call, config_call};
use actogram_actors::{Account, AccountEvent, CallError, Engine};
use actogram_crypto::random::{Random, SeededRandom};
use actogram_local_datacenter::{Direction, WireFault, model::PeerKey};
use actogram_tl::{enums, functions, types};

const MESSAGES: u64 = 40;

/// Text that nothing makes much smaller.
fn noise(seed: u64, length: usize) -> String {
    let mut bytes = vec![0; length];
    SeededRandom::from_seed(seed).fill(&mut bytes);
    bytes
        .iter()
        .map(|byte| char::from(b'!' + byte % 90))
        .collect()
}

/// A person with a long history, on an engine with threads.
async fn reader() -> (World, Account, i64) {
    let mut world = World::new().await;
    world.engine = Engine::builder().arbiters(1).start().unwrap();
    let person = world.user("+9996600001").await;
    let ann = world.person();
    for number in 0..MESSAGES {
        let text = noise(number, 4000);
        let operator = world.datacenter.operator();
        operator
            .send_message(ann, PeerKey::User(person.id), &text)
            .unwrap();
    }
    // Nobody handles updates here; held, they would be waited for at the end.
    drop(person.inbox);
    (world, person.account, ann)
}

async fn history(account: &Account, of: i64) -> Vec<String> {
    let peer: enums::Peer = types::PeerUser { user_id: of }.into();
    // Known as soon as the first update has come.
    let peer = loop {
        match account.input_peer(&peer).await.unwrap() {
            Some(peer) => break peer,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let history = functions::messages::GetHistory {
        peer,
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 40,
        max_id: 0,
        min_id: 0,
        hash: 0,
    };
    let messages = match call(account, &history).await.unwrap() {
        enums::messages::Messages::Messages(all) => all.messages,
        enums::messages::Messages::MessagesSlice(slice) => slice.messages,
        other => panic!("{other:?}"),
    };
    let texts = messages.into_iter().map(|message| match message {
        enums::Message::Message(message) => message.message,
        other => panic!("{other:?}"),
    });
    texts.collect()
}

fn expected() -> Vec<String> {
    (0..MESSAGES)
        .rev()
        .map(|number| noise(number, 4000))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_and_calls_pass_beside_small_ones() {
    let (_world, account, ann) = reader().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..60 {
        let account = account.clone();
        calls.spawn(async move {
            match number % 6 {
                0 => assert!(history(&account, ann).await == expected()),
                1 => {
                    // It arrives whole: the datacenter has read it to its end when it refuses it.
                    let peer = enums::InputPeer::InputPeerSelf;
                    let id = account.random_id();
                    let text = noise(1_000 + number, 100_000);
                    let send = functions::messages::SendMessage::new(peer, text, id);
                    let refused = call(&account, &send).await.unwrap_err();
                    assert!(
                        matches!(&refused, CallError::Rpc { message, .. } if message.contains("TOO_LONG")),
                        "{refused}"
                    );
                }
                _ => drop(call(&account, &config_call()).await.unwrap()),
            }
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    account.shutdown(Duration::from_secs(5)).await;
}

/// S1 on threads: nothing of a damaged answer is used, its connection ends, and the answer comes over the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_a_large_answer_that_was_damaged_comes_again() {
    let (world, account, ann) = reader().await;
    assert!(history(&account, ann).await == expected());
    let mut events = account.events();
    world.datacenter.faults().order(WireFault::Corrupt {
        direction: Direction::ToClient,
        offset: 60_000,
    });
    world.datacenter.cut_connections();
    // A connection that has worked is replaced at once.
    call(&account, &config_call()).await.unwrap();
    assert!(history(&account, ann).await == expected());
    let cuts: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event {
            AccountEvent::Disconnected { why, .. } => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(cuts.len(), 2, "{cuts:?}");
    assert!(cuts[1].contains("refused"), "{cuts:?}");
    account.shutdown(Duration::from_secs(5)).await;
}
