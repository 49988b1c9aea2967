//! What is done with messages that exist: deleting, forwarding, reactions, pins.

use std::future::IntoFuture;

use actogram_tl::{enums, functions, types};

use super::{CallOptions, Pending, Terms, call_options, sent::sent_by_id, start};
use crate::{Api, Error, Msg, PeerId, PeerRef, Result, peers::input_channel};

/// So many messages may be named in one call; more are named in several.
const MOST_IDS: usize = 100;

/// Messages by the hundred, each hundred with its place in the queue: nothing comes between them.
fn batches(api: &Api, options: &CallOptions, ids: Vec<i32>) -> Vec<(Vec<i32>, Terms)> {
    ids.chunks(MOST_IDS)
        .map(|ids| (ids.to_vec(), options.terms(api)))
        .collect()
}

/// Deletes messages; see [`Api::delete_messages`].
#[must_use = "nothing is deleted until the call is awaited or detached"]
pub struct DeleteMessages {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    ids: Vec<i32>,
    only_for_me: bool,
}

impl DeleteMessages {
    pub(crate) fn new(api: Api, peer: PeerRef, ids: Vec<i32>) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            ids,
            only_for_me: false,
        }
    }

    /// Deletes for this account only; the others keep the messages. Not in supergroups and channels, whose messages are
    /// the same for everybody: there it is [`Error::Argument`].
    pub fn only_for_me(mut self) -> Self {
        self.only_for_me = true;
        self
    }
}

impl IntoFuture for DeleteMessages {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.deleteMessages";
        let Self {
            api,
            options,
            peer,
            ids,
            only_for_me,
        } = self;
        let batches = batches(&api, &options, ids);
        let account = api.clone();
        start(&api, METHOD, &options, async move {
            // Private chats and basic groups share one numbering: which of them it is does not matter.
            let channel = match peer {
                PeerRef::Me | PeerRef::Id(PeerId::User(_) | PeerId::Chat(_)) => None,
                other => input_channel(&account.resolve(other).await?),
            };
            for (id, terms) in batches {
                match &channel {
                    None => {
                        let revoke = !only_for_me;
                        let function = functions::messages::DeleteMessages { revoke, id };
                        account.invoke_with(&function, terms).await?;
                    }
                    Some(_) if only_for_me => {
                        let why = "in supergroups and channels messages are deleted for everybody: leave out only_for_me";
                        return Err(Error::argument("channels.deleteMessages", why));
                    }
                    Some(channel) => {
                        let channel = channel.clone();
                        let function = functions::channels::DeleteMessages { channel, id };
                        account.invoke_with(&function, terms).await?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// Forwards messages; see [`Api::forward_messages`].
#[must_use = "nothing is forwarded until the call is awaited or detached"]
pub struct ForwardMessages {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    from: PeerRef,
    to: PeerRef,
    ids: Vec<i32>,
    silent: bool,
    drop_author: bool,
    drop_captions: bool,
}

impl ForwardMessages {
    pub(crate) fn new(api: Api, from: PeerRef, ids: Vec<i32>, to: PeerRef) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            from,
            to,
            ids,
            silent: false,
            drop_author: false,
            drop_captions: false,
        }
    }

    /// Forwards without a sound at the receiver.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Sends copies that do not say where they come from.
    pub fn without_author(mut self) -> Self {
        self.drop_author = true;
        self
    }

    /// Leaves out the texts below media; it implies [`without_author`](Self::without_author).
    pub fn without_captions(mut self) -> Self {
        self.drop_author = true;
        self.drop_captions = true;
        self
    }
}

impl IntoFuture for ForwardMessages {
    type Output = Result<Vec<Msg>>;
    type IntoFuture = Pending<Vec<Msg>>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.forwardMessages";
        let Self {
            api,
            options,
            from,
            to,
            ids,
            silent,
            drop_author,
            drop_captions,
        } = self;
        let batches = batches(&api, &options, ids);
        let account = api.clone();
        start(&api, METHOD, &options, async move {
            let from_peer = account.resolve(from).await?;
            let to_peer = account.resolve(to).await?;
            let parts = batches.len();
            let mut sent: Vec<Msg> = Vec::new();
            for (ids, terms) in batches {
                let random_ids: Vec<i64> = ids.iter().map(|_| account.random_id()).collect();
                let mut function = functions::messages::ForwardMessages::new(
                    from_peer.clone(),
                    ids,
                    random_ids.clone(),
                    to_peer.clone(),
                );
                function.silent = silent;
                function.drop_author = drop_author;
                function.drop_media_captions = drop_captions;
                match account.invoke_with(&function, terms).await {
                    Ok(updates) => sent.extend(sent_by_id(&account, &updates, &random_ids)),
                    Err(error) if sent.is_empty() => return Err(error),
                    Err(error) => {
                        return Err(Error::PartlySent {
                            sent: sent.iter().map(Msg::id).collect(),
                            parts,
                            source: Box::new(error),
                        });
                    }
                }
            }
            Ok(sent)
        })
    }
}

/// Forwards one message; see [`Msg::forward`].
#[must_use = "nothing is forwarded until the call is awaited or detached"]
pub struct ForwardMessage {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    all: ForwardMessages,
}

impl ForwardMessage {
    pub(crate) fn new(message: &Msg, to: PeerRef) -> Self {
        let api = message.api().clone();
        Self {
            options: CallOptions::default(),
            all: ForwardMessages::new(api.clone(), message.into(), vec![message.id()], to),
            api,
        }
    }

    /// Forwards without a sound at the receiver.
    pub fn silent(mut self) -> Self {
        self.all = self.all.silent();
        self
    }

    /// Sends a copy that does not say where it comes from.
    pub fn without_author(mut self) -> Self {
        self.all = self.all.without_author();
        self
    }

    /// Leaves out the text below media; it implies [`without_author`](Self::without_author).
    pub fn without_caption(mut self) -> Self {
        self.all = self.all.without_captions();
        self
    }
}

impl IntoFuture for ForwardMessage {
    type Output = Result<Msg>;
    type IntoFuture = Pending<Msg>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            options, mut all, ..
        } = self;
        all.options = options;
        let sent = all.into_future();
        Box::pin(async move {
            sent.await?.pop().ok_or(Error::Incomplete {
                method: "messages.forwardMessages".to_owned(),
                expected: "the message that was forwarded",
            })
        })
    }
}

/// What somebody reacts with (<https://core.telegram.org/api/reactions>).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reaction {
    /// An emoji, one of those the chat allows.
    Emoji(String),
    /// A custom emoji by its document's id; for accounts with Premium.
    Custom(i64),
}

impl From<&str> for Reaction {
    fn from(emoji: &str) -> Self {
        Self::Emoji(emoji.to_owned())
    }
}

impl From<String> for Reaction {
    fn from(emoji: String) -> Self {
        Self::Emoji(emoji)
    }
}

impl From<Reaction> for enums::Reaction {
    fn from(reaction: Reaction) -> Self {
        match reaction {
            Reaction::Emoji(emoticon) => types::ReactionEmoji { emoticon }.into(),
            Reaction::Custom(document_id) => types::ReactionCustomEmoji { document_id }.into(),
        }
    }
}

/// Reacts to a message; see [`Api::send_reaction`].
#[must_use = "nobody reacts until the call is awaited or detached"]
pub struct SendReaction {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    id: i32,
    reaction: Option<Reaction>,
    big: bool,
}

impl SendReaction {
    pub(crate) fn new(api: Api, peer: PeerRef, id: i32, reaction: Option<Reaction>) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            id,
            reaction,
            big: false,
        }
    }

    /// Shows it large for a moment.
    pub fn big(mut self) -> Self {
        self.big = true;
        self
    }
}

impl IntoFuture for SendReaction {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        let terms = self.options.terms(&self.api);
        let account = self.api.clone();
        start(
            &self.api,
            "messages.sendReaction",
            &self.options,
            async move {
                let peer = account.resolve(self.peer).await?;
                let mut function = functions::messages::SendReaction::new(peer, self.id);
                function.big = self.big;
                let reactions = self.reaction.into_iter().map(Into::into);
                function.reaction = Some(reactions.collect());
                account.invoke_with(&function, terms).await.map(drop)
            },
        )
    }
}

/// Pins or unpins a message; see [`Api::pin_message`] and [`Api::unpin_message`].
#[must_use = "nothing is pinned until the call is awaited or detached"]
pub struct PinMessage {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    id: i32,
    unpin: bool,
    silent: bool,
    only_for_me: bool,
}

impl PinMessage {
    pub(crate) fn new(api: Api, peer: PeerRef, id: i32, unpin: bool) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            id,
            unpin,
            silent: false,
            only_for_me: false,
        }
    }

    /// Tells nobody with a sound.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// In a private chat: only for this account. Bots cannot.
    pub fn only_for_me(mut self) -> Self {
        self.only_for_me = true;
        self
    }
}

impl IntoFuture for PinMessage {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        let terms = self.options.terms(&self.api);
        let account = self.api.clone();
        start(
            &self.api,
            "messages.updatePinnedMessage",
            &self.options,
            async move {
                let function = functions::messages::UpdatePinnedMessage {
                    silent: self.silent,
                    unpin: self.unpin,
                    pm_oneside: self.only_for_me,
                    peer: account.resolve(self.peer).await?,
                    id: self.id,
                };
                account.invoke_with(&function, terms).await.map(drop)
            },
        )
    }
}

call_options!(
    DeleteMessages,
    ForwardMessages,
    ForwardMessage,
    SendReaction,
    PinMessage
);
