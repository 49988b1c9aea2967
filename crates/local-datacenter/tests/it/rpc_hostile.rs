//! No call, however strange, makes the datacenter panic, hang or forget to answer.
#![allow(clippy::unwrap_used)]

use crate::rpc_support::*;
use actogram_local_datacenter::rpc::BUILT;
use actogram_tl as tl;
use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use tl::{Encode, enums, functions, types};

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![
        Just(i32::MIN),
        Just(-1),
        Just(0),
        Just(1),
        Just(i32::MAX),
        -5..20_i32,
        any::<i32>()
    ]
}

fn entity() -> impl Strategy<Value = enums::MessageEntity> {
    (number(), number(), 0..3_u8).prop_map(|(offset, length, kind)| match kind {
        0 => types::MessageEntityBold { offset, length }.into(),
        1 => types::MessageEntityDiffInsert { offset, length }.into(),
        _ => types::InputMessageEntityMentionName {
            offset,
            length,
            user_id: enums::InputUser::InputUserSelf,
        }
        .into(),
    })
}

fn peer() -> impl Strategy<Value = enums::InputPeer> {
    prop_oneof![
        3 => Just(enums::InputPeer::InputPeerSelf),
        1 => Just(enums::InputPeer::InputPeerEmpty),
        1 => any::<i64>().prop_map(|chat_id| types::InputPeerChat { chat_id }.into()),
        1 => (any::<i64>(), any::<i64>())
            .prop_map(|(user_id, access_hash)| types::InputPeerUser { user_id, access_hash }.into()),
    ]
}

fn strange_call() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        (
            peer(),
            ".{0,40}",
            any::<i64>(),
            proptest::option::of(proptest::collection::vec(entity(), 0..4)),
            number()
        )
            .prop_map(|(peer, text, random_id, entities, reply)| {
                let mut request = send_message(&peer, &text, random_id);
                request.entities = entities;
                request.reply_to = (reply > 3).then(|| reply_to(reply));
                request.to_bytes()
            }),
        (peer(), number(), ".{0,40}")
            .prop_map(|(peer, id, text)| edit_message(&peer, id, &text).to_bytes()),
        (
            peer(),
            [number(), number(), number(), number(), number(), number()]
        )
            .prop_map(|(peer, n)| {
                functions::messages::GetHistory {
                    peer,
                    offset_id: n[0],
                    offset_date: n[1],
                    add_offset: n[2],
                    limit: n[3],
                    max_id: n[4],
                    min_id: n[5],
                    hash: 0,
                }
                .to_bytes()
            }),
        (
            number(),
            number(),
            proptest::option::of(number()),
            proptest::option::of(number())
        )
            .prop_map(|(pts, date, pts_limit, pts_total_limit)| {
                functions::updates::GetDifference {
                    pts,
                    pts_limit,
                    pts_total_limit,
                    date,
                    qts: 0,
                    qts_limit: None,
                }
                .to_bytes()
            }),
        (number(), number(), number(), peer()).prop_map(
            |(offset_date, offset_id, limit, offset_peer)| {
                functions::messages::GetDialogs {
                    exclude_pinned: false,
                    folder_id: None,
                    offset_date,
                    offset_id,
                    offset_peer,
                    limit,
                    hash: 0,
                }
                .to_bytes()
            }
        ),
        (peer(), number()).prop_map(|(peer, max_id)| functions::messages::ReadHistory {
            peer,
            max_id
        }
        .to_bytes()),
        proptest::collection::vec(number(), 0..4)
            .prop_map(|id| functions::messages::DeleteMessages { revoke: true, id }.to_bytes()),
        (peer(), number(), any::<bool>()).prop_map(|(peer, max_id, revoke)| {
            functions::messages::DeleteHistory {
                just_clear: false,
                revoke,
                peer,
                max_id,
                min_date: None,
                max_date: Some(max_id),
            }
            .to_bytes()
        }),
        (
            0..BUILT.len(),
            proptest::collection::vec(any::<u8>(), 0..64)
        )
            .prop_map(|(method, tail)| {
                let mut body = BytesMut::new();
                body.put_u32_le(tl::tables::function_by_name(BUILT[method]).unwrap().id);
                body.put_slice(&tail);
                body.freeze()
            }),
        proptest::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_gets_one_answer(calls in proptest::collection::vec(strange_call(), 1..40)) {
        let mut rig = Rig::new();
        let (mut client, id) = rig.person("Alice");
        for call in calls {
            // A random tail may well be a valid log-out.
            if rig.world.state().account_of(client.key).is_none() {
                break;
            }
            let msg_id = rig.send(&mut client, call);
            if rig.world.poll_timeout().is_none() {
                prop_assert!(rig.answer(msg_id).is_some());
                prop_assert!(rig.answer(msg_id).is_none());
            }
        }
        let mailbox = rig.world.state().mailbox(id).unwrap();
        let counted: i32 = mailbox.log.values().map(|entry| entry.count).sum();
        prop_assert_eq!(mailbox.pts, 1 + counted);
    }
}

#[test]
fn every_built_method_is_in_the_schema_once() {
    let mut names = BUILT.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), BUILT.len());
    for name in names {
        assert!(tl::tables::function_by_name(name).is_some(), "{name}");
    }
}
