//! Calls of any size: what fits no packet is an error of the call and of nothing else.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{World, virtual_time};
use actogram_actors::{CallError, CallErrorClass};
use actogram_crypto::random::{Random, SeededRandom};
use actogram_tl::{Encode, functions};

#[test]
fn a_call_that_fits_no_packet_fails_and_the_others_go_on() {
    virtual_time(|| async {
        let world = World::new().await;
        let bot = world.bot("heavy_bot").await;
        let dialled = world.connects.load(std::sync::atomic::Ordering::Relaxed);
        let mut noise = vec![0; 5 << 20];
        SeededRandom::from_seed(1).fill(&mut noise);
        let part = functions::upload::SaveFilePart {
            file_id: 1,
            file_part: 0,
            bytes: noise.into(),
        };
        let error = bot
            .account
            .invoke_raw(part.to_bytes(), Default::default())
            .await
            .unwrap_err();
        let CallError::TooLarge { length, most } = &error else {
            panic!("{error}");
        };
        assert!(length > most && *most > 1 << 20, "{error}");
        assert_eq!(error.class(), CallErrorClass::Rpc);
        let small = functions::help::GetConfig.to_bytes();
        bot.account
            .invoke_raw(small, Default::default())
            .await
            .unwrap();
        assert_eq!(
            world.connects.load(std::sync::atomic::Ordering::Relaxed),
            dialled,
            "the connection stays"
        );
        bot.account.shutdown(Duration::from_secs(5)).await;
    });
}
