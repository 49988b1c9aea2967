//! Each attack, mounted on the client core over TCP: what must close the connection does, what must be ignored is, and
//! the call it was mounted on is answered all the same. Rows are those of the security checklist.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::network_support::*;
use actogram_local_datacenter::{Attack, GzipAttack, LocalDatacenter, When};
use actogram_mtproto::{session::client::Ignored, transport::Kind};
use actogram_tl::{enums, functions};
use bytes::Bytes;

fn me() -> functions::users::GetUsers {
    functions::users::GetUsers {
        id: vec![enums::InputUser::InputUserSelf],
    }
}

struct Range {
    datacenter: LocalDatacenter,
    client: Client,
}

/// What an attack on a call led to.
#[derive(Debug)]
struct Effect {
    outcome: Outcome,
    ends: Vec<End>,
    ignored: Ignored,
    updates: usize,
}

impl Range {
    async fn new(kind: Kind) -> Self {
        let datacenter = datacenter().await;
        let mut client = Client::connect_over(&datacenter, kind, false).await;
        client.log_in(&datacenter, "attacked_bot").await;
        datacenter.attacks().record(true);
        Self { datacenter, client }
    }

    async fn mount(&mut self, attack: Attack) -> Effect {
        let Self { datacenter, client } = self;
        let attacks = datacenter.attacks();
        // What was sent before shall not be mistaken for the answer.
        while client.idle(Duration::from_millis(1)).await.is_err() {
            client.reconnect().await;
        }
        let (mounted, before, updates) = (
            attacks.mounted(),
            client.session.ignored(),
            client.updates.len(),
        );
        attacks.order(When::Answer(1), attack.clone());
        let call = client.start(&me());
        let (outcome, mut ends) = client.finish_whatever_happens(call).await;
        // What follows the answer counts as well.
        if let Err(end) = client.idle(Duration::from_millis(20)).await {
            ends.push(end);
            client.reconnect().await;
        }
        assert_eq!(attacks.mounted(), mounted + 1, "{attack:?} was not mounted");
        let mut ignored = client.session.ignored();
        ignored.even_ids -= before.even_ids;
        ignored.replays -= before.replays;
        ignored.out_of_time -= before.out_of_time;
        ignored.containers -= before.containers;
        ignored.unreadable -= before.unreadable;
        ignored.unasked -= before.unasked;
        Effect {
            outcome,
            ends,
            ignored,
            updates: client.updates.len() - updates,
        }
    }

    /// The client closes the connection and the call is answered over the next one.
    async fn closes(&mut self, attack: Attack) {
        let effect = self.mount(attack.clone()).await;
        assert_eq!(effect.ends, [End::Refused], "{attack:?}: {effect:?}");
        assert!(
            matches!(effect.outcome, Outcome::Answer(_)),
            "{attack:?}: {effect:?}"
        );
    }

    /// The client goes on, and counts what it ignored.
    async fn ignores(&mut self, attack: Attack) -> Ignored {
        let effect = self.mount(attack.clone()).await;
        assert_eq!(effect.ends, [], "{attack:?}: {effect:?}");
        assert!(
            matches!(effect.outcome, Outcome::Answer(_)),
            "{attack:?}: {effect:?}"
        );
        assert_eq!(effect.updates, 0, "{attack:?} was taken for an update");
        effect.ignored
    }

    /// The twin: the message is read, and found to answer nothing that was asked.
    async fn reads(&mut self, attack: Attack) {
        let ignored = self.ignores(attack.clone()).await;
        assert_eq!(ignored.unasked, 1, "{attack:?}: {ignored:?}");
    }
}

#[tokio::test]
async fn s1_what_was_not_made_with_the_key_closes_the_connection() {
    let mut range = Range::new(Kind::Intermediate).await;
    for bit in 0..128 {
        range.closes(Attack::FlipKeyBit(bit)).await;
    }
    for block in 0..6 {
        range.closes(Attack::FlipBlock(block)).await;
    }
    range.closes(Attack::DropLastBlock).await;
    range.closes(Attack::SwapBlocks).await;
    range.reads(Attack::Harmless).await;
}

#[tokio::test]
async fn s2_another_key_or_none_closes_the_connection() {
    let mut range = Range::new(Kind::Intermediate).await;
    let other = exchange(range.datacenter.address().unwrap(), Kind::Abridged, false)
        .await
        .unwrap()
        .0
        .id();
    let own = range.client.key.id();
    for id in [other, 1, i64::MIN, own ^ 1] {
        range.closes(Attack::KeyId(id)).await;
    }
    range.closes(Attack::Unencrypted).await;
    range.reads(Attack::KeyId(own)).await;
}

#[tokio::test]
async fn s3_payloads_of_any_wrong_length_close_the_connection() {
    let mut range = Range::new(Kind::Intermediate).await;
    // Four bytes are a transport error, which is not encrypted anyway.
    for length in (8..=100).step_by(4) {
        range.closes(Attack::PayloadLength(length)).await;
    }
    let effect = range.mount(Attack::PayloadLength(4)).await;
    assert!(matches!(effect.ends[..], [End::Error(_)]), "{effect:?}");
    range.reads(Attack::Harmless).await;
}

#[tokio::test]
async fn s4_lengths_and_paddings_out_of_bounds_close_the_connection() {
    let mut range = Range::new(Kind::Intermediate).await;
    for length in [-1, i32::MIN, i32::MAX, 0x7fff_fffc, 3, 5, 4096] {
        range.closes(Attack::DeclaredLength(length)).await;
    }
    for padding in [0, 4, 8, 11, 13, 1028, 1040] {
        range.closes(Attack::Padding(padding)).await;
    }
    for padding in [12, 16, 256, 1020, 1024] {
        range.reads(Attack::Padding(padding)).await;
    }
}

#[tokio::test]
async fn s5_another_session_closes_the_connection() {
    let mut range = Range::new(Kind::Intermediate).await;
    let own = range.client.session.session_id();
    for id in [0, -1, own ^ 1] {
        range.closes(Attack::SessionId(id)).await;
    }
    range.reads(Attack::SessionId(own)).await;
}

#[tokio::test]
async fn s6_even_message_ids_are_ignored() {
    let mut range = Range::new(Kind::Intermediate).await;
    for bits in [0, 2] {
        let ignored = range.ignores(Attack::IdBits(bits)).await;
        assert_eq!((ignored.even_ids, ignored.unasked), (1, 0), "{bits}");
    }
    for bits in [1, 3] {
        range.reads(Attack::IdBits(bits)).await;
    }
}

#[tokio::test]
async fn s7_what_came_before_is_processed_once() {
    let mut range = Range::new(Kind::Intermediate).await;
    for _ in 0..12 {
        range.client.invoke(&me()).await.unwrap();
    }
    for back in [0, 1, 2, 9] {
        let ignored = range.ignores(Attack::Replay(back)).await;
        assert!(
            ignored.replays >= 1 && ignored.unasked == 0,
            "{back}: {ignored:?}"
        );
        let ignored = range.ignores(Attack::ReplayInContainer(back)).await;
        assert!(
            ignored.replays + ignored.containers >= 1 && ignored.unasked == 0,
            "{back} inside: {ignored:?}"
        );
    }
    for _ in 0..1100 {
        range.client.invoke(&me()).await.unwrap();
    }
    for back in [999, 1090] {
        let ignored = range.ignores(Attack::Replay(back)).await;
        assert!(
            ignored.replays + ignored.out_of_time >= 1 && ignored.unasked == 0,
            "{back}: {ignored:?}"
        );
    }
    let ignored = range.ignores(Attack::InnerTwice).await;
    assert_eq!((ignored.unasked, ignored.replays), (1, 1));
}

#[tokio::test]
async fn s8_messages_out_of_time_are_ignored() {
    let mut range = Range::new(Kind::Intermediate).await;
    for seconds in [305, 3600, 86_400, -35, -3600] {
        let ignored = range.ignores(Attack::IdAge(seconds)).await;
        assert_eq!((ignored.out_of_time, ignored.unasked), (1, 0), "{seconds}");
    }
    for seconds in [0, 1, 290, -25] {
        range.reads(Attack::IdAge(seconds)).await;
    }
}

#[tokio::test]
async fn s9_notifications_about_what_was_never_sent_move_nothing() {
    let mut range = Range::new(Kind::Intermediate).await;
    let before = range.client.session.server_second(range.client.now());
    for code in [16, 17, 18, 20, 32, 33, 48, 64] {
        let ignored = range.ignores(Attack::BadMessageUnasked(code)).await;
        assert_eq!(ignored.unasked, 1, "{code}");
    }
    let ignored = range.ignores(Attack::BadSaltUnasked).await;
    assert_eq!(ignored.unasked, 1);
    let after = range.client.session.server_second(range.client.now());
    assert!(
        (0..30).contains(&(after - before)),
        "the clock moved by {}",
        after - before
    );
}

#[tokio::test]
async fn s10_sequence_numbers_of_the_server_may_be_anything() {
    let mut range = Range::new(Kind::Intermediate).await;
    range.ignores(Attack::OddAcknowledgement).await;
    let update = actogram_tl::Encode::to_bytes(&enums::Updates::UpdatesTooLong);
    for content_related in [true, false] {
        let effect = range
            .mount(Attack::Body {
                body: update.clone(),
                content_related,
            })
            .await;
        assert_eq!((effect.updates, effect.ends), (1, vec![]));
    }
}

#[tokio::test]
async fn s11_containers_that_do_not_hold_together_are_dropped_whole() {
    let mut range = Range::new(Kind::Intermediate).await;
    let broken = [
        Attack::ContainerCount(-1),
        Attack::ContainerCount(1),
        Attack::ContainerCount(3),
        Attack::ContainerCount(1025),
        Attack::ContainerCount(i32::MAX),
        Attack::ContainerInContainer,
        Attack::InnerLength(4),
        Attack::InnerLength(-4),
        Attack::InnerLength(1),
        Attack::InnerLength(i32::MAX / 2),
        Attack::InnerLength(-1000),
        Attack::InnerNewerThanContainer,
    ];
    for attack in broken {
        let ignored = range.ignores(attack.clone()).await;
        assert_eq!((ignored.containers, ignored.unasked), (1, 0), "{attack:?}");
    }
    let ignored = range.ignores(Attack::ContainerInGzip).await;
    assert_eq!(
        ignored.unasked, 1,
        "only the message beside it was read: {ignored:?}"
    );
    let ignored = range.ignores(Attack::InnerEvenId).await;
    assert_eq!(
        (ignored.even_ids, ignored.unasked),
        (1, 1),
        "only the message beside it was read"
    );
    let ignored = range.ignores(Attack::ContainerCount(2)).await;
    assert_eq!((ignored.containers, ignored.unasked), (0, 2), "the twin");
}

#[tokio::test]
async fn s12_broken_packing_fails_its_call_and_nothing_else() {
    let mut range = Range::new(Kind::Intermediate).await;
    let broken = [
        GzipAttack::Bomb(64),
        GzipAttack::Nested(1),
        GzipAttack::Nested(100),
        GzipAttack::Cut,
        GzipAttack::Trailing,
        GzipAttack::TwoMembers,
        GzipAttack::Empty,
        GzipAttack::Checksum,
    ];
    for form in broken {
        let effect = range.mount(Attack::Gzip(form)).await;
        assert!(
            matches!(effect.outcome, Outcome::Failed(_)),
            "{form:?}: {effect:?}"
        );
        assert_eq!(effect.ends, [], "{form:?}");
        range.client.invoke(&me()).await.unwrap();
    }
    let effect = range.mount(Attack::Gzip(GzipAttack::Honest)).await;
    assert!(
        matches!(&effect.outcome, Outcome::Error(400, name) if name.starts_with("HONEST")),
        "{effect:?}"
    );
}

#[tokio::test]
async fn s13_s14_bodies_of_any_kind_stop_nothing() {
    use actogram_crypto::random::{Random, SeededRandom};
    let mut range = Range::new(Kind::Intermediate).await;
    let mut random = SeededRandom::from_seed(13);
    for round in 0..200_usize {
        let mut body = vec![0; 4 * (1 + round % 40)];
        random.fill(&mut body);
        // Every other one begins as something that is looked into.
        let known: [u32; 8] = [
            0xf35c_6d01,
            0x73f1_f8dc,
            0x62d6_b459,
            0x9ec2_0908,
            0xa7ef_f811,
            0xae50_0895,
            0x8cc0_d131,
            0x3072_cfa1,
        ];
        if round % 2 == 0 {
            body[..4].copy_from_slice(&known[round / 2 % known.len()].to_le_bytes());
        }
        let effect = range
            .mount(Attack::Body {
                body: Bytes::from(body),
                content_related: round % 3 == 0,
            })
            .await;
        assert!(
            matches!(effect.outcome, Outcome::Answer(_)),
            "{round}: {effect:?}"
        );
        assert_eq!(effect.ends, [], "{round}");
    }
}

#[tokio::test]
async fn s15_a_call_ends_with_its_first_answer() {
    let mut range = Range::new(Kind::Intermediate).await;
    range.reads(Attack::SecondAnswer).await;
}

#[tokio::test]
async fn s16_refusing_everything_ends_in_an_error_and_no_storm() {
    let mut range = Range::new(Kind::Intermediate).await;
    for code in [48, 16, 17, 18, 19, 20, 32, 33, 34, 35, 64, 99] {
        let attacks = range.datacenter.attacks();
        let before = attacks.mounted();
        attacks.refuse_everything(Some(code));
        let call = range.client.start(&me());
        let (outcome, ends) = range.client.finish_whatever_happens(call).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{code}: {outcome:?}");
        let refused = attacks.mounted() - before;
        assert!(
            refused <= 30,
            "{code}: {refused} messages for one call, over {} connections",
            ends.len()
        );
        attacks.clear();
        let call = range.client.start(&me());
        let (outcome, _) = range.client.finish_whatever_happens(call).await;
        assert!(
            matches!(outcome, Outcome::Answer(_)),
            "after {code}: {outcome:?}"
        );
    }
    for attack in [
        Attack::BadSalt,
        Attack::BadMessage(16),
        Attack::BadMessage(32),
        Attack::BadMessage(64),
    ] {
        let effect = range.mount(attack.clone()).await;
        assert!(
            matches!(effect.outcome, Outcome::Answer(_)),
            "{attack:?}: {effect:?}"
        );
    }
}

#[tokio::test]
async fn s17_s18_s19_long_lists_and_unasked_answers_have_no_effect() {
    let mut range = Range::new(Kind::Intermediate).await;
    for attack in [
        Attack::AllInfo(1),
        Attack::AllInfo(100_000),
        Attack::ResendRequest(1),
        Attack::ResendRequest(100_000),
        Attack::DetailedInfo,
        Attack::FutureSalts(1),
        Attack::FutureSalts(50_000),
        Attack::Pong(7),
    ] {
        range.ignores(attack).await;
    }
    let salts = range.ignores(Attack::FutureSalts(64)).await;
    assert_eq!(salts.unasked, 1, "{salts:?}");
}

#[tokio::test]
async fn s22_frames_that_are_none_close_the_connection() {
    let mut range = Range::new(Kind::Intermediate).await;
    range
        .closes(Attack::RawBytes(Bytes::from_static(&[
            0xf0, 0xff, 0xff, 0x7f,
        ])))
        .await;
    range
        .closes(Attack::RawBytes(Bytes::from_static(&[0; 4])))
        .await;
    range
        .closes(Attack::RawBytes(Bytes::from_static(&[
            5, 0, 0, 0, 1, 2, 3, 4, 5,
        ])))
        .await;
    let mut range = Range::new(Kind::Full).await;
    let full: [&'static [u8]; 3] = [
        // Too short, another sequence number, a wrong checksum.
        &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[16, 0, 0, 0, 99, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0],
        &[16, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0],
    ];
    for bytes in full {
        range
            .closes(Attack::RawBytes(Bytes::from_static(bytes)))
            .await;
    }
}

#[tokio::test]
async fn s24_transport_errors_end_a_connection_and_not_the_key() {
    let mut range = Range::new(Kind::Intermediate).await;
    let key = range.client.key.id();
    for code in [-404, -444, -429, -1, i32::MIN] {
        let effect = range.mount(Attack::TransportError(code)).await;
        assert_eq!(effect.ends, [End::Error(code)]);
        assert!(
            matches!(effect.outcome, Outcome::Answer(_)),
            "{code}: {effect:?}"
        );
    }
    assert_eq!(range.client.key.id(), key);
}

#[tokio::test]
async fn attacks_hit_only_whom_and_when_they_are_meant_to() {
    let mut range = Range::new(Kind::Intermediate).await;
    let mut other = Client::connect(&range.datacenter).await;
    other.log_in(&range.datacenter, "spared_bot").await;
    let attacks = range.datacenter.attacks();
    attacks.order_for(range.client.key.id(), When::Answer(3), Attack::Harmless);
    let before = range.client.session.ignored().unasked;
    for _ in 0..5 {
        other.invoke(&me()).await.unwrap();
    }
    assert_eq!(attacks.mounted(), 0);
    for call in 1..=5 {
        range.client.invoke(&me()).await.unwrap();
        let expected = u64::from(call >= 3);
        assert_eq!(
            range.client.session.ignored().unasked - before,
            expected,
            "after {call} calls"
        );
    }
    attacks.order_for(range.client.key.id(), When::Always, Attack::Harmless);
    for _ in 0..5 {
        range.client.invoke(&me()).await.unwrap();
    }
    assert!(range.client.session.ignored().unasked - before >= 6);
    attacks.clear();
    let mounted = attacks.mounted();
    range.client.invoke(&me()).await.unwrap();
    assert_eq!(attacks.mounted(), mounted);
}
