//! Joining and leaving chats, and links to join them by.

use std::{future::IntoFuture, time::Duration};

use actogram_tl::{enums, functions};

use super::{CallOptions, Pending, call_options, start};
use crate::{
    Api, Error, PeerError, PeerId, PeerRef, Result,
    peers::{id_of, input_channel, invite_error},
};

/// Joins a chat; see [`Api::join`].
#[must_use = "nothing is joined until the call is awaited or detached"]
pub struct JoinChat {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    chat: PeerRef,
}

impl JoinChat {
    pub(crate) fn new(api: Api, chat: PeerRef) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            chat,
        }
    }
}

impl IntoFuture for JoinChat {
    type Output = Result<PeerId>;
    type IntoFuture = Pending<PeerId>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "channels.joinChannel";
        let terms = self.options.terms(&self.api);
        let account = self.api.clone();
        start(&self.api, METHOD, &self.options, async move {
            let joined = match self.chat {
                PeerRef::Invite(hash) => {
                    let function = functions::messages::ImportChatInvite { hash: hash.clone() };
                    let answer = account.invoke_with(&function, terms).await;
                    answer.map_err(|error| invite_error(&hash, error))?
                }
                other => {
                    let peer = account.resolve(other).await?;
                    let channel = channel_of(&peer)?;
                    let function = functions::channels::JoinChannel { channel };
                    account.invoke_with(&function, terms).await?
                }
            };
            let enums::messages::ChatInviteJoinResult::ChatInviteJoinResultOk(joined) = joined
            else {
                return Err(Error::NotBuilt {
                    what: "joining a chat by way of a web app",
                });
            };
            let chats: &[enums::Chat] = match &joined.updates {
                enums::Updates::Updates(updates) => &updates.chats,
                enums::Updates::UpdatesCombined(updates) => &updates.chats,
                _ => &[],
            };
            let id = chats
                .first()
                .map(PeerRef::from)
                .and_then(|peer| match peer {
                    PeerRef::Id(id) => Some(id),
                    PeerRef::Input(peer) => id_of(&peer),
                    _ => None,
                });
            id.ok_or(Error::Incomplete {
                method: METHOD.to_owned(),
                expected: "the chat that was joined",
            })
        })
    }
}

/// The peer as a channel.
pub(super) fn channel_of(peer: &enums::InputPeer) -> Result<enums::InputChannel> {
    input_channel(peer).ok_or_else(|| {
        let expected = "supergroup or channel";
        match id_of(peer) {
            Some(peer) => PeerError::Kind { peer, expected },
            None => {
                PeerError::Notation("me, where a supergroup or channel is asked for,".to_owned())
            }
        }
        .into()
    })
}

/// Leaves a chat; see [`Api::leave`].
#[must_use = "nothing is left until the call is awaited or detached"]
pub struct LeaveChat {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    chat: PeerRef,
}

impl LeaveChat {
    pub(crate) fn new(api: Api, chat: PeerRef) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            chat,
        }
    }
}

impl IntoFuture for LeaveChat {
    type Output = Result<()>;
    type IntoFuture = Pending<()>;

    fn into_future(self) -> Self::IntoFuture {
        let terms = self.options.terms(&self.api);
        let account = self.api.clone();
        start(
            &self.api,
            "channels.leaveChannel",
            &self.options,
            async move {
                let peer = account.resolve(self.chat).await?;
                if let enums::InputPeer::InputPeerChat(chat) = &peer {
                    let function = functions::messages::DeleteChatUser {
                        revoke_history: false,
                        chat_id: chat.chat_id,
                        user_id: enums::InputUser::InputUserSelf,
                    };
                    return account.invoke_with(&function, terms).await.map(drop);
                }
                let channel = channel_of(&peer)?;
                let function = functions::channels::LeaveChannel { channel };
                account.invoke_with(&function, terms).await.map(drop)
            },
        )
    }
}

/// Makes an invite link; see [`Api::export_invite`].
#[must_use = "no link is made until the call is awaited or detached"]
pub struct ExportInvite {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    chat: PeerRef,
    expires: Option<Duration>,
    usage_limit: Option<i32>,
    approval: bool,
    title: Option<String>,
}

impl ExportInvite {
    pub(crate) fn new(api: Api, chat: PeerRef) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            chat,
            expires: None,
            usage_limit: None,
            approval: false,
            title: None,
        }
    }

    /// The link is good until this time, counted from 1970. Whole seconds.
    pub fn expires(mut self, unix: Duration) -> Self {
        self.expires = Some(unix);
        self
    }

    /// So many may join by it: 1 to 99,999.
    pub fn usage_limit(mut self, people: i32) -> Self {
        self.usage_limit = Some(people);
        self
    }

    /// Whoever comes by it waits until an administrator agrees.
    pub fn approval(mut self) -> Self {
        self.approval = true;
        self
    }

    /// What administrators see it called.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}

impl IntoFuture for ExportInvite {
    type Output = Result<String>;
    type IntoFuture = Pending<String>;

    fn into_future(self) -> Self::IntoFuture {
        const METHOD: &str = "messages.exportChatInvite";
        let terms = self.options.terms(&self.api);
        let account = self.api.clone();
        start(&self.api, METHOD, &self.options, async move {
            let peer = account.resolve(self.chat).await?;
            let mut function = functions::messages::ExportChatInvite::new(peer);
            function.request_needed = self.approval;
            function.expire_date = self
                .expires
                .map(|unix| i32::try_from(unix.as_secs()).unwrap_or(i32::MAX));
            function.usage_limit = self.usage_limit;
            function.title = self.title;
            match account.invoke_with(&function, terms).await? {
                enums::ExportedChatInvite::ChatInviteExported(invite) => Ok(invite.link.clone()),
                _ => Err(Error::Incomplete {
                    method: METHOD.to_owned(),
                    expected: "a link",
                }),
            }
        })
    }
}

call_options!(JoinChat, LeaveChat, ExportInvite);
