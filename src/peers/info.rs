//! What a peer is called and tells of itself.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use actogram_tl::{enums, functions, types};
use tokio::time::Instant;

use super::{PeerError, PeerId, PeerRef, chats_in, id_of, input_channel, input_user};
use crate::{Api, Error, Result};

/// What [`Api::get_full_info`] gives may be so old, unless it is asked otherwise.
pub const FULL_INFO_AGE: Duration = Duration::from_secs(60 * 60);
/// Of so many peers it is kept. Beyond, those asked for longest ago are forgotten.
const MOST_KEPT: usize = 1000;

/// What kind of peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerKind {
    /// A person.
    Person,
    /// A bot.
    Bot,
    /// A basic group.
    Group,
    /// A supergroup.
    Supergroup,
    /// A broadcast channel.
    Channel,
}

/// A peer as the datacenter describes it; see [`Api::get_info`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its id.
    pub id: PeerId,
    /// What it is.
    pub kind: PeerKind,
    /// First and last name of users, else the title. Empty for deleted accounts.
    pub title: String,
    /// Its public names, without `@`, the first one foremost.
    pub usernames: Vec<String>,
    /// How calls name it.
    pub input: enums::InputPeer,
    /// As the schema has it.
    pub object: PeerObject,
}

/// A peer as the schema has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PeerObject {
    /// A user (<https://core.telegram.org/constructor/user>).
    User(Box<types::User>),
    /// A group or channel (<https://core.telegram.org/type/Chat>).
    Chat(enums::Chat),
}

/// All a peer tells of itself; see [`Api::get_full_info`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PeerFullInfo {
    /// What it is called.
    pub info: PeerInfo,
    /// As the schema has it.
    pub full: FullObject,
}

/// All a peer tells of itself, as the schema has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FullObject {
    /// Of a user (<https://core.telegram.org/constructor/userFull>).
    User(Box<types::UserFull>),
    /// Of a basic group (<https://core.telegram.org/constructor/chatFull>).
    Chat(Box<types::ChatFull>),
    /// Of a supergroup or channel (<https://core.telegram.org/constructor/channelFull>).
    Channel(Box<types::ChannelFull>),
}

impl PeerFullInfo {
    /// The text of the profile; empty if there is none.
    pub fn about(&self) -> &str {
        match &self.full {
            FullObject::User(user) => user.about.as_deref().unwrap_or_default(),
            FullObject::Chat(chat) => &chat.about,
            FullObject::Channel(channel) => &channel.about,
        }
    }

    /// The message pinned last.
    pub fn pinned_message(&self) -> Option<i32> {
        match &self.full {
            FullObject::User(user) => user.pinned_msg_id,
            FullObject::Chat(chat) => chat.pinned_msg_id,
            FullObject::Channel(channel) => channel.pinned_msg_id,
        }
    }

    /// How many are in it, where that is told.
    pub fn members(&self) -> Option<i32> {
        match &self.full {
            FullObject::User(_) => None,
            FullObject::Chat(chat) => match &chat.participants {
                enums::ChatParticipants::ChatParticipants(list) => {
                    i32::try_from(list.participants.len()).ok()
                }
                enums::ChatParticipants::ChatParticipantsForbidden(_) => None,
            },
            FullObject::Channel(channel) => channel.participants_count,
        }
    }
}

/// Who asked, and about whom.
type Asked = (Option<i64>, PeerId);

/// What was told lately.
#[derive(Default)]
pub(crate) struct FullInfoCache {
    kept: Mutex<HashMap<Asked, (Instant, PeerFullInfo)>>,
}

impl FullInfoCache {
    fn get(&self, key: Asked, age: Duration) -> Option<PeerFullInfo> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, info) = kept.get(&key)?;
        (at.elapsed() <= age).then(|| info.clone())
    }

    fn put(&self, key: Asked, info: PeerFullInfo) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT && !kept.contains_key(&key) {
            let oldest = kept.iter().min_by_key(|(_, (at, _))| *at);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                kept.remove(&oldest);
            }
        }
        kept.insert(key, (Instant::now(), info));
    }
}

impl Api {
    /// What a peer is called, asked anew.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), and the datacenter's refusal.
    pub async fn get_info(&self, peer: impl Into<PeerRef>) -> Result<PeerInfo> {
        let input = self.resolve(peer).await?;
        let object = match &input {
            enums::InputPeer::InputPeerChat(chat) => {
                let id = vec![chat.chat_id];
                let chats = self.invoke(functions::messages::GetChats { id }).await?;
                first_chat(&chats)
            }
            other => match (input_user(other), input_channel(other)) {
                (Some(user), _) => {
                    let id = vec![user];
                    let users = self.invoke(functions::users::GetUsers { id }).await?;
                    first_user(users)
                }
                (_, Some(channel)) => {
                    let id = vec![channel];
                    let chats = self.invoke(functions::channels::GetChannels { id }).await?;
                    first_chat(&chats)
                }
                _ => None,
            },
        };
        self.describe(input, object)
    }

    /// All a peer tells of itself. It is kept: what is given may be up to [`FULL_INFO_AGE`] old, which is an hour. Other
    /// ages, or none: [`get_full_info_within`](Self::get_full_info_within).
    ///
    /// # Errors
    /// As [`get_info`](Self::get_info).
    pub async fn get_full_info(&self, peer: impl Into<PeerRef>) -> Result<PeerFullInfo> {
        self.get_full_info_within(peer, FULL_INFO_AGE).await
    }

    /// All a peer tells of itself, at most so old; with no age at all it is asked anew.
    ///
    /// # Errors
    /// As [`get_info`](Self::get_info).
    pub async fn get_full_info_within(
        &self,
        peer: impl Into<PeerRef>,
        age: Duration,
    ) -> Result<PeerFullInfo> {
        let input = self.resolve(peer).await?;
        let id = id_of(&input).or_else(|| self.me_id().map(PeerId::User));
        let key = (self.me_id(), id.ok_or_else(nobody)?);
        if !age.is_zero()
            && let Some(known) = self.full_info_cache().get(key, age)
        {
            return Ok(known);
        }
        let told = self.ask_full(input).await?;
        self.full_info_cache().put(key, told.clone());
        Ok(told)
    }

    async fn ask_full(&self, input: enums::InputPeer) -> Result<PeerFullInfo> {
        if let Some(id) = input_user(&input) {
            let told = self.invoke(functions::users::GetFullUser { id }).await?;
            let enums::users::UserFull::UserFull(told) = told;
            let enums::UserFull::UserFull(full) = told.full_user;
            let user = told.users.into_iter().find_map(|user| match user {
                enums::User::User(user) if user.id == full.id => Some(PeerObject::User(user)),
                _ => None,
            });
            return Ok(PeerFullInfo {
                info: self.describe(input, user)?,
                full: FullObject::User(full),
            });
        }
        let told = match (&input, input_channel(&input)) {
            (_, Some(channel)) => {
                let function = functions::channels::GetFullChannel { channel };
                self.invoke(function).await?
            }
            (enums::InputPeer::InputPeerChat(chat), _) => {
                let chat_id = chat.chat_id;
                self.invoke(functions::messages::GetFullChat { chat_id })
                    .await?
            }
            _ => return Err(nobody()),
        };
        let enums::messages::ChatFull::ChatFull(told) = told;
        let (id, full) = match told.full_chat {
            enums::ChatFull::ChatFull(chat) => (PeerId::Chat(chat.id), FullObject::Chat(chat)),
            enums::ChatFull::ChannelFull(channel) => {
                (PeerId::Channel(channel.id), FullObject::Channel(channel))
            }
            _ => {
                return Err(Error::NotBuilt {
                    what: "information about this kind of chat",
                });
            }
        };
        let chat = told
            .chats
            .into_iter()
            .find(|chat| id_of_chat(chat) == Some(id));
        Ok(PeerFullInfo {
            info: self.describe(input, chat.map(PeerObject::Chat))?,
            full,
        })
    }

    fn describe(&self, input: enums::InputPeer, object: Option<PeerObject>) -> Result<PeerInfo> {
        let object = object.ok_or_else(|| match id_of(&input) {
            Some(id) => Error::from(PeerError::Unknown(id)),
            None => nobody(),
        })?;
        let chat = |id, kind, title: &str, usernames| (id, kind, title.to_owned(), usernames);
        let (id, kind, title, usernames) = match &object {
            PeerObject::User(user) => {
                let kind = if user.bot {
                    PeerKind::Bot
                } else {
                    PeerKind::Person
                };
                let names = [user.first_name.as_deref(), user.last_name.as_deref()];
                let names: Vec<&str> = names.into_iter().flatten().collect();
                let usernames = usernames(user.username.as_ref(), user.usernames.as_deref());
                (PeerId::User(user.id), kind, names.join(" "), usernames)
            }
            PeerObject::Chat(enums::Chat::Chat(it)) => {
                chat(PeerId::Chat(it.id), PeerKind::Group, &it.title, Vec::new())
            }
            PeerObject::Chat(enums::Chat::ChatForbidden(it)) => {
                chat(PeerId::Chat(it.id), PeerKind::Group, &it.title, Vec::new())
            }
            PeerObject::Chat(enums::Chat::Channel(it)) => {
                let usernames = usernames(it.username.as_ref(), it.usernames.as_deref());
                chat(
                    PeerId::Channel(it.id),
                    channel_kind(it.broadcast),
                    &it.title,
                    usernames,
                )
            }
            PeerObject::Chat(enums::Chat::ChannelForbidden(it)) => {
                let kind = channel_kind(it.broadcast);
                chat(PeerId::Channel(it.id), kind, &it.title, Vec::new())
            }
            PeerObject::Chat(_) => {
                return Err(match id_of(&input) {
                    Some(id) => PeerError::Unknown(id).into(),
                    None => nobody(),
                });
            }
        };
        Ok(PeerInfo {
            id,
            kind,
            title,
            usernames,
            input,
            object,
        })
    }
}

fn nobody() -> Error {
    PeerError::Notation("me, before a login,".to_owned()).into()
}

fn channel_kind(broadcast: bool) -> PeerKind {
    if broadcast {
        PeerKind::Channel
    } else {
        PeerKind::Supergroup
    }
}

fn id_of_chat(chat: &enums::Chat) -> Option<PeerId> {
    match PeerRef::from(chat) {
        PeerRef::Id(id) => Some(id),
        PeerRef::Input(peer) => id_of(&peer),
        _ => None,
    }
}

fn first_chat(chats: &enums::messages::Chats) -> Option<PeerObject> {
    chats_in(chats).first().cloned().map(PeerObject::Chat)
}

fn first_user(users: Vec<enums::User>) -> Option<PeerObject> {
    users.into_iter().find_map(|user| match user {
        enums::User::User(user) => Some(PeerObject::User(user)),
        enums::User::UserEmpty(_) => None,
    })
}

fn usernames(first: Option<&String>, more: Option<&[enums::Username]>) -> Vec<String> {
    let more = more.unwrap_or_default().iter();
    let more = more.filter_map(|name| match name {
        enums::Username::Username(name) if name.active => Some(name.username.clone()),
        _ => None,
    });
    first.cloned().into_iter().chain(more).collect()
}
