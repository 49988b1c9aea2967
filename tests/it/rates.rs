//! How often a client sends, and what it makes of what it missed.
#![allow(clippy::unwrap_used)]

use std::{future::IntoFuture as _, time::Duration};

use crate::support::virtual_time::{Stage, run};
use actogram::{AccountEvent, CatchUp, KeepRates, Rate, Rates, Settings, prelude::*};
use tokio::time::Instant;

/// Sends so many messages to Ann; tells when the last has gone, in seconds.
async fn sends(client: &Client, ann: i64, count: usize) -> u64 {
    let begun = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for nth in 0..count {
        calls.spawn_local(
            client
                .api()
                .send_message(ann, nth.to_string())
                .into_future(),
        );
    }
    for sent in calls.join_all().await {
        sent.unwrap();
    }
    begun.elapsed().as_secs()
}

#[test]
fn rates_are_kept_where_they_are_asked_for_and_not_in_this_process_by_default() {
    run(async {
        let (stage, client) = Stage::new(1).await;
        assert_eq!(sends(&client, stage.ann, 20).await, 0);
        client.shutdown(Duration::from_secs(5)).await;

        let mut settings = Settings::default();
        settings.api_id = 1;
        settings.api_hash = "local".into();
        settings.bot_token = stage.bot.token.as_str().into();
        settings.calls.rates.keep = KeepRates::Always;
        settings.calls.rates.private_seconds = 10;
        let client = stage
            .client_with(1, |builder| builder.settings(settings))
            .await;
        let mut events = client.events();
        assert_eq!(sends(&client, stage.ann, 12).await, 20);
        let told = std::iter::from_fn(|| events.try_recv().ok())
            .filter(|event| matches!(event, AccountEvent::RateLimited { .. }));
        assert_eq!(told.count(), 1);
        client.shutdown(Duration::from_secs(5)).await;

        // What the program says wins over the settings.
        let mut rates = Rates::default();
        rates.private = Rate::new(1, Duration::from_secs(3));
        let client = stage.client_with(2, |builder| builder.rates(rates)).await;
        assert_eq!(sends(&client, stage.ann, 3).await, 6);
        client.shutdown(Duration::from_secs(5)).await;
    });
}

#[test]
fn what_was_missed_is_handled_or_skipped_as_the_program_chooses() {
    run(async {
        let (stage, client) = Stage::new(2).await;
        client.on_message(async |_cx: Cx, _: Msg| Ok(()));
        client.start().await.unwrap();
        client.shutdown(Duration::from_secs(5)).await;
        for (number, choice) in [(1, CatchUp::Skip), (2, CatchUp::Everything)] {
            stage.say(&format!("missed {number}"));
            let client = stage
                .client_with(number, |builder| builder.catch_up(choice))
                .await;
            client.on_message(async |_cx: Cx, message: Msg| {
                message.reply(message.text()).await.map(drop)
            });
            client.start().await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            stage.say(&format!("new {number}"));
            tokio::time::sleep(Duration::from_secs(5)).await;
            client.shutdown(Duration::from_secs(5)).await;
        }
        assert_eq!(stage.answers(), ["new 1", "missed 2", "new 2"]);
    });
}
