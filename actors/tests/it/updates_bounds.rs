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

/// A stream that follows from `pts` 1.
fn following() -> UpdateStream {
    let mut stream = UpdateStream::new();
    stream.start(Duration::ZERO, 7, None);
    stream.poll_request(Duration::ZERO);
    let state = types::updates::State {
        pts: 1,
        qts: 1,
        date: 1,
        seq: 1,
        unread_count: 0,
    };
    stream.handle_state(Duration::ZERO, &state);
    stream
}

#[test]
fn a10_positions_from_far_ahead_or_below_nought_are_asked_about_ever_more_rarely() {
    for (pts, count) in [
        (i32::MAX, i32::MAX),
        (i32::MAX, 1),
        (i32::MAX, -1),
        (-1, i32::MAX),
        (i32::MIN, 1),
        (1_000, 0),
    ] {
        let mut stream = following();
        let (mut asked, mut delivered) = (0, 0);
        for tenth in 0..6_000 {
            let now = Duration::from_millis(tenth * 100);
            stream.handle_timeout(now);
            if tenth % 10 == 0 {
                let update = types::UpdateDeleteMessages {
                    messages: vec![1],
                    pts,
                    pts_count: count,
                };
                let date = 1;
                let update = update.into();
                stream.handle_updates(now, types::UpdateShort { update, date }.into());
            }
            if stream.poll_request(now).is_some() {
                asked += 1;
                let empty = types::updates::DifferenceEmpty { date: 1, seq: 1 };
                stream.handle_difference(now, empty.into());
            }
            while let Some(delivery) = stream.poll_delivery() {
                delivered += usize::from(matches!(delivery, Delivery::Update { .. }));
            }
        }
        assert!(asked <= 20, "{asked} in ten minutes for {pts}, {count}");
        assert_eq!(stream.position().pts, 1, "{pts}, {count}");
        assert_eq!(delivered, 0, "{pts}, {count}");
    }
}
