//! A world and its clients without sockets or sessions: calls go in as bytes, answers and pushes come out.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actogram_crypto::random::SeededRandom;
use actogram_local_datacenter::model::{
    Answer, IssuedCode, Outcome, Push, Role, UserId, World, WorldConfig,
};
use actogram_local_datacenter::operator::Operator;
use actogram_local_datacenter::rpc::{CallContext, RpcError};
use actogram_local_datacenter::storage::{Journal, MemoryJournal};
use actogram_tl as tl;
use bytes::Bytes;
use tl::{Decode, Encode, Function, RawQuery, enums, functions, types};

pub const START: Duration = Duration::from_secs(1_800_000_000);

static NEXT_KEY: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(100);

/// A world, its clock, and what it pushed.
pub struct Rig {
    pub world: World,
    pub now: Duration,
    pub pushed: BTreeMap<(i64, i64), Vec<Bytes>>,
    pub answers: Vec<Answer>,
    pub revoked: Vec<i64>,
    codes: std::sync::mpsc::Receiver<IssuedCode>,
    next_phone: u64,
}

/// One client: a key, a session, a layer.
#[derive(Clone, Debug)]
pub struct Client {
    pub key: i64,
    pub session: i64,
    pub layer: i32,
    pub initialized: bool,
    pub last_msg_id: i64,
    /// Where it calls.
    pub dc_id: i32,
    pub role: Role,
}

impl Client {
    pub fn next_msg_id(&mut self) -> i64 {
        self.last_msg_id += 4;
        self.last_msg_id
    }

    /// Another session under the same key.
    pub fn sibling(&self, session: i64) -> Self {
        Self {
            session,
            // Answers are told apart by msg_id in this rig.
            last_msg_id: session * 1_000_000,
            ..self.clone()
        }
    }
}

pub fn wrap<F: Function>(layer: i32, function: &F) -> Bytes {
    let init = functions::InitConnection {
        api_id: 1,
        device_model: "rig".into(),
        system_version: "1".into(),
        app_version: "1".into(),
        system_lang_code: "en".into(),
        lang_pack: String::new(),
        lang_code: "en".into(),
        proxy: None,
        params: None,
        query: RawQuery::of(function),
    };
    functions::InvokeWithLayer {
        layer,
        query: RawQuery::of(&init),
    }
    .to_bytes()
}

pub fn result<T: Decode>(body: Bytes) -> Result<T, RpcError> {
    let mut reader = tl::Reader::new(body.clone());
    if reader.peek_u32() == Some(0x2144_ca19) {
        reader.get_i32().unwrap();
        let code = reader.get_i32().unwrap();
        let message = String::from_utf8(reader.get_bytes().unwrap().to_vec()).unwrap();
        return Err(RpcError::new(code, message));
    }
    Ok(T::from_bytes(body).unwrap())
}

impl Rig {
    pub fn new() -> Self {
        Self::with(WorldConfig::default(), Box::new(MemoryJournal))
    }

    pub fn with(config: WorldConfig, journal: Box<dyn Journal>) -> Self {
        let random = Box::new(SeededRandom::from_seed(7));
        Self::around(World::open(config, journal, random).unwrap())
    }

    /// Goes on with a world made elsewhere.
    pub fn around(mut world: World) -> Self {
        let (sender, codes) = std::sync::mpsc::channel();
        world.on_login_code(move |code| sender.send(code.clone()).is_ok());
        Self {
            world,
            now: START,
            pushed: BTreeMap::new(),
            answers: Vec::new(),
            revoked: Vec::new(),
            codes,
            next_phone: 49_151_000_000,
        }
    }

    pub fn client(&mut self) -> Client {
        let key = NEXT_KEY.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Client {
            key,
            session: key * 1000,
            layer: tl::LAYER,
            initialized: false,
            last_msg_id: 4,
            dc_id: 2,
            role: Role::Main,
        }
    }

    /// A client of another datacenter.
    pub fn client_at(&mut self, dc_id: i32) -> Client {
        Client {
            dc_id,
            ..self.client()
        }
    }

    pub fn context(&self, client: &Client, msg_id: i64) -> CallContext {
        CallContext {
            now: self.now,
            dc_id: client.dc_id,
            role: client.role,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            auth_key_id: client.key,
            session_id: client.session,
            msg_id,
        }
    }

    pub fn take(&mut self, outcome: Outcome) {
        self.answers.extend(outcome.answers);
        self.revoked.extend(outcome.revoked_keys);
        for Push {
            auth_key_id,
            session_id,
            body,
        } in outcome.pushes
        {
            self.pushed
                .entry((auth_key_id, session_id))
                .or_default()
                .push(body);
        }
    }

    /// Hands in raw bytes; returns the msg_id.
    pub fn send(&mut self, client: &mut Client, body: Bytes) -> i64 {
        let msg_id = client.next_msg_id();
        let context = self.context(client, msg_id);
        let outcome = self.world.handle(&context, body);
        self.take(outcome);
        msg_id
    }

    pub fn answer(&mut self, msg_id: i64) -> Option<Bytes> {
        let at = self.answers.iter().position(|a| a.msg_id == msg_id)?;
        Some(self.answers.remove(at).body)
    }

    pub fn call<F>(&mut self, client: &mut Client, function: &F) -> Result<F::Response, RpcError>
    where
        F: Function,
        F::Response: Decode,
    {
        let body = if client.initialized {
            function.to_bytes()
        } else {
            client.initialized = true;
            wrap(client.layer, function)
        };
        let msg_id = self.send(client, body);
        result(self.answer(msg_id).expect("an answer at once"))
    }

    pub fn error<F>(&mut self, client: &mut Client, function: &F) -> String
    where
        F: Function,
        F::Response: Decode + std::fmt::Debug,
    {
        self.call(client, function).unwrap_err().to_string()
    }

    pub fn code_for(&self, phone: &str) -> String {
        let issued = self.codes.try_iter().last().expect("a code was issued");
        assert_eq!(issued.phone, phone);
        issued.code
    }

    /// Codes that were issued and not read yet.
    pub fn issued(&self) -> usize {
        self.codes.try_iter().count()
    }

    pub fn send_code(&mut self, client: &mut Client, phone: &str) -> String {
        let sent = self
            .call(
                client,
                &functions::auth::SendCode {
                    phone_number: phone.into(),
                    api_id: 1,
                    api_hash: "hash".into(),
                    settings: code_settings(),
                },
            )
            .unwrap();
        match sent {
            enums::auth::SentCode::SentCode(sent) => sent.phone_code_hash.clone(),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// A person with a fresh number, logged in.
    pub fn person(&mut self, name: &str) -> (Client, UserId) {
        let mut client = self.client();
        self.next_phone += 1;
        let phone = self.next_phone.to_string();
        let hash = self.send_code(&mut client, &phone);
        let code = self.code_for(&phone);
        let needed = self
            .call(&mut client, &sign_in(&phone, &hash, &code))
            .unwrap();
        assert!(matches!(
            needed,
            enums::auth::Authorization::AuthorizationSignUpRequired(_)
        ));
        let authorization = self
            .call(
                &mut client,
                &functions::auth::SignUp {
                    no_joined_notifications: false,
                    phone_number: phone,
                    phone_code_hash: hash,
                    first_name: name.into(),
                    last_name: String::new(),
                },
            )
            .unwrap();
        let id = logged_in(authorization).id;
        (client, id)
    }

    /// Another login of the same person; returns a client that takes updates.
    pub fn second_login(&mut self, user: UserId) -> Client {
        let phone = self
            .world
            .state()
            .user(user)
            .unwrap()
            .phone
            .clone()
            .unwrap();
        let mut client = self.client();
        let hash = self.send_code(&mut client, &phone);
        let code = self.code_for(&phone);
        self.call(&mut client, &sign_in(&phone, &hash, &code))
            .unwrap();
        client
    }

    pub fn take_pushes(&mut self, client: &Client) -> Vec<enums::Updates> {
        self.pushed
            .remove(&(client.key, client.session))
            .unwrap_or_default()
            .into_iter()
            .map(|body| enums::Updates::from_bytes(body).unwrap())
            .collect()
    }

    /// The access hash of `target` as `client` finds it by its username or in what it was sent.
    pub fn input_peer(&mut self, client: &mut Client, username: &str) -> enums::InputPeer {
        let found = self
            .call(
                client,
                &functions::contacts::ResolveUsername {
                    username: username.into(),
                    referer: None,
                },
            )
            .unwrap();
        let enums::contacts::ResolvedPeer::ResolvedPeer(found) = found;
        let user = user(&found.users[0]);
        types::InputPeerUser {
            user_id: user.id,
            access_hash: user.access_hash.unwrap(),
        }
        .into()
    }

    pub fn set_username(&mut self, client: &mut Client, username: &str) {
        self.call(
            client,
            &functions::account::UpdateUsername {
                username: username.into(),
            },
        )
        .unwrap();
    }
}

pub fn code_settings() -> enums::CodeSettings {
    types::CodeSettings::new().into()
}

pub fn sign_in(phone: &str, hash: &str, code: &str) -> functions::auth::SignIn {
    functions::auth::SignIn {
        phone_number: phone.into(),
        phone_code_hash: hash.into(),
        phone_code: Some(code.into()),
        email_verification: None,
    }
}

pub fn user(user: &enums::User) -> &types::User {
    match user {
        enums::User::User(user) => user,
        other => panic!("expected a user, got {other:?}"),
    }
}

pub fn logged_in(authorization: enums::auth::Authorization) -> types::User {
    match authorization {
        enums::auth::Authorization::Authorization(authorization) => {
            user(&authorization.user).clone()
        }
        other => panic!("expected a login, got {other:?}"),
    }
}

pub fn send_message(
    peer: &enums::InputPeer,
    text: &str,
    random_id: i64,
) -> functions::messages::SendMessage {
    functions::messages::SendMessage::new(peer.clone(), text.into(), random_id)
}

pub fn edit_message(
    peer: &enums::InputPeer,
    id: i32,
    text: &str,
) -> functions::messages::EditMessage {
    let mut request = functions::messages::EditMessage::new(peer.clone(), id);
    request.message = Some(text.into());
    request
}

pub fn get_history(peer: &enums::InputPeer) -> functions::messages::GetHistory {
    functions::messages::GetHistory {
        peer: peer.clone(),
        offset_id: 0,
        offset_date: 0,
        add_offset: 0,
        limit: 100,
        max_id: 0,
        min_id: 0,
        hash: 0,
    }
}

pub fn reply_to(id: i32) -> enums::InputReplyTo {
    types::InputReplyToMessage::new(id).into()
}

/// The updates of a container.
pub fn updates(container: &enums::Updates) -> Vec<enums::Update> {
    match container {
        enums::Updates::Updates(container) => container.updates.clone(),
        enums::Updates::UpdateShort(short) => vec![short.update.clone()],
        other => panic!("expected updates, got {other:?}"),
    }
}

/// The messages of an answer.
pub fn messages(answer: enums::messages::Messages) -> Vec<enums::Message> {
    match answer {
        enums::messages::Messages::Messages(answer) => answer.messages.clone(),
        enums::messages::Messages::MessagesSlice(answer) => answer.messages.clone(),
        other => panic!("expected messages, got {other:?}"),
    }
}

pub fn message(message: &enums::Message) -> &types::Message {
    match message {
        enums::Message::Message(message) => message,
        other => panic!("expected a message, got {other:?}"),
    }
}

/// The only new message in a list of containers.
pub fn only_new_message(pushes: &[enums::Updates]) -> types::Message {
    let new: Vec<_> = pushes
        .iter()
        .flat_map(updates)
        .filter_map(|update| match update {
            enums::Update::UpdateNewMessage(update) => Some(message(&update.message).clone()),
            _ => None,
        })
        .collect();
    assert_eq!(new.len(), 1, "{pushes:?}");
    new[0].clone()
}

/// Lets the operator give orders; what these push is taken as after a call.
pub fn operate<R>(rig: &mut Rig, orders: impl FnOnce(&Operator) -> R) -> R {
    let now = rig.now;
    let world = std::mem::replace(&mut rig.world, Rig::new().world);
    let world = Arc::new(Mutex::new(world));
    let (outbox, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
    let operator = Operator::new(Arc::clone(&world), Arc::new(move || now), outbox);
    let result = orders(&operator);
    drop(operator);
    rig.world = Arc::into_inner(world).unwrap().into_inner().unwrap();
    while let Ok(outcome) = outcomes.try_recv() {
        rig.take(outcome);
    }
    result
}

impl Rig {
    /// A bot, logged in.
    pub fn bot(&mut self, username: &str) -> (Client, UserId) {
        let account = operate(self, |operator| {
            operator.create_bot(username, "Bot").unwrap()
        });
        let mut client = self.client();
        let login = functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: 1,
            api_hash: "h".into(),
            bot_auth_token: account.token,
        };
        self.call(&mut client, &login).unwrap();
        (client, account.id)
    }
}

/// Alice and Bob, who know each other's username.
pub struct Pair {
    pub rig: Rig,
    pub alice: Client,
    pub bob: Client,
    pub alice_id: UserId,
    pub bob_id: UserId,
    pub to_bob: enums::InputPeer,
    pub to_alice: enums::InputPeer,
}

pub fn pair_with(config: WorldConfig) -> Pair {
    let mut rig = Rig::with(config, Box::new(MemoryJournal));
    let (mut alice, alice_id) = rig.person("Alice");
    let (mut bob, bob_id) = rig.person("Bob");
    rig.set_username(&mut alice, "alice_a");
    rig.set_username(&mut bob, "bob_bob");
    let to_bob = rig.input_peer(&mut alice, "bob_bob");
    let to_alice = rig.input_peer(&mut bob, "@Alice_A");
    rig.pushed.clear();
    Pair {
        rig,
        alice,
        bob,
        alice_id,
        bob_id,
        to_bob,
        to_alice,
    }
}

pub fn pair() -> Pair {
    pair_with(WorldConfig::default())
}

pub fn input_user(peer: &enums::InputPeer) -> enums::InputUser {
    match peer {
        enums::InputPeer::InputPeerUser(peer) => types::InputUser {
            user_id: peer.user_id,
            access_hash: peer.access_hash,
        }
        .into(),
        other => panic!("{other:?}"),
    }
}
