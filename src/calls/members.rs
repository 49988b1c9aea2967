//! What members of a chat may do: appointing, restricting, banning.

use std::{future::IntoFuture, time::Duration};

use actogram_tl::{enums, functions, types};

use super::{CallOptions, Pending, Terms, call_options, start};
use crate::{
    Api, Error, PeerError, PeerRef, Result,
    peers::{id_of, input_channel, input_user},
};

fn user_of(peer: &enums::InputPeer) -> Result<enums::InputUser> {
    input_user(peer).ok_or_else(|| match id_of(peer) {
        Some(peer) => PeerError::Kind {
            peer,
            expected: "user",
        }
        .into(),
        None => PeerError::NoChat("the peer").into(),
    })
}

/// A chat in which somebody's standing changes.
enum Chat {
    Basic(i64),
    Channel(enums::InputChannel),
}

async fn chat_of(api: &Api, chat: PeerRef) -> Result<Chat> {
    let peer = api.resolve(chat).await?;
    if let enums::InputPeer::InputPeerChat(chat) = &peer {
        return Ok(Chat::Basic(chat.chat_id));
    }
    let expected = "group or channel";
    input_channel(&peer)
        .map(Chat::Channel)
        .ok_or_else(|| match id_of(&peer) {
            Some(peer) => PeerError::Kind { peer, expected }.into(),
            None => PeerError::NoChat("the account itself").into(),
        })
}

/// Appoints an administrator; see [`Api::promote`].
#[must_use = "nobody is appointed until the call is awaited or detached"]
pub struct Promote {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    chat: PeerRef,
    user: PeerRef,
    rights: types::ChatAdminRights,
    rank: Option<String>,
}

macro_rules! admin_rights {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $($(#[$doc])*
        pub fn $name(mut self) -> Self {
            self.rights.$name = true;
            self
        })+
    };
}

impl Promote {
    pub(crate) fn new(api: Api, chat: PeerRef, user: PeerRef) -> Self {
        let mut rights = types::ChatAdminRights::new();
        // Without any right it would be a dismissal.
        rights.other = true;
        Self {
            api,
            options: CallOptions::default(),
            chat,
            user,
            rights,
            rank: None,
        }
    }

    admin_rights!(
        /// They may change title, photo and description.
        change_info,
        /// They may post; in channels.
        post_messages,
        /// They may edit what others posted; in channels.
        edit_messages,
        /// They may delete what others wrote.
        delete_messages,
        /// They may restrict and ban.
        ban_users,
        /// They may bring people in.
        invite_users,
        /// They may pin; in supergroups.
        pin_messages,
        /// They may appoint administrators, with rights they have themselves.
        add_admins,
        /// They are not seen to be administrators.
        anonymous,
        /// They may manage voice chats.
        manage_call,
        /// They may manage topics.
        manage_topics,
    );

    /// These rights, instead of those named before (<https://core.telegram.org/constructor/chatAdminRights>).
    pub fn rights(mut self, rights: types::ChatAdminRights) -> Self {
        self.rights = rights;
        self
    }

    /// What stands beside their name: at most 16 characters.
    pub fn rank(mut self, rank: impl Into<String>) -> Self {
        self.rank = Some(rank.into());
        self
    }

    async fn send(self, terms: Terms, dismiss: bool) -> Result<()> {
        let api = self.api;
        let user_id = user_of(&api.resolve(self.user).await?)?;
        match chat_of(&api, self.chat).await? {
            Chat::Basic(chat_id) => {
                let function = functions::messages::EditChatAdmin {
                    chat_id,
                    user_id,
                    is_admin: !dismiss,
                };
                api.invoke_with(&function, terms).await.map(drop)
            }
            Chat::Channel(channel) => {
                let rights = if dismiss {
                    types::ChatAdminRights::new()
                } else {
                    self.rights
                };
                let mut function =
                    functions::channels::EditAdmin::new(channel, user_id, rights.into());
                function.rank = self.rank;
                api.invoke_with(&function, terms).await.map(drop)
            }
        }
    }
}

impl IntoFuture for Promote {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        let (api, options) = (self.api.clone(), self.options.clone());
        let terms = options.terms(&api);
        start(
            &api,
            "channels.editAdmin",
            &options,
            self.send(terms, false),
        )
    }
}

/// Dismisses an administrator; see [`Api::demote`].
#[must_use = "nobody is dismissed until the call is awaited or detached"]
pub struct Demote {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    inner: Promote,
}

impl Demote {
    pub(crate) fn new(api: Api, chat: PeerRef, user: PeerRef) -> Self {
        Self {
            options: CallOptions::default(),
            inner: Promote::new(api.clone(), chat, user),
            api,
        }
    }
}

impl IntoFuture for Demote {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        let terms = self.options.terms(&self.api);
        let sent = self.inner.send(terms, true);
        start(&self.api, "channels.editAdmin", &self.options, sent)
    }
}

/// Cuts the rights of somebody, or bans them; see [`Api::restrict`], [`Api::ban`] and [`Api::unban`].
#[must_use = "nobody is restricted until the call is awaited or detached"]
pub struct Restrict {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    chat: PeerRef,
    user: PeerRef,
    rights: types::ChatBannedRights,
    ban: bool,
}

macro_rules! banned_rights {
    ($($(#[$doc:meta])* $method:ident => $($field:ident),+;)+) => {
        $($(#[$doc])*
        pub fn $method(mut self) -> Self {
            $(self.rights.$field = true;)+
            self
        })+
    };
}

impl Restrict {
    pub(crate) fn new(api: Api, chat: PeerRef, user: PeerRef, ban: bool) -> Self {
        let mut rights = types::ChatBannedRights::new(0);
        rights.view_messages = ban;
        Self {
            api,
            options: CallOptions::default(),
            chat,
            user,
            rights,
            ban,
        }
    }

    banned_rights! {
        /// They may write nothing at all.
        no_messages => send_messages;
        /// They may send no photos, files or recordings.
        no_media => send_media, send_photos, send_videos, send_roundvideos, send_audios, send_voices, send_docs;
        /// They may send no stickers and animations.
        no_stickers => send_stickers, send_gifs;
        /// They may send no previews of links.
        no_links => embed_links;
        /// They may send no polls.
        no_polls => send_polls;
        /// They may not send by way of bots.
        no_inline => send_inline, send_games;
        /// They may not bring people in.
        no_invites => invite_users;
        /// They may not pin.
        no_pins => pin_messages;
        /// They may not change title, photo and description.
        no_changes => change_info;
    }

    /// These restrictions, instead of those named before (<https://core.telegram.org/constructor/chatBannedRights>).
    pub fn rights(mut self, rights: types::ChatBannedRights) -> Self {
        self.rights = rights;
        self.rights.view_messages |= self.ban;
        self
    }

    /// It ends at this time, counted from 1970. Whole seconds. Otherwise it does not end; nor does it if that is less than
    /// 30 seconds or more than 366 days from now.
    pub fn until(mut self, unix: Duration) -> Self {
        self.rights.until_date = i32::try_from(unix.as_secs()).unwrap_or(i32::MAX);
        self
    }

    async fn send(self, terms: Terms) -> Result<()> {
        let api = self.api;
        let participant = api.resolve(self.user).await?;
        match chat_of(&api, self.chat).await? {
            Chat::Basic(chat_id) if self.ban => {
                let function = functions::messages::DeleteChatUser {
                    revoke_history: false,
                    chat_id,
                    user_id: user_of(&participant)?,
                };
                api.invoke_with(&function, terms).await.map(drop)
            }
            Chat::Basic(_) => Err(Error::argument(
                "channels.editBanned",
                "basic groups restrict nobody: remove them, or make it a supergroup",
            )),
            Chat::Channel(channel) => {
                let function = functions::channels::EditBanned {
                    channel,
                    participant,
                    banned_rights: self.rights.into(),
                };
                api.invoke_with(&function, terms).await.map(drop)
            }
        }
    }
}

impl IntoFuture for Restrict {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        let (api, options) = (self.api.clone(), self.options.clone());
        let terms = options.terms(&api);
        start(&api, "channels.editBanned", &options, self.send(terms))
    }
}

call_options!(Promote, Demote, Restrict);
