//! A line that is slow is not a line that is dead.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{World, call, virtual_time};
use actogram_actors::AccountEvent;
use actogram_local_datacenter::{WireFault, model::PeerKey};
use actogram_tl::{enums, functions, types};

/// The answer takes more than 25 s to arrive; a silence of that length would be the end of the connection.
#[test]
fn r10_a_large_answer_over_a_slow_line_is_no_silence() {
    virtual_time(|| async {
        let world = World::new().await;
        let person = world.user("+9996600001").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        for number in 0..40 {
            // Nothing that could be packed.
            let text: String = (0_u64..4000)
                .map(|at| {
                    let mixed = (at + 4000 * number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                    char::from(b'!' + u8::try_from(mixed % 90).unwrap())
                })
                .collect();
            operator
                .send_message(ann, PeerKey::User(person.id), &text)
                .unwrap();
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut events = person.account.events();
        world.datacenter.faults().order(WireFault::Throttle {
            bytes: 512,
            pause: Duration::from_millis(800),
        });
        world.datacenter.cut_connections();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let ann_peer: enums::Peer = types::PeerUser { user_id: ann }.into();
        let peer = person.account.input_peer(&ann_peer).await.unwrap().unwrap();
        let began = tokio::time::Instant::now();
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
        call(&person.account, &history).await.unwrap();
        let took = began.elapsed();
        let cuts = std::iter::from_fn(|| events.try_recv().ok())
            .filter(|event| matches!(event, AccountEvent::Disconnected { .. }))
            .count();
        assert_eq!(cuts, 1, "the ordered one only; the answer took {took:?}");
        assert!(
            took > Duration::from_secs(25),
            "the line was fast: {took:?}"
        );
        person.account.shutdown(Duration::from_secs(5)).await;
    });
}
