//! The operator: makes accounts, plays counterparts, reads what happened, orders faults.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::rpc_support::*;
use actogram_crypto::random::SeededRandom;
use actogram_local_datacenter::model::{Outcome, PeerKey, Role, World, WorldConfig};
use actogram_local_datacenter::operator::{Operator, OperatorError};
use actogram_local_datacenter::rpc::{CallContext, PushFault};
use actogram_local_datacenter::storage::MemoryJournal;
use actogram_tl as tl;
use tl::{Decode, Encode, Function, enums, functions};
use tokio::sync::mpsc::UnboundedReceiver;

struct Stage {
    world: Arc<Mutex<World>>,
    operator: Operator,
    outbox: UnboundedReceiver<Outcome>,
}

fn stage() -> Stage {
    let world = World::open(
        WorldConfig::default(),
        Box::new(MemoryJournal),
        Box::new(SeededRandom::from_seed(3)),
    )
    .unwrap();
    let world = Arc::new(Mutex::new(world));
    let (sender, outbox) = tokio::sync::mpsc::unbounded_channel();
    let operator = Operator::new(Arc::clone(&world), Arc::new(|| START), sender);
    Stage {
        world,
        operator,
        outbox,
    }
}

impl Stage {
    fn call<F>(
        &self,
        key: i64,
        msg_id: i64,
        function: &F,
    ) -> Result<F::Response, actogram_local_datacenter::rpc::RpcError>
    where
        F: Function,
        F::Response: Decode,
    {
        let context = CallContext {
            now: START,
            dc_id: 2,
            role: Role::Main,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            auth_key_id: key,
            session_id: key,
            msg_id,
        };
        let body = wrap(tl::LAYER, function);
        let outcome = self.world.lock().unwrap().handle(&context, body);
        result(outcome.answers[0].body.clone())
    }

    fn log_in(&self, key: i64, phone: &str) {
        let mut codes = self.operator.login_codes();
        let sent = self
            .call(
                key,
                4,
                &functions::auth::SendCode {
                    phone_number: phone.into(),
                    api_id: 1,
                    api_hash: "h".into(),
                    settings: code_settings(),
                },
            )
            .unwrap();
        let enums::auth::SentCode::SentCode(sent) = sent else {
            panic!("{sent:?}")
        };
        let code = codes.try_next().unwrap();
        assert_eq!(code.phone, phone);
        self.call(key, 8, &sign_in(phone, &sent.phone_code_hash, &code.code))
            .unwrap();
    }

    fn pushed(&mut self) -> Vec<enums::Updates> {
        let mut all = Vec::new();
        while let Ok(outcome) = self.outbox.try_recv() {
            all.extend(
                outcome
                    .pushes
                    .into_iter()
                    .map(|push| enums::Updates::from_bytes(push.body).unwrap()),
            );
        }
        all
    }
}

#[test]
fn accounts_are_made_once_and_checked() {
    let s = stage();
    let alice = s.operator.create_user("+49 151 0000", "Alice").unwrap();
    assert!(matches!(
        s.operator.create_user("491510000", "Twin"),
        Err(OperatorError::Phone { .. })
    ));
    assert!(matches!(
        s.operator.create_user("12", "Short"),
        Err(OperatorError::Phone { .. })
    ));
    assert_eq!(
        s.operator.create_user("4915100009", " "),
        Err(OperatorError::EmptyName)
    );
    let bot = s.operator.create_bot("@echo_bot", "Echo").unwrap();
    assert!(!format!("{bot:?}").contains(&bot.token));
    assert!(bot.token.starts_with(&format!("{}:", bot.id)));
    assert!(matches!(
        s.operator.create_bot("ECHO_bot", "Twin"),
        Err(OperatorError::Username { .. })
    ));
    for token in ["", "1", "1:", "x:y", "0:y", "-5:y", &bot.token] {
        assert!(
            matches!(
                s.operator.create_bot_with_token("second_bot", "B", token),
                Err(OperatorError::Token { .. })
            ),
            "{token}"
        );
    }
    let own = s
        .operator
        .create_bot_with_token("second_bot", "B", "42:secret")
        .unwrap();
    assert_eq!((own.id, own.token.as_str()), (42, "42:secret"));
    s.operator.set_username(alice, Some("alice_a")).unwrap();
    s.operator.set_username(alice, Some("ALICE_a")).unwrap();
    assert!(s.operator.set_username(alice, Some("echo_bot")).is_err());
    assert_eq!(
        s.operator.set_username(1, None),
        Err(OperatorError::Unknown { id: 1 })
    );
    let shown = format!("{:?}", s.operator.inspect(|w| format!("{:?}", w.state())));
    assert!(!shown.contains("secret\""), "tokens are not printed");
    let hexadecimal: String = "42:secret".bytes().map(|b| format!("{b:02x}")).collect();
    assert!(!shown.contains(&hexadecimal));
}

#[test]
fn a_counterpart_is_played_and_overheard() {
    let mut s = stage();
    let alice = s.operator.create_user("4915100001", "Alice").unwrap();
    let bob = s.operator.create_user("4915100002", "Bob").unwrap();
    s.log_in(1, "4915100001");
    let id = s
        .operator
        .send_message(bob, PeerKey::User(alice), "psst")
        .unwrap();
    let pushed = s.pushed();
    assert_eq!(only_new_message(&pushed).message, "psst");
    assert_eq!(
        s.operator.send_message(bob, PeerKey::User(alice), ""),
        Err(OperatorError::Refused(
            actogram_local_datacenter::rpc::RpcError::new(400, "MESSAGE_EMPTY")
        ))
    );
    let history = s.operator.history(alice, PeerKey::User(bob));
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].from, history[0].text.as_str()), (bob, "psst"));
    assert_eq!(s.operator.history(bob, PeerKey::User(alice))[0].id, id);
    assert_eq!(s.operator.dialogs(alice), [PeerKey::User(bob)]);
    assert_eq!(s.operator.stored_messages(), 1);
    let state = s
        .operator
        .invoke_as(alice, &functions::updates::GetState)
        .unwrap();
    let enums::updates::State::State(state) = state;
    assert_eq!(state.unread_count, 1);
}

#[test]
fn groups_are_made_and_calls_are_made_in_anybodys_name() {
    let mut s = stage();
    let alice = s.operator.create_user("4915100001", "Alice").unwrap();
    let bot = s.operator.create_bot("echo_bot", "Echo").unwrap();
    s.log_in(1, "4915100001");
    let chat = s.operator.create_chat(alice, &[bot.id], "Group").unwrap();
    assert_eq!(s.operator.members(chat), [alice, bot.id]);
    let to = s.operator.input_peer(bot.id, PeerKey::Chat(chat)).unwrap();
    s.pushed();
    s.operator
        .invoke_as(bot.id, &send_message(&to, "hello group", 1))
        .unwrap();
    assert_eq!(only_new_message(&s.pushed()).message, "hello group");
    let me = s.operator.input_user(alice, alice).unwrap();
    let users = s
        .operator
        .invoke_as(alice, &functions::users::GetUsers { id: vec![me] })
        .unwrap();
    assert_eq!(user(&users[0]).id, alice);
    assert_eq!(
        s.operator.create_chat(alice, &[5], "Group"),
        Err(OperatorError::Unknown { id: 5 })
    );
    assert_eq!(
        s.operator.create_chat(alice, &[], "Group"),
        Err(OperatorError::Refused(
            actogram_local_datacenter::rpc::RpcError::new(400, "USERS_TOO_FEW")
        ))
    );
}

#[test]
fn faults_are_ordered_and_counted() {
    let mut s = stage();
    let alice = s.operator.create_user("4915100001", "Alice").unwrap();
    s.log_in(1, "4915100001");
    s.operator.flood_wait("updates.getState", 7, 2);
    for msg_id in [12, 16] {
        assert_eq!(
            s.call(1, msg_id, &functions::updates::GetState)
                .unwrap_err()
                .to_string(),
            "420 FLOOD_WAIT_7"
        );
    }
    s.call(1, 20, &functions::updates::GetState).unwrap();
    let counters = s.operator.counters();
    assert_eq!(counters.executed("updates.getState"), 1);
    assert_eq!(counters.refused("updates.getState"), 2);
    s.pushed();
    s.operator.disturb_updates(alice, PushFault::Withhold, 1);
    s.operator.notify(alice, "TEST", "withheld").unwrap();
    s.operator.notify(alice, "TEST", "shown").unwrap();
    let pushed = s.pushed();
    assert_eq!(pushed.len(), 1);
    assert!(matches!(
        &updates(&pushed[0])[0],
        enums::Update::UpdateServiceNotification(u) if u.message == "shown"
    ));
    s.operator.push_too_long(alice).unwrap();
    assert_eq!(s.pushed(), [enums::Updates::UpdatesTooLong]);
    let note = send_message(&enums::InputPeer::InputPeerSelf, "x", 1);
    s.call(1, 24, &note).unwrap();
    s.operator.forget_updates(alice).unwrap();
    let ask = functions::updates::GetDifference {
        pts: 1,
        pts_limit: None,
        pts_total_limit: None,
        date: 1,
        qts: 0,
        qts_limit: None,
    };
    assert!(matches!(
        s.call(1, 28, &ask).unwrap(),
        enums::updates::Difference::DifferenceTooLong(d) if d.pts == 2
    ));
    s.operator
        .delay_answers("updates.getState", Duration::from_secs(1), 1);
    let context = CallContext {
        now: START,
        dc_id: 2,
        role: Role::Main,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        auth_key_id: 1,
        session_id: 1,
        msg_id: 32,
    };
    let body = functions::updates::GetState.to_bytes();
    let outcome = s.world.lock().unwrap().handle(&context, body);
    assert_eq!(outcome.answers.len(), 0);
}

#[test]
fn ended_logins_are_gone() {
    let mut s = stage();
    let alice = s.operator.create_user("4915100001", "Alice").unwrap();
    s.log_in(1, "4915100001");
    s.operator.end_logins(alice).unwrap();
    let revoked: Vec<i64> = std::iter::from_fn(|| s.outbox.try_recv().ok())
        .flat_map(|outcome| outcome.revoked_keys)
        .collect();
    assert_eq!(revoked, [1]);
    assert_eq!(
        s.call(1, 40, &functions::updates::GetState)
            .unwrap_err()
            .to_string(),
        "401 AUTH_KEY_UNREGISTERED"
    );
}

#[tokio::test]
async fn login_codes_are_awaited_by_number() {
    let s = stage();
    let mut codes = s.operator.login_codes();
    for (key, phone) in [(1, "4915100001"), (2, "9996632222")] {
        s.call(
            key,
            4,
            &functions::auth::SendCode {
                phone_number: phone.into(),
                api_id: 1,
                api_hash: "h".into(),
                settings: code_settings(),
            },
        )
        .unwrap();
    }
    assert_eq!(
        codes.next_for("+9996632222").await.as_deref(),
        Some("33333")
    );
}
