//! What an account can do: calls of Telegram's methods.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::Addr;
use actogram_actors::{Account, ApiActor, CallPolicy};
use actogram_runtime::Failures;
use actogram_tl::{Encode, Function, enums, functions, tables, types};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    Error, PeerId, PeerRef, Result, Secret, Text,
    calls::{CallByName, DeleteMessages, EditMessage, Invoke, SendMessage, Terms, decode},
    dispatcher::PollQueue,
    own_names::OwnNames,
    peers::PeerError,
    text::to_schema,
};

/// The application's identity at Telegram.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) api_id: i32,
    pub(crate) api_hash: Secret,
}

struct Inner {
    account: Account,
    credentials: Credentials,
    defaults: CallPolicy,
    runtime: Handle,
    failures: Failures,
    /// Calls that nobody waits for, since the last shutdown was begun.
    detached: Mutex<TaskTracker>,
    own_names: OwnNames,
    poll_queue: PollQueue,
    #[cfg(feature = "http")]
    http: crate::http::Lazy,
}

/// Calls of one account. Cheap to clone, usable from any thread and any tokio runtime.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

impl Api {
    pub(crate) fn new(
        account: Account,
        credentials: Credentials,
        defaults: CallPolicy,
        runtime: Handle,
        failures: Failures,
        #[cfg(feature = "http")] network: crate::NetworkSettings,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                account,
                credentials,
                defaults,
                runtime,
                failures,
                detached: Mutex::default(),
                own_names: OwnNames::default(),
                poll_queue: PollQueue::default(),
                #[cfg(feature = "http")]
                http: crate::http::Lazy::new(network),
            }),
        }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.inner.account
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    pub(crate) fn call_defaults(&self) -> &CallPolicy {
        &self.inner.defaults
    }

    #[cfg(feature = "http")]
    pub(crate) fn lazy_http(&self) -> &crate::http::Lazy {
        &self.inner.http
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    /// Errors of what nobody awaits.
    pub(crate) fn failures(&self) -> &Failures {
        &self.inner.failures
    }

    /// Starts what nobody waits for but a shutdown.
    pub(crate) fn spawn_detached(&self, call: impl Future<Output = ()> + Send + 'static) {
        let tracker = self.inner.detached.lock();
        let tracker = tracker.unwrap_or_else(PoisonError::into_inner);
        tracker.spawn_on(call, &self.inner.runtime);
    }

    /// Waits for the calls that were detached before: they may not have reached the account yet, which, once it shuts down,
    /// would refuse them.
    pub(crate) async fn settle_detached(&self, deadline: Duration) {
        let detached = {
            let tracker = self.inner.detached.lock();
            std::mem::take(&mut *tracker.unwrap_or_else(PoisonError::into_inner))
        };
        detached.close();
        if timeout(deadline, detached.wait()).await.is_err() {
            let calls = detached.len();
            tracing::warn!(calls, "detached calls are still under way at the deadline");
        }
    }

    pub(crate) fn own_names(&self) -> &OwnNames {
        &self.inner.own_names
    }

    pub(crate) fn poll_queue(&self) -> &PollQueue {
        &self.inner.poll_queue
    }

    pub(crate) fn random_id(&self) -> i64 {
        self.inner.account.random_id()
    }

    /// The address of the actor that owns this account's calls.
    pub fn addr(&self) -> Addr<ApiActor> {
        self.inner.account.addr()
    }

    /// The account's own user id, once it is logged in.
    pub fn me_id(&self) -> Option<i64> {
        self.inner.account.me_id()
    }

    /// Calls any method of the schema.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// use actogram::tl;
    /// let nearest = api.invoke(tl::functions::help::GetNearestDc {}).await?;
    /// # Ok(()) }
    /// ```
    pub fn invoke<F: Function>(&self, function: F) -> Invoke<F> {
        Invoke {
            api: self.clone(),
            function,
            options: Default::default(),
        }
    }

    /// Calls a method by its name, with JSON. Peers may be in any notation of [`PeerRef`], `random_id` is filled
    /// in, and a misspelled name is answered by the nearest one. Where a text with entities is taken, `parse_mode` may say
    /// that its `message` (or `caption`) is HTML or Markdown; a text too long for one message is not split.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// use serde_json::json;
    /// api.call("messages.sendMessage", json!({"peer": "@name", "message": "hi"})).await?;
    /// # Ok(()) }
    /// ```
    pub fn call(&self, method: impl Into<String>, arguments: Value) -> CallByName {
        CallByName {
            api: self.clone(),
            method: method.into(),
            arguments,
            options: Default::default(),
        }
    }

    /// Sends a text to somebody: `@name`, an id, `"me"`, an update or a message of the chat.
    ///
    /// A text that is too long for one message (4096 UTF-16 code units, 100 entities) is sent as several, one after another:
    /// see [`Text::split`] for where it is cut. The answer is the first of them; [`all`](SendMessage::all) gives all. Only the
    /// first is a reply.
    ///
    /// Somebody [mentioned](Text::mention) by id whom the account has not met is named without being mentioned.
    ///
    /// # Errors
    /// [`Error::PartlySent`] if some parts were sent before one could not be.
    pub fn send_message(&self, peer: impl Into<PeerRef>, text: impl Into<Text>) -> SendMessage {
        SendMessage::new(self.clone(), peer.into(), text.into())
    }

    /// Replaces the text of one of the account's own messages. It is not split: what is too long is
    /// `MESSAGE_TOO_LONG`.
    pub fn edit_message(
        &self,
        peer: impl Into<PeerRef>,
        message_id: i32,
        text: impl Into<Text>,
    ) -> EditMessage {
        EditMessage::new(self.clone(), peer.into(), message_id, text.into())
    }

    /// Deletes messages of private chats and basic groups, for everybody.
    pub fn delete_messages(&self, message_ids: impl IntoIterator<Item = i32>) -> DeleteMessages {
        DeleteMessages::new(self.clone(), message_ids.into_iter().collect())
    }

    /// The account itself, asked anew.
    ///
    /// # Errors
    /// The datacenter's refusal; `AUTH_KEY_UNREGISTERED` if nobody is logged in.
    pub async fn get_me(&self) -> Result<types::User> {
        let users = self
            .invoke(functions::users::GetUsers {
                id: vec![enums::InputUser::InputUserSelf],
            })
            .await?;
        match users.into_iter().next() {
            Some(enums::User::User(user)) => Ok(*user),
            _ => Err(Error::Incomplete {
                method: "users.getUsers".to_owned(),
                expected: "the account's own user",
            }),
        }
    }

    /// Turns any notation into what Telegram's methods take, from the session file where possible.
    ///
    /// # Errors
    /// [`PeerError`] if the notation names nobody or the account has not met the peer.
    pub async fn resolve(&self, peer: impl Into<PeerRef>) -> Result<enums::InputPeer> {
        match peer.into() {
            PeerRef::Me => Ok(enums::InputPeer::InputPeerSelf),
            PeerRef::Input(input) => Ok(input),
            PeerRef::Invalid(notation) => Err(PeerError::Notation(notation).into()),
            PeerRef::Id(id) => self.resolve_id(id).await,
            PeerRef::Username(name) => self.resolve_username(name).await,
        }
    }

    async fn resolve_id(&self, id: PeerId) -> Result<enums::InputPeer> {
        if let PeerId::Chat(chat_id) = id {
            return Ok(types::InputPeerChat { chat_id }.into());
        }
        if let Some(access_hash) = self.known_hash(id).await? {
            return Ok(input_peer(id, access_hash));
        }
        let PeerId::User(user_id) = id else {
            return Err(PeerError::Unknown(id).into());
        };
        // Bots may address whoever has written to them without a hash (core.telegram.org/api/peers).
        let asked = types::InputUser {
            user_id,
            access_hash: 0,
        }
        .into();
        match self
            .invoke(functions::users::GetUsers { id: vec![asked] })
            .await
        {
            Ok(users) => users
                .iter()
                .find_map(|user| match user {
                    enums::User::User(user) if user.id == user_id => {
                        Some(input_peer(id, user.access_hash.unwrap_or_default()))
                    }
                    _ => None,
                })
                .ok_or_else(|| PeerError::Unknown(id).into()),
            Err(Error::Rpc(_)) => Err(PeerError::Unknown(id).into()),
            Err(error) => Err(error),
        }
    }

    /// The entities of a text as they are sent: mentions by id with the user's access hash
    /// (<https://core.telegram.org/constructor/inputMessageEntityMentionName>).
    pub(crate) async fn entities_to_send(&self, text: &Text) -> Result<Vec<enums::MessageEntity>> {
        let mut sent = Vec::with_capacity(text.entities().len());
        for entity in to_schema(text) {
            let enums::MessageEntity::MessageEntityMentionName(mention) = &entity else {
                sent.push(entity);
                continue;
            };
            let user_id = match self.resolve(PeerId::User(mention.user_id)).await {
                Ok(peer) => input_user(&peer),
                Err(Error::Peer(_)) => None,
                Err(error) => return Err(error),
            };
            match user_id {
                Some(user_id) => sent.push(
                    types::InputMessageEntityMentionName {
                        offset: mention.offset,
                        length: mention.length,
                        user_id,
                    }
                    .into(),
                ),
                None => tracing::debug!(user = mention.user_id, "mentioned without a mention"),
            }
        }
        Ok(sent)
    }

    async fn resolve_username(&self, name: String) -> Result<enums::InputPeer> {
        let known = self.inner.account.peer_by_username(&name).await;
        if let Some(peer) =
            known.map_err(|error| Error::from_call("contacts.resolveUsername", error))?
        {
            return Ok(peer);
        }
        let found = match self
            .invoke(functions::contacts::ResolveUsername::new(name.clone()))
            .await
        {
            Err(error) if error.is("USERNAME_NOT_OCCUPIED") || error.is("USERNAME_INVALID") => {
                return Err(PeerError::NotOccupied(name).into());
            }
            other => other?,
        };
        let enums::contacts::ResolvedPeer::ResolvedPeer(found) = found;
        let id = PeerId::from(&found.peer);
        let hash = match id {
            PeerId::Chat(_) => Some(0),
            PeerId::User(user_id) => found.users.iter().find_map(|user| match user {
                enums::User::User(user) if user.id == user_id => user.access_hash,
                _ => None,
            }),
            PeerId::Channel(channel_id) => found.chats.iter().find_map(|chat| match chat {
                enums::Chat::Channel(channel) if channel.id == channel_id => channel.access_hash,
                _ => None,
            }),
        };
        hash.map(|hash| input_peer(id, hash))
            .ok_or_else(|| PeerError::Unknown(id).into())
    }

    async fn known_hash(&self, id: PeerId) -> Result<Option<i64>> {
        let peer = match id {
            PeerId::User(user_id) => types::PeerUser { user_id }.into(),
            PeerId::Chat(chat_id) => types::PeerChat { chat_id }.into(),
            PeerId::Channel(channel_id) => types::PeerChannel { channel_id }.into(),
        };
        self.inner
            .account
            .access_hash(&peer)
            .await
            .map_err(|error| Error::from_call("the session store", error))
    }

    pub(crate) fn invoke_with<F: Function>(
        &self,
        function: &F,
        terms: Terms,
    ) -> impl Future<Output = Result<F::Response>> + Send + use<F> {
        let (api, body) = (self.clone(), function.to_bytes());
        async move { decode(F::NAME, api.invoke_bytes(F::NAME, body, terms).await?) }
    }

    pub(crate) async fn invoke_bytes(
        &self,
        method: &str,
        body: Bytes,
        Terms { policy, place }: Terms,
    ) -> Result<Bytes> {
        let account = &self.inner.account;
        let answer = match place {
            None => account.invoke_raw(body, policy).await,
            Some(Ok(place)) => account.invoke_in_queue(place, body, policy).await,
            Some(Err(full)) => Err(full),
        };
        answer.map_err(|error| Error::from_call(method, error))
    }

    /// Puts peers in place of their notations, and a `random_id` where one is wanted and missing.
    pub(crate) async fn resolve_json_peers(
        &self,
        method: &str,
        mut arguments: Value,
    ) -> Result<Value> {
        let (Some(function), Some(object)) =
            (tables::function_by_name(method), arguments.as_object_mut())
        else {
            // The codec names what is wrong with either.
            return Ok(arguments);
        };
        for field in function.fields {
            if field.name == "random_id" && !object.contains_key("random_id") {
                object.insert("random_id".to_owned(), json!(self.random_id().to_string()));
                continue;
            }
            let Some(value) = object.get_mut(field.name) else {
                continue;
            };
            let kind = tables::api().shape_name(field.shape);
            match (
                kind.strip_prefix("Vector<")
                    .and_then(|kind| kind.strip_suffix('>')),
                value,
            ) {
                (Some(kind), Value::Array(values)) => {
                    for value in values {
                        self.resolve_json_peer(kind, value).await?;
                    }
                }
                (_, value) => self.resolve_json_peer(&kind, value).await?,
            }
        }
        Ok(arguments)
    }

    /// Puts the peer in place of its notation; anything else is left to the codec.
    async fn resolve_json_peer(&self, kind: &str, value: &mut Value) -> Result<()> {
        if !matches!(kind, "InputPeer" | "InputUser" | "InputChannel") {
            return Ok(());
        }
        let notation = match &*value {
            Value::String(text) => PeerRef::from(text.as_str()),
            Value::Number(number) => match number.as_i64() {
                Some(id) => PeerRef::from(id),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let peer = self.resolve(notation).await?;
        let encoded = match kind {
            "InputPeer" => Some(peer.to_bytes()),
            "InputUser" => input_user(&peer).map(|user| user.to_bytes()),
            _ => input_channel(&peer).map(|channel| channel.to_bytes()),
        };
        let encoded = encoded.ok_or_else(|| PeerError::Notation(format!("{value}, as {kind},")))?;
        *value = actogram_tl::json::decode(kind, encoded)?;
        Ok(())
    }
}

fn input_peer(id: PeerId, access_hash: i64) -> enums::InputPeer {
    match id {
        PeerId::User(user_id) => types::InputPeerUser {
            user_id,
            access_hash,
        }
        .into(),
        PeerId::Chat(chat_id) => types::InputPeerChat { chat_id }.into(),
        PeerId::Channel(channel_id) => types::InputPeerChannel {
            channel_id,
            access_hash,
        }
        .into(),
    }
}

fn input_user(peer: &enums::InputPeer) -> Option<enums::InputUser> {
    match peer {
        enums::InputPeer::InputPeerSelf => Some(enums::InputUser::InputUserSelf),
        enums::InputPeer::InputPeerUser(user) => Some(
            types::InputUser {
                user_id: user.user_id,
                access_hash: user.access_hash,
            }
            .into(),
        ),
        _ => None,
    }
}

fn input_channel(peer: &enums::InputPeer) -> Option<enums::InputChannel> {
    match peer {
        enums::InputPeer::InputPeerChannel(channel) => Some(
            types::InputChannel {
                channel_id: channel.channel_id,
                access_hash: channel.access_hash,
            }
            .into(),
        ),
        _ => None,
    }
}
