//! What an account can do: calls of Telegram's methods.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::Addr;
use actogram_actors::{Account, Answering, ApiActor, CallPolicy, Wrapper};
use actogram_runtime::Failures;
use actogram_tl::{Function, enums, functions, types};
use bytes::Bytes;
use serde_json::Value;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    Error, PeerId, PeerRef, Result, Secret, Text,
    calls::{
        CallByName, CallMiddlewares, DeleteMessages, Demote, EditMessage, ExportInvite,
        ForwardMessages, Invoke, JoinChat, LeaveChat, Media, PinMessage, Promote, Reaction,
        Restrict, SendMedia, SendMessage, SendReaction, Terms, decode,
    },
    dispatcher::PollQueue,
    own_names::OwnNames,
    peers::{FullInfoCache, input_user},
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
    middlewares: CallMiddlewares,
    own_names: OwnNames,
    poll_queue: PollQueue,
    full_info: FullInfoCache,
    #[cfg(feature = "http")]
    http: crate::http::Lazy,
}

/// Calls of one account. Cheap to clone, usable from any thread and any tokio runtime.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
    /// What stands around each call.
    wrapper: Wrapper,
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
                middlewares: CallMiddlewares::default(),
                own_names: OwnNames::default(),
                poll_queue: PollQueue::default(),
                full_info: FullInfoCache::default(),
                #[cfg(feature = "http")]
                http: crate::http::Lazy::new(network),
            }),
            wrapper: Wrapper::None,
        }
    }

    /// The same, whose calls are wrapped.
    pub(crate) fn wrapped(&self, wrapper: Wrapper) -> Self {
        Self {
            inner: self.inner.clone(),
            wrapper,
        }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.inner.account
    }

    /// What is put around calls.
    pub(crate) fn middlewares(&self) -> &CallMiddlewares {
        &self.inner.middlewares
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

    pub(crate) fn full_info_cache(&self) -> &FullInfoCache {
        &self.inner.full_info
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

    /// Sends the media of a message again, by reference: a photo, a file, a place, a contact, dice.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api, message: actogram::Msg) -> actogram::Result<()> {
    /// api.send_media("me", &message).caption("kept").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if there are no media, or they cannot be sent so; then the message can be
    /// [forwarded](Self::forward_messages).
    pub fn send_media(&self, peer: impl Into<PeerRef>, media: impl Into<Media>) -> SendMedia {
        SendMedia::new(self.clone(), peer.into(), media.into())
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

    /// Deletes messages of a chat, for everybody. Any number of them; those that do not exist are passed over.
    pub fn delete_messages(
        &self,
        peer: impl Into<PeerRef>,
        message_ids: impl IntoIterator<Item = i32>,
    ) -> DeleteMessages {
        let ids = message_ids.into_iter().collect();
        DeleteMessages::new(self.clone(), peer.into(), ids)
    }

    /// Forwards messages of one chat to another, in this order. Any number of them; the answer is the copies.
    ///
    /// # Errors
    /// [`Error::PartlySent`] if some hundreds were forwarded before one could not be.
    pub fn forward_messages(
        &self,
        from: impl Into<PeerRef>,
        message_ids: impl IntoIterator<Item = i32>,
        to: impl Into<PeerRef>,
    ) -> ForwardMessages {
        let ids = message_ids.into_iter().collect();
        ForwardMessages::new(self.clone(), from.into(), ids, to.into())
    }

    /// Reacts to a message, with an emoji or a custom one. It takes the place of the account's reaction before.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// api.send_reaction("@name", 7, "👍").await?;
    /// # Ok(()) }
    /// ```
    pub fn send_reaction(
        &self,
        peer: impl Into<PeerRef>,
        message_id: i32,
        reaction: impl Into<Reaction>,
    ) -> SendReaction {
        SendReaction::new(self.clone(), peer.into(), message_id, Some(reaction.into()))
    }

    /// Takes the account's reaction to a message back.
    pub fn remove_reaction(&self, peer: impl Into<PeerRef>, message_id: i32) -> SendReaction {
        SendReaction::new(self.clone(), peer.into(), message_id, None)
    }

    /// Pins a message, for all who see it (<https://core.telegram.org/api/pin>).
    pub fn pin_message(&self, peer: impl Into<PeerRef>, message_id: i32) -> PinMessage {
        PinMessage::new(self.clone(), peer.into(), message_id, false)
    }

    /// Unpins a message.
    pub fn unpin_message(&self, peer: impl Into<PeerRef>, message_id: i32) -> PinMessage {
        PinMessage::new(self.clone(), peer.into(), message_id, true)
    }

    /// Joins a chat: by an invite link, or a public one by its name. The answer is its id.
    ///
    /// # Errors
    /// [`PeerError`](crate::PeerError) if the link leads nowhere; `INVITE_REQUEST_SENT` if an administrator has to agree first.
    pub fn join(&self, chat: impl Into<PeerRef>) -> JoinChat {
        JoinChat::new(self.clone(), chat.into())
    }

    /// Leaves a chat.
    pub fn leave(&self, chat: impl Into<PeerRef>) -> LeaveChat {
        LeaveChat::new(self.clone(), chat.into())
    }

    /// Makes a link by which people join a chat.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// let link = api.export_invite("@group").usage_limit(10).await?;
    /// # Ok(()) }
    /// ```
    pub fn export_invite(&self, chat: impl Into<PeerRef>) -> ExportInvite {
        ExportInvite::new(self.clone(), chat.into())
    }

    /// Appoints an administrator, with the rights that the call names (<https://core.telegram.org/api/rights>). In basic
    /// groups administrators all have the same.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// api.promote("@group", "@name").delete_messages().ban_users().rank("order").await?;
    /// # Ok(()) }
    /// ```
    pub fn promote(&self, chat: impl Into<PeerRef>, user: impl Into<PeerRef>) -> Promote {
        Promote::new(self.clone(), chat.into(), user.into())
    }

    /// Dismisses an administrator, who stays in the chat.
    pub fn demote(&self, chat: impl Into<PeerRef>, user: impl Into<PeerRef>) -> Demote {
        Demote::new(self.clone(), chat.into(), user.into())
    }

    /// Forbids somebody what the call names; what was forbidden before and is not named is allowed again. In supergroups.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// api.restrict("@group", "@name").no_media().no_links().await?;
    /// # Ok(()) }
    /// ```
    pub fn restrict(&self, chat: impl Into<PeerRef>, user: impl Into<PeerRef>) -> Restrict {
        Restrict::new(self.clone(), chat.into(), user.into(), false)
    }

    /// Removes somebody and keeps them out; from basic groups they are only removed.
    pub fn ban(&self, chat: impl Into<PeerRef>, user: impl Into<PeerRef>) -> Restrict {
        Restrict::new(self.clone(), chat.into(), user.into(), true)
    }

    /// Lifts all restrictions and a ban. Who was banned may come back, but is not brought back.
    pub fn unban(&self, chat: impl Into<PeerRef>, user: impl Into<PeerRef>) -> Restrict {
        self.restrict(chat, user)
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

    pub(crate) fn invoke_with<F: Function>(
        &self,
        function: &F,
        terms: Terms,
    ) -> impl Future<Output = Result<F::Response>> + Send + use<F> {
        let (api, body) = (self.clone(), function.to_bytes());
        async move { decode(F::NAME, api.invoke_bytes(F::NAME, body, terms).await?) }
    }

    /// Sends a call if nothing has to be waited for before that, nor is around it; else gives it back.
    pub(crate) fn invoke_at_once(
        &self,
        body: Bytes,
        terms: Terms,
    ) -> Result<Answering, (Bytes, Terms)> {
        let Terms {
            mut policy,
            place: None,
        } = terms
        else {
            return Err((body, terms));
        };
        policy.wrapper = self.wrapper.clone();
        let given_back = |(body, policy)| {
            let place = None;
            (body, Terms { policy, place })
        };
        if !self.inner.middlewares.is_empty() {
            return Err(given_back((body, policy)));
        }
        let sent = self.inner.account.invoke_at_once(body, policy);
        sent.map_err(given_back)
    }

    pub(crate) async fn invoke_bytes(
        &self,
        method: &str,
        body: Bytes,
        Terms { mut policy, place }: Terms,
    ) -> Result<Bytes> {
        policy.wrapper = self.wrapper.clone();
        let (account, size, name) = (self.inner.account.clone(), body.len(), method.to_owned());
        let call = async move {
            let answer = match place {
                None => account.invoke_raw(body, policy).await,
                Some(Ok(place)) => account.invoke_in_queue(place, body, policy).await,
                Some(Err(full)) => Err(full),
            };
            answer.map_err(|error| Error::from_call(&name, error))
        };
        self.inner.middlewares.run(method, size, call).await
    }
}
