//! The operator of a datacenter: makes accounts, plays counterparts, reads what happened, orders faults.

mod bots;
mod cdn;
mod channels;
mod datacenters;
mod documents;
mod logins;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actogram_tl as tl;
use bytes::Bytes;
use tl::{enums, functions, types};
use tokio::sync::mpsc;

use crate::model::{
    Bot, ChatId, Event, IssuedCode, Message, Outcome, PeerKey, SecretBytes, SeqChange, User,
    UserId, World, normalize_phone,
};
use crate::rpc::{
    Call, Counters, Delay, PushFault, RpcError, RpcFault, UpdateFaultRates, UpdateFaultScope, When,
    access_hash, channel_access_hash, clean_name, is_username,
};

/// First id of bots that are made without a token of their own.
const FIRST_BOT_ID: UserId = 7_000_000_001;

/// Tells the unix time.
pub type UnixClock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The phone number is none, or has an account.
    #[error("the phone number {phone:?} cannot be used: {why}")]
    Phone {
        /// The number.
        phone: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The username has the wrong form, or is taken.
    #[error("the username {username:?} cannot be used: {why}")]
    Username {
        /// The name.
        username: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name is empty.
    #[error("the first name is empty; give at least one visible character")]
    EmptyName,
    /// The token has the wrong form, or its id is taken.
    #[error("the bot token cannot be used: {why}; its form is id:secret, as 7000000001:AAHk")]
    Token {
        /// What is wrong with it.
        why: &'static str,
    },
    /// No datacenter with accounts has this number.
    #[error("there is no datacenter {dc_id} with accounts; name it with `Builder::datacenters`")]
    Datacenter {
        /// The number.
        dc_id: i32,
    },
    /// No CDN has this number.
    #[error("there is no CDN {dc_id}; add one with `Builder::endpoint(Endpoint::cdn({dc_id}))`")]
    Cdn {
        /// The number.
        dc_id: i32,
    },
    /// There is no such account or group.
    #[error("there is no account or group with the id {id}")]
    Unknown {
        /// The id.
        id: i64,
    },
    /// The method that was called in an account's name refused.
    #[error("refused with the RPC error {0}")]
    Refused(#[from] RpcError),
    /// The journal failed.
    #[error("the datacenter's state could not be stored: {0}")]
    Storage(String),
}

/// An account the operator made.
#[derive(Clone, PartialEq, Eq)]
pub struct BotAccount {
    /// Its id.
    pub id: UserId,
    /// The token it logs in with; not shown by `Debug`.
    pub token: String,
}

impl fmt::Debug for BotAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BotAccount")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A message as the operator reads it in somebody's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its id in that mailbox.
    pub id: i32,
    /// The author.
    pub from: UserId,
    /// Unix time of sending.
    pub date: i32,
    /// Unix time of the last edit.
    pub edit_date: Option<i32>,
    /// The text; empty in service messages.
    pub text: String,
    /// Id of the answered message in the same mailbox.
    pub reply_to: Option<i32>,
    /// Whether it is a service message.
    pub service: bool,
}

/// Login codes as they are issued.
#[derive(Debug)]
pub struct LoginCodes(mpsc::UnboundedReceiver<IssuedCode>);

impl LoginCodes {
    /// The next code; nothing after the datacenter ended.
    pub async fn next(&mut self) -> Option<IssuedCode> {
        self.0.recv().await
    }

    /// The next code for this number (digits, with or without `+`); others are passed over.
    pub async fn next_for(&mut self, phone: &str) -> Option<String> {
        let phone = normalize_phone(phone)?;
        loop {
            let issued = self.0.recv().await?;
            if issued.phone == phone {
                return Some(issued.code);
            }
        }
    }

    /// A code that was issued already.
    pub fn try_next(&mut self) -> Option<IssuedCode> {
        self.0.try_recv().ok()
    }
}

/// The operator of a datacenter. Cheap to clone; every order takes effect before it returns.
#[derive(Clone)]
pub struct Operator {
    world: Arc<Mutex<World>>,
    clock: UnixClock,
    outbox: mpsc::UnboundedSender<Outcome>,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

impl Operator {
    /// An operator of `world`. What its orders push goes to `outbox`, to be delivered as after
    /// [`World::handle`](crate::model::World::handle).
    pub fn new(
        world: Arc<Mutex<World>>,
        clock: UnixClock,
        outbox: mpsc::UnboundedSender<Outcome>,
    ) -> Self {
        Self {
            world,
            clock,
            outbox,
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // The world is consistent between events, so a panic elsewhere leaves it usable.
        self.world
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn act<R>(
        &self,
        order: impl FnOnce(&mut World, Duration) -> Result<R, OperatorError>,
    ) -> Result<R, OperatorError> {
        let mut world = self.lock();
        let due = world.poll_timeout();
        let result = order(&mut world, (self.clock)());
        let stored = world.flush();
        let outcome = world.take_outcome();
        // What was put off is told too: whoever delivers sleeps until the next thing that is due.
        let rescheduled = world.poll_timeout() != due;
        drop(world);
        if outcome != Outcome::default() || rescheduled {
            // Nobody listens after the datacenter was shut down; the order is recorded all the same.
            let _ = self.outbox.send(outcome);
        }
        stored.map_err(|error| OperatorError::Storage(error.to_string()))?;
        result
    }

    /// Reads the state.
    pub fn inspect<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&self.lock())
    }

    /// Makes a person with this phone number (7 to 15 digits), or refuses if it has an account.
    ///
    /// # Errors
    /// [`OperatorError::Phone`], [`OperatorError::EmptyName`].
    pub fn create_user(&self, phone: &str, first_name: &str) -> Result<UserId, OperatorError> {
        let refuse = |why| OperatorError::Phone {
            phone: phone.to_owned(),
            why,
        };
        let digits = normalize_phone(phone).ok_or(refuse("expected 7 to 15 digits"))?;
        let first_name = clean_name(first_name).ok_or(OperatorError::EmptyName)?;
        self.act(|world, now| {
            if world.state().user_by_phone(&digits).is_some() {
                return Err(refuse("it has an account already"));
            }
            let id = world.next_user_id();
            world.commit(Event::UserPut(User {
                id,
                first_name,
                last_name: None,
                username: None,
                phone: Some(digits),
                about: String::new(),
                bot: None,
                deleted: false,
                registered: seconds(now),
                premium: false,
            }));
            Ok(id)
        })
    }

    /// Makes a bot with a username (which Telegram wants to end in `bot`) and a token of the datacenter's choice.
    ///
    /// # Errors
    /// [`OperatorError::Username`], [`OperatorError::EmptyName`].
    pub fn create_bot(&self, username: &str, name: &str) -> Result<BotAccount, OperatorError> {
        self.new_bot(username, name, None)
    }

    /// Makes a bot with a given token, `id:secret`.
    ///
    /// # Errors
    /// [`OperatorError::Token`], and those of [`Operator::create_bot`].
    pub fn create_bot_with_token(
        &self,
        username: &str,
        name: &str,
        token: &str,
    ) -> Result<BotAccount, OperatorError> {
        self.new_bot(username, name, Some(token))
    }

    fn new_bot(
        &self,
        username: &str,
        name: &str,
        token: Option<&str>,
    ) -> Result<BotAccount, OperatorError> {
        let username = username.strip_prefix('@').unwrap_or(username);
        let first_name = clean_name(name).ok_or(OperatorError::EmptyName)?;
        let given = match token {
            None => None,
            Some(token) => {
                let id = token
                    .split_once(':')
                    .filter(|(_, secret)| !secret.is_empty())
                    .and_then(|(id, _)| id.parse::<UserId>().ok())
                    .filter(|id| (1..=0xff_ffff_ffff).contains(id))
                    .ok_or(OperatorError::Token {
                        why: "it has another form",
                    })?;
                Some((id, token.to_owned()))
            }
        };
        self.act(|world, now| {
            check_username(world, username)?;
            let (id, token) = match given {
                Some((id, _)) if world.state().user(id).is_some() => {
                    return Err(OperatorError::Token {
                        why: "its id belongs to another account",
                    });
                }
                Some(given) => given,
                None => {
                    let id = world
                        .state()
                        .users
                        .range(FIRST_BOT_ID..)
                        .next_back()
                        .map_or(FIRST_BOT_ID, |(id, _)| id + 1);
                    let token = format!("{id}:{}", world.random_token(35));
                    (id, token)
                }
            };
            world.commit(Event::UserPut(User {
                id,
                first_name,
                last_name: None,
                username: Some(username.to_owned()),
                phone: None,
                about: String::new(),
                bot: Some(Bot {
                    token: SecretBytes::new(token.as_bytes()),
                    info_version: 1,
                    inline_placeholder: None,
                    commands: Vec::new(),
                }),
                deleted: false,
                registered: seconds(now),
                premium: false,
            }));
            Ok(BotAccount { id, token })
        })
    }

    /// Gives an account a username, or takes it away.
    ///
    /// # Errors
    /// [`OperatorError::Username`], [`OperatorError::Unknown`].
    pub fn set_username(&self, user: UserId, username: Option<&str>) -> Result<(), OperatorError> {
        let username = username.map(|name| name.strip_prefix('@').unwrap_or(name).to_owned());
        self.act(|world, now| {
            let mut record = known(world, user)?;
            if let Some(name) = &username {
                let own = record
                    .username
                    .as_ref()
                    .is_some_and(|old| old.eq_ignore_ascii_case(name));
                if !own {
                    check_username(world, name)?;
                }
            }
            record.username = username;
            Call::as_account(world, now, user).change_profile(user, record);
            Ok(())
        })
    }

    /// Sets, changes or removes an account's two-step password.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn set_two_step_password(
        &self,
        user: UserId,
        password: Option<&str>,
        hint: &str,
    ) -> Result<(), OperatorError> {
        self.act(|world, _| {
            known(world, user)?;
            Ok(world.put_password(user, password.map(|password| (password, hint)))?)
        })
    }

    /// Login codes from now on.
    pub fn login_codes(&self) -> LoginCodes {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock()
            .on_login_code(move |code| sender.send(code.clone()).is_ok());
        LoginCodes(receiver)
    }

    /// Sends a text in the name of `from`, as a client would. Returns the message's id in the mailbox of `from`.
    ///
    /// # Errors
    /// [`OperatorError::Refused`] with the error a client would get; [`OperatorError::Unknown`].
    pub fn send_message(
        &self,
        from: UserId,
        to: PeerKey,
        text: &str,
    ) -> Result<i32, OperatorError> {
        self.act(|world, now| {
            known(world, from)?;
            let random_id = actogram_crypto::random::i64(&mut world.random) | 1;
            let peer = input_peer(world, from, to)?;
            let request = functions::messages::SendMessage::new(peer, text.to_owned(), random_id);
            let mut call = Call::as_account(world, now, from);
            crate::rpc::send_message(&mut call, request)?;
            let sent = world
                .state()
                .random_ids
                .get(&(from, random_id))
                .and_then(|uid| world.state().messages.get(uid))
                .and_then(|message| message.id_for(from));
            sent.ok_or(OperatorError::Unknown { id: from })
        })
    }

    /// Makes a basic group in the name of `creator`, with these members besides.
    ///
    /// # Errors
    /// [`OperatorError::Refused`] with the error a client would get; [`OperatorError::Unknown`].
    pub fn create_chat(
        &self,
        creator: UserId,
        members: &[UserId],
        title: &str,
    ) -> Result<ChatId, OperatorError> {
        let mut users = Vec::with_capacity(members.len());
        for member in members {
            users.push(self.input_user(creator, *member)?);
        }
        let request = functions::messages::CreateChat {
            users,
            title: title.to_owned(),
            ttl_period: None,
        };
        let enums::messages::InvitedUsers::InvitedUsers(invited) =
            self.invoke_as(creator, &request)?;
        let made = match &invited.updates {
            enums::Updates::Updates(container) => {
                container.chats.iter().find_map(|chat| match chat {
                    enums::Chat::Chat(chat) => Some(chat.id),
                    _ => None,
                })
            }
            _ => None,
        };
        made.ok_or(OperatorError::Unknown { id: creator })
    }

    /// How `viewer` names the account `target` in its calls: with the access hash that is valid for it alone.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn input_user(
        &self,
        viewer: UserId,
        target: UserId,
    ) -> Result<enums::InputUser, OperatorError> {
        let world = self.lock();
        known(&world, target)?;
        Ok(types::InputUser {
            user_id: target,
            access_hash: access_hash(world.state(), viewer, target),
        }
        .into())
    }

    /// How `viewer` names a dialog in its calls.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn input_peer(
        &self,
        viewer: UserId,
        peer: PeerKey,
    ) -> Result<enums::InputPeer, OperatorError> {
        input_peer(&self.lock(), viewer, peer)
    }

    /// Calls any method in the name of an account, as a client logged in to it would.
    ///
    /// # Errors
    /// [`OperatorError::Refused`] with the error a client would get; [`OperatorError::Unknown`].
    pub fn invoke_as<F>(&self, user: UserId, request: &F) -> Result<F::Response, OperatorError>
    where
        F: tl::Function,
        F::Response: tl::Decode,
    {
        self.act(|world, now| {
            known(world, user)?;
            let bytes = crate::rpc::invoke_as(world, now, user, request.to_bytes())?;
            tl::Decode::from_bytes(bytes)
                .map_err(|_| OperatorError::Refused(RpcError::new(500, "RESPONSE_INVALID")))
        })
    }

    /// A dialog as `owner` sees it, oldest first.
    pub fn history(&self, owner: UserId, peer: PeerKey) -> Vec<StoredMessage> {
        let world = self.lock();
        let state = world.state();
        let ids = state.ids_in(owner, peer);
        ids.into_iter()
            .filter_map(|id| {
                let message: &Message = state.message_in(owner, peer, id)?;
                Some(StoredMessage {
                    id,
                    from: message.from,
                    date: message.date,
                    edit_date: message.edit_date,
                    text: message.text.clone(),
                    reply_to: message
                        .reply_to
                        .and_then(|uid| state.messages.get(&uid)?.id_for(owner)),
                    service: message.action.is_some(),
                })
            })
            .collect()
    }

    /// The dialogs of an account.
    pub fn dialogs(&self, owner: UserId) -> Vec<PeerKey> {
        self.lock()
            .state()
            .mailbox(owner)
            .map(|mailbox| mailbox.dialogs.keys().copied().collect())
            .unwrap_or_default()
    }

    /// The titles of all basic groups, in the order in which they were created.
    pub fn group_titles(&self) -> Vec<String> {
        self.inspect(|world| {
            world
                .state()
                .chats
                .values()
                .map(|chat| chat.title.clone())
                .collect()
        })
    }

    /// The members of a group.
    pub fn members(&self, chat: ChatId) -> Vec<UserId> {
        self.lock()
            .state()
            .chat(chat)
            .map(|chat| chat.participants.keys().copied().collect())
            .unwrap_or_default()
    }

    /// How often each method was executed, and what was refused.
    pub fn counters(&self) -> Counters {
        self.lock().counters().clone()
    }

    /// How many messages are stored, copies counted once.
    pub fn stored_messages(&self) -> usize {
        self.lock().state().message_count()
    }

    /// The next `times` calls of `method` get `FLOOD_WAIT_seconds`.
    pub fn flood_wait(&self, method: &str, seconds: u32, times: u32) {
        self.fail(method, 420, &format!("FLOOD_WAIT_{seconds}"), times);
    }

    /// The next `times` calls of `method` (as `messages.sendMessage`) get an error instead of being executed.
    pub fn fail(&self, method: &str, code: i32, message: &str, times: u32) {
        self.order_fault(RpcFault {
            method: Some(method.to_owned()),
            user: None,
            error: RpcError::new(code, message.to_owned()),
            when: When::Before,
            skip: 0,
            times,
        });
    }

    /// Orders an error in all detail.
    pub fn order_fault(&self, fault: RpcFault) {
        self.lock().faults().error(fault);
    }

    /// Takes back what faults of calls, answers and updates were ordered.
    pub fn clear_faults(&self) {
        self.lock().faults().clear();
    }

    /// The next `times` answers to `method` come late; the calls are executed at once.
    pub fn delay_answers(&self, method: &str, by: Duration, times: u32) {
        self.lock().faults().delay(Delay {
            method: Some(method.to_owned()),
            by,
            times,
        });
    }

    /// The next `times` answers to `method` are replaced by what `with` makes of them: encoded results, or `rpc_error`s. The
    /// calls are executed all the same. For attacks of a datacenter that lies.
    pub fn rewrite_answers(
        &self,
        method: &str,
        times: u32,
        with: impl FnMut(Bytes) -> Bytes + Send + 'static,
    ) {
        self.lock().faults().rewrite(method, times, with);
    }

    /// The next `times` pushes to an account suffer `fault`.
    pub fn disturb_updates(&self, user: UserId, fault: PushFault, times: u32) {
        self.lock().faults().push(user, fault, times);
    }

    /// From now on the updates in `scope` that a difference brings again suffer faults drawn from `seed`, each session's
    /// for itself. The narrowest scope decides; rates of zero end it. A restart of the datacenter ends all of it, and
    /// what was delayed or held then is lost.
    pub fn update_faults(&self, scope: UpdateFaultScope, seed: u64, rates: UpdateFaultRates) {
        self.lock().faults().updates(scope, seed, rates);
    }

    /// Forgets the record of an account's updates: whoever asks for a difference from before now gets
    /// `differenceTooLong`.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn forget_updates(&self, user: UserId) -> Result<(), OperatorError> {
        self.act(|world, _| {
            known(world, user)?;
            world.commit(Event::UpdatesForgotten { owner: user });
            Ok(())
        })
    }

    /// Sends a note of the service to an account, as Telegram does along with errors of class 406.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn notify(&self, user: UserId, kind: &str, text: &str) -> Result<(), OperatorError> {
        self.act(|world, now| {
            known(world, user)?;
            let change = SeqChange::Notification {
                kind: kind.to_owned(),
                text: text.to_owned(),
            };
            world.sequence(now, user, change);
            Ok(())
        })
    }

    /// Tells every session of an account that it missed too much (`updatesTooLong`).
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn push_too_long(&self, user: UserId) -> Result<(), OperatorError> {
        self.act(|world, _| {
            known(world, user)?;
            world.push(user, None, &enums::Updates::UpdatesTooLong);
            Ok(())
        })
    }
}

fn seconds(now: Duration) -> i32 {
    crate::model::world::unix(now)
}

fn known(world: &World, id: UserId) -> Result<User, OperatorError> {
    world
        .state()
        .user(id)
        .cloned()
        .ok_or(OperatorError::Unknown { id })
}

fn check_username(world: &World, username: &str) -> Result<(), OperatorError> {
    let why = if !is_username(username) {
        "expected 5 to 32 letters, digits and single underscores, beginning with a letter"
    } else if world.state().username_taken(username) {
        "it is taken"
    } else {
        return Ok(());
    };
    Err(OperatorError::Username {
        username: username.to_owned(),
        why,
    })
}

fn input_peer(world: &World, from: UserId, to: PeerKey) -> Result<enums::InputPeer, OperatorError> {
    Ok(match to {
        PeerKey::User(id) => {
            known(world, id)?;
            types::InputPeerUser {
                user_id: id,
                access_hash: access_hash(world.state(), from, id),
            }
            .into()
        }
        PeerKey::Chat(chat_id) => types::InputPeerChat { chat_id }.into(),
        PeerKey::Channel(channel_id) => {
            let state = world.state();
            state
                .channel(channel_id)
                .ok_or(OperatorError::Unknown { id: channel_id })?;
            types::InputPeerChannel {
                channel_id,
                access_hash: channel_access_hash(state, from, channel_id),
            }
            .into()
        }
    })
}
