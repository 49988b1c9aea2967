//! What the update stream keeps is bounded, whoever takes it or not.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use actogram_actors::updates::{Delivery, Request, UpdateStream};
use actogram_tl::types;

/// A program that only makes calls never sets a sink: what its own calls move must not pile up.
#[test]
fn calls_of_our_own_pile_nothing_up_when_nobody_takes_updates() {
    let now = Duration::ZERO;
    let mut stream = UpdateStream::new();
    stream.start(now, 7, None);
    assert_eq!(stream.poll_request(now), Some(Request::State));
    stream.handle_state(
        now,
        &types::updates::State {
            pts: 1,
            qts: 0,
            date: 1,
            seq: 0,
            unread_count: 0,
        },
    );
    for pts in 2..10_000 {
        stream.handle_affected(now, pts, 1);
    }
    assert_eq!(stream.position().pts, 9_999);
    let mut kept = 0;
    let mut last = None;
    while let Some(delivery) = stream.poll_delivery() {
        kept += 1;
        last = Some(delivery);
    }
    assert!(kept <= 2, "{kept} are kept");
    assert!(matches!(last, Some(Delivery::Moved(at)) if at.pts == 9_999));
}
