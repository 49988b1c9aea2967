//! An update that no handler survives.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::support::virtual_time::{Stage, run};
use actogram::prelude::*;
use tokio::time::sleep;

/// Counts what it is given, and panics at each update that says `poison`.
fn fragile(client: &Client) -> Arc<AtomicU32> {
    let poisoned = Arc::<AtomicU32>::default();
    let counted = poisoned.clone();
    client.on_message(async move |_cx: Cx, message: Msg| {
        if message.text() == "poison" {
            counted.fetch_add(1, Ordering::Relaxed);
            panic!("poisoned");
        }
        message.reply(message.text()).await.map(drop)
    });
    poisoned
}

/// It costs itself: it is tried once, its failure is told, and it is passed, here and after a restart. Nothing restarts.
#[test]
fn p2_an_update_that_always_panics_is_passed_and_does_not_come_again() {
    run(async {
        let (stage, client) = Stage::new(1).await;
        let poisoned = fragile(&client);
        client.start().await.unwrap();
        for text in ["1", "poison", "2", "poison", "3"] {
            stage.say(text);
        }
        sleep(Duration::from_secs(60)).await;
        assert_eq!(stage.answers(), ["1", "2", "3"]);
        assert_eq!(poisoned.load(Ordering::Relaxed), 2, "each once");
        let dispatcher = client.snapshot().tree.root;
        let dispatcher = dispatcher.find("dispatcher").unwrap();
        assert_eq!((dispatcher.restarts, dispatcher.generation), (0, 1));
        assert!(client.shutdown(Duration::from_secs(5)).await.is_clean());

        let next = stage.another_client(1).await;
        let poisoned = fragile(&next);
        next.start().await.unwrap();
        stage.say("4");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(stage.answers(), ["1", "2", "3", "4"]);
        assert_eq!(
            poisoned.load(Ordering::Relaxed),
            0,
            "the position is past it"
        );
        next.shutdown(Duration::from_secs(5)).await;
    });
}
