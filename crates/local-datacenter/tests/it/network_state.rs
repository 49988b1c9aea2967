//! What outlives a connection, a session's end and a restart, and what does not.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::network_support::*;
use actogram_local_datacenter::{LocalDatacenter, Lost};
use actogram_mtproto::transport::Kind;
use actogram_tl::{Encode, enums, functions, mtproto, types};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CONFIG: functions::help::GetConfig = functions::help::GetConfig;

fn me() -> functions::users::GetUsers {
    functions::users::GetUsers {
        id: vec![enums::InputUser::InputUserSelf],
    }
}

fn send(to: i64, text: &str, random_id: i64) -> functions::messages::SendMessage {
    let peer = types::InputPeerUser {
        user_id: to,
        access_hash: 0,
    };
    functions::messages::SendMessage::new(peer.into(), text.into(), random_id)
}

#[tokio::test]
async fn a_session_goes_on_over_the_next_connection() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "goes_on_bot").await;
    for round in 0..20 {
        let call = client.start(&me());
        if round % 2 == 0 {
            datacenter.cut_connections();
        }
        let (outcome, _) = client.finish_whatever_happens(call).await;
        assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
    }
    assert_eq!(client.sessions_begun, 1);
    assert_eq!(datacenter.counts().1, 1, "one session through all of it");
}

/// R2: a call is carried out once wherever the connection breaks, and its answer comes again.
#[tokio::test]
async fn r2_a_message_is_stored_once_wherever_the_connection_breaks() {
    use actogram_local_datacenter::{Direction, WireFault};
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let reader = operator.create_user("19990000001", "Reader").unwrap();
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "once_bot").await;
    let bot = enums::InputUser::InputUserSelf;
    let users = client
        .invoke(&functions::users::GetUsers { id: vec![bot] })
        .await
        .unwrap();
    let enums::User::User(bot) = &users[0] else {
        panic!()
    };
    // A person must have written first, or a bot may not write.
    let peer = actogram_local_datacenter::model::PeerKey::User(bot.id);
    operator.send_message(reader, peer, "hello").unwrap();

    let mut faults = Vec::new();
    for direction in [Direction::ToServer, Direction::ToClient] {
        for bytes in (0..400).step_by(37) {
            faults.push(WireFault::CutAfter { direction, bytes });
        }
        for payloads in 0..4 {
            faults.push(WireFault::CutAfterPayloads {
                direction,
                payloads,
            });
        }
        for payload in 0..4 {
            faults.push(WireFault::Duplicate { direction, payload });
            faults.push(WireFault::Reorder { direction, payload });
            faults.push(WireFault::Replay {
                direction,
                payload,
                after: 1,
            });
        }
        faults.push(WireFault::Delay {
            direction,
            by: Duration::from_millis(30),
        });
    }
    let count = faults.len();
    for (number, fault) in faults.into_iter().enumerate() {
        datacenter.faults().order(fault.clone());
        client.reconnect().await;
        let call = client.start(&send(
            reader,
            &format!("message {number}"),
            number as i64 + 1,
        ));
        let (outcome, ends) = client.finish_whatever_happens(call).await;
        assert!(
            matches!(outcome, Outcome::Answer(_)),
            "{fault:?}: {outcome:?} after {ends:?}"
        );
        assert_eq!(datacenter.faults().pending(), 0);
    }
    let peer = actogram_local_datacenter::model::PeerKey::User(bot.id);
    let stored: Vec<_> = operator
        .history(reader, peer)
        .into_iter()
        .skip(1)
        .map(|m| m.text)
        .collect();
    let sent: Vec<_> = (0..count)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(stored, sent, "each once and in order");
    assert_eq!(
        operator.counters().executed("messages.sendMessage"),
        count as u64
    );
}

/// R13: a flipped bit anywhere costs the connection, and nothing else.
#[tokio::test]
async fn r13_a_corrupt_byte_at_any_place_costs_a_connection_at_most() {
    use actogram_local_datacenter::{Direction, WireFault};
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "corrupt_bot").await;
    let mut cost = 0;
    for direction in [Direction::ToServer, Direction::ToClient] {
        // The length of a frame lies at its start: turned large, it makes the reader wait, which is a black hole.
        for offset in (8..160).step_by(5) {
            datacenter
                .faults()
                .order(WireFault::Corrupt { direction, offset });
            client.reconnect().await;
            let call = client.start(&me());
            let (outcome, ends) = client.finish_whatever_happens(call).await;
            assert!(
                matches!(outcome, Outcome::Answer(_)),
                "{direction:?} {offset}: {outcome:?}"
            );
            cost += ends.len();
        }
    }
    assert!(cost >= 30, "the faults were there: {cost} connections");
    datacenter.faults().clear();
    client.reconnect().await;
    let call = client.start(&me());
    assert_eq!(
        client.finish_whatever_happens(call).await.1,
        [],
        "the twin costs none"
    );
}

/// R5 (a): sessions are gone, keys and logins are not.
#[tokio::test]
async fn r5_a_restart_that_loses_sessions_is_told_to_the_client() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "lost_session_bot").await;
    datacenter.restart(Lost {
        sessions: true,
        ..Lost::default()
    });
    let call = client.start(&me());
    let (outcome, _) = client.finish_whatever_happens(call).await;
    assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
    assert_eq!(client.sessions_begun, 2);

    datacenter.restart(Lost::default());
    let call = client.start(&me());
    client.finish_whatever_happens(call).await;
    assert_eq!(client.sessions_begun, 2, "the twin loses none");
}

/// R5 (b), R6: whatever becomes of salts, calls are answered.
#[tokio::test]
async fn r5_r6_lost_and_changing_salts_are_no_error_to_calls() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "salty_bot").await;
    for round in 0..30 {
        match round % 3 {
            0 => datacenter.forget_salts(),
            1 => datacenter.rotate_salts(),
            _ => datacenter.restart(Lost {
                salts: true,
                sessions: true,
                ..Lost::default()
            }),
        }
        let call = client.start(&me());
        let (outcome, _) = client.finish_whatever_happens(call).await;
        assert!(
            matches!(outcome, Outcome::Answer(_)),
            "{round}: {outcome:?}"
        );
    }
}

/// R5 (c), R9: a lost key is told by -404 and by nothing else, and a new one can be made.
#[tokio::test]
async fn r9_a_lost_key_is_told_by_a_transport_error() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "lost_key_bot").await;
    let mut other = Client::connect(&datacenter).await;
    other.log_in(&datacenter, "kept_key_bot").await;
    assert!(datacenter.lose_key(client.key.id()));
    assert!(!datacenter.lose_key(client.key.id()));
    client.reconnect().await;
    let call = client.start(&me());
    assert_eq!(client.finish(call).await, Err(End::Error(-404)));
    other.invoke(&me()).await.unwrap();

    datacenter.restart(Lost {
        keys: true,
        ..Lost::default()
    });
    other.reconnect().await;
    let call = other.start(&me());
    assert_eq!(other.finish(call).await, Err(End::Error(-404)));
    Client::connect(&datacenter)
        .await
        .invoke(&CONFIG)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_datacenter_that_is_down_serves_again_when_it_is_up() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "down_bot").await;
    datacenter.faults().refuse_all(true);
    datacenter.cut_connections();
    let call = client.start(&me());
    for _ in 0..3 {
        assert_eq!(client.finish(call).await, Err(End::Closed));
        client.reconnect().await;
    }
    datacenter.faults().refuse_all(false);
    let (outcome, _) = client.finish_whatever_happens(call).await;
    assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
}

/// R8: the server's clock jumps, and the client follows.
#[tokio::test]
async fn r8_the_servers_clock_may_jump() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "clock_bot").await;
    for skew in [3600, -3600, 5 * 86_400, -5 * 86_400, 0] {
        datacenter.clock().set_skew(skew);
        let call = client.start(&me());
        let (outcome, _) = client.finish_whatever_happens(call).await;
        assert!(matches!(outcome, Outcome::Answer(_)), "{skew}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_state_file_keeps_keys_logins_and_the_rsa_key_through_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.sqlite");
    let start = || {
        actogram_local_datacenter::LocalDatacenter::builder()
            .state_file(&state)
            .rsa_key(rsa_key())
            .start()
    };
    let first = start().await.unwrap();
    let mut client = Client::connect(&first).await;
    client.log_in(&first, "kept_bot").await;
    first.shutdown().await;

    let second = start().await.unwrap();
    client.move_to(&second);
    client.reconnect().await;
    let users = client.invoke(&me()).await.unwrap();
    let enums::User::User(user) = &users[0] else {
        panic!("{users:?}")
    };
    assert_eq!(user.username.as_deref(), Some("kept_bot"));
    assert_eq!(client.sessions_begun, 2);
    second.shutdown().await;
}

#[tokio::test]
async fn the_rsa_key_beside_the_state_file_is_made_once_and_only_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.sqlite");
    let builder = || actogram_local_datacenter::LocalDatacenter::builder().state_file(&state);
    let first = builder().start().await.unwrap();
    let fingerprint = first.public_key().fingerprint();
    first.shutdown().await;
    let file = directory.path().join("state.sqlite.key.pem");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = builder().start().await.unwrap();
    assert_eq!(second.public_key().fingerprint(), fingerprint);
    second.shutdown().await;
    std::fs::write(&file, "no key").unwrap();
    let error = builder().start().await.unwrap_err();
    assert!(error.to_string().contains("RSA key"), "{error}");
}

/// A destroyed key is gone for good, and its connection ends once that is said.
#[tokio::test]
async fn destroying_a_key_answers_and_ends_its_connections() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "destroyed_bot").await;
    let call = client.start(&mtproto::functions::DestroyAuthKey);
    let outcome = client.finish(call).await.unwrap();
    let expected = mtproto::enums::DestroyAuthKeyRes::DestroyAuthKeyOk.to_bytes();
    assert_eq!(outcome, Outcome::Answer(expected));
    assert_eq!(client.idle(PATIENCE).await, Err(End::Closed));
    client.reconnect().await;
    let call = client.start(&me());
    assert_eq!(client.finish(call).await, Err(End::Error(-404)));
    assert_eq!(datacenter.counts().1, 0, "its sessions are gone, too");
}

#[tokio::test]
async fn ending_a_login_closes_its_connections_and_no_others() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let ended = operator.create_bot("ended_bot", "Ended").unwrap();
    let mut client = Client::connect(&datacenter).await;
    client.log_in_with(&ended.token).await;
    let mut other = Client::connect(&datacenter).await;
    other.log_in(&datacenter, "unended_bot").await;
    operator.end_logins(ended.id).unwrap();
    assert_eq!(client.idle(PATIENCE).await, Err(End::Closed));
    client.reconnect().await;
    let call = client.start(&me());
    assert_eq!(client.finish(call).await, Err(End::Error(-404)));
    other.invoke(&me()).await.unwrap();
}

/// Updates that nobody acknowledged come again over the next connection, in order and each once.
#[tokio::test]
async fn updates_that_were_on_the_way_come_again() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("pushed_bot", "Pushed").unwrap();
    let person = operator.create_user("19990000002", "Person").unwrap();
    let mut client = Client::connect_over(&datacenter, Kind::Abridged, false).await;
    client.log_in_with(&bot.token).await;
    let peer = || actogram_local_datacenter::model::PeerKey::User(bot.id);
    for round in 0..10 {
        if round % 3 == 1 {
            datacenter.cut_connections();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        operator
            .send_message(person, peer(), &format!("update {round}"))
            .unwrap();
    }
    while client.updates.len() < 10 {
        let count = client.updates.len();
        if client
            .until(|client| client.updates.len() > count)
            .await
            .is_err()
        {
            client.reconnect().await;
            client.start(&CONFIG);
        }
    }
    // Nothing is left that would come twice.
    client.reconnect().await;
    client.idle(Duration::from_millis(300)).await.unwrap();
    assert_eq!(client.updates.len(), 10);
    for (round, update) in client.updates.iter().enumerate() {
        let text = format!("update {round}");
        assert!(
            update
                .windows(text.len())
                .any(|window| window == text.as_bytes()),
            "{round}"
        );
    }
}

#[tokio::test]
async fn a_quick_acknowledgement_comes_for_whoever_asks_and_nobody_else() {
    use actogram_mtproto::session::client::CallRequest;
    let datacenter = datacenter().await;
    for kind in [Kind::Abridged, Kind::Intermediate, Kind::PaddedIntermediate] {
        let mut client = Client::connect_over(&datacenter, kind, true).await;
        client.invoke(&CONFIG).await.unwrap();
        assert!(client.quick_acks.is_empty());
        let mut request = CallRequest::new(CONFIG.to_bytes());
        request.quick_ack = true;
        let call = client.start_request(request);
        client.finish(call).await.unwrap();
        assert_eq!(client.quick_acks.len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn another_session_of_the_key_can_be_destroyed_and_its_own_cannot() {
    let datacenter = datacenter().await;
    let mut client = Client::connect(&datacenter).await;
    client.invoke(&CONFIG).await.unwrap();
    let first = client.session.session_id();
    client.begin_session(0);
    client.invoke(&CONFIG).await.unwrap();
    let own = client.session.session_id();
    assert_ne!(own, first);
    assert_eq!(datacenter.counts(), (1, 2));
    for (session_id, left) in [(own, 2), (first, 1), (first, 1)] {
        client.start(&mtproto::functions::DestroySession { session_id });
        client.idle(Duration::from_millis(100)).await.unwrap();
        assert_eq!(datacenter.counts(), (1, left));
        client.invoke(&CONFIG).await.unwrap();
    }
}

/// What the client puts on the wire for a call, without sending it.
fn withheld(client: &mut Client) -> bytes::Bytes {
    let now = client.now();
    client.disconnect();
    client.session.connected(now);
    client.start(&me());
    client.session.poll_transmit(now).unwrap().payload
}

/// Sends packets of somebody else over another connection, and waits until they were taken.
async fn replay(datacenter: &LocalDatacenter, payloads: &[bytes::Bytes]) {
    // The last one is of a key that nobody has: for it the connection is closed.
    let nobodys = bytes::Bytes::from_static(&[1; 72]);
    let payloads: Vec<_> = payloads.iter().cloned().chain([nobodys]).collect();
    read_to_end(&mut open_and_send(datacenter, &payloads).await).await;
}

async fn open_and_send(datacenter: &LocalDatacenter, payloads: &[bytes::Bytes]) -> TcpStream {
    let mut stream = TcpStream::connect(datacenter.address().unwrap())
        .await
        .unwrap();
    let mut framed = vec![0xef];
    for payload in payloads {
        framed.push(0x7f);
        framed.extend_from_slice(&u32::try_from(payload.len() / 4).unwrap().to_le_bytes()[..3]);
        framed.extend_from_slice(payload);
    }
    stream.write_all(&framed).await.unwrap();
    stream
}

/// R5: whoever captured packets and sends them again when their session is forgotten has nothing carried out.
#[tokio::test]
async fn r5_a_packet_that_was_captured_is_not_carried_out_again_after_a_loss() {
    let datacenter = datacenter().await;
    let executed = || datacenter.operator().counters().executed("users.getUsers");
    let mut client = Client::connect(&datacenter).await;
    client.log_in(&datacenter, "captured_bot").await;
    for round in 0..8 {
        client.sent_payloads.clear();
        client.invoke(&me()).await.unwrap();
        let captured = client.sent_payloads.clone();
        match round % 4 {
            0 => datacenter.forget_sessions(),
            1 => datacenter.restart(Lost {
                sessions: true,
                ..Lost::default()
            }),
            2 => {
                let lost = client.session.session_id();
                let key = client.key.clone();
                let mut other = Client::connect(&datacenter).await;
                other.key = key;
                other.begin_session(0);
                other.start(&mtproto::functions::DestroySession { session_id: lost });
                other.invoke(&CONFIG).await.unwrap();
            }
            _ => {
                let key = client.key.clone();
                let mut other = Client::connect(&datacenter).await;
                other.key = key;
                for _ in 0..64 {
                    other.begin_session(0);
                    other.invoke(&CONFIG).await.unwrap();
                }
            }
        }
        let before = executed();
        // Before the client comes back, and after it did.
        if round >= 4 {
            let call = client.start(&me());
            let (outcome, _) = client.finish_whatever_happens(call).await;
            assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
            assert_eq!(executed(), before + 1);
        }
        let before = executed();
        for _ in 0..2 {
            replay(&datacenter, &captured).await;
            datacenter.forget_sessions();
        }
        assert_eq!(executed(), before, "round {round}");
        let call = client.start(&me());
        let (outcome, _) = client.finish_whatever_happens(call).await;
        assert!(matches!(outcome, Outcome::Answer(_)), "{outcome:?}");
        assert_eq!(executed(), before + 1, "round {round}");
    }

    // The twin: what did not arrive before the loss is carried out after it, by whatever way it comes, and once.
    let payload = withheld(&mut client);
    datacenter.forget_sessions();
    let before = executed();
    for _ in 0..3 {
        replay(&datacenter, std::slice::from_ref(&payload)).await;
        datacenter.forget_sessions();
    }
    assert_eq!(executed(), before + 1);
}

/// A packet that somebody sends again over a connection of his own does not bring him what is meant for the client.
#[tokio::test]
async fn s7_a_replayed_packet_does_not_draw_the_session_to_another_connection() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("drawn_bot", "Drawn").unwrap();
    let person = operator.create_user("19990000003", "Person").unwrap();
    let mut client = Client::connect(&datacenter).await;
    client.log_in_with(&bot.token).await;
    client.sent_payloads.clear();
    client.invoke(&me()).await.unwrap();
    let captured = client.sent_payloads.clone();
    let push = |text: &str| {
        let to = actogram_local_datacenter::model::PeerKey::User(bot.id);
        operator.send_message(person, to, text).unwrap();
    };
    for round in 1..=3 {
        let mut stream = open_and_send(&datacenter, &captured).await;
        push("for the client alone");
        // It comes although the client says nothing that would draw its session back.
        client
            .until(|client| client.updates.len() >= round)
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, b"", "nothing for the thief");
    }

    // The twin: a packet that is new does, since the client itself may have found another way.
    let payload = withheld(&mut client);
    let mut stream = open_and_send(&datacenter, &[payload]).await;
    let mut said = [0; 64];
    stream.read_exact(&mut said).await.unwrap();
}

/// What is pushed to a client that stays away is given up in the end; it is told to ask, once.
#[tokio::test]
async fn a_client_that_missed_too_many_updates_is_told_so_once() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let bot = operator.create_bot("missing_bot", "Missing").unwrap();
    let person = operator.create_user("19990000004", "Person").unwrap();
    let mut client = Client::connect(&datacenter).await;
    client.log_in_with(&bot.token).await;
    let too_long = enums::Updates::UpdatesTooLong.to_bytes();
    let told = |client: &Client| client.updates.iter().filter(|it| **it == too_long).count();
    for (pushes, expected) in [(50, 0), (4200, 1), (50, 1), (9000, 2)] {
        client.disconnect();
        while datacenter.counts().0 > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..pushes {
            let to = actogram_local_datacenter::model::PeerKey::User(bot.id);
            operator.send_message(person, to, "hello").unwrap();
            // The datacenter runs on this thread: now it hands the update to the session.
            tokio::task::yield_now().await;
        }
        client.reconnect().await;
        client.invoke(&CONFIG).await.unwrap();
        client
            .until(|client| told(client) >= expected)
            .await
            .unwrap();
        // What is left is read, so that the next loss is another one.
        client.idle(Duration::from_millis(300)).await.unwrap();
        assert_eq!(told(&client), expected, "after {pushes}");
    }
}
