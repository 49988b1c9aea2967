//! Who is in a chat.

use std::collections::HashSet;

use actogram_tl::{enums, functions, types};
use futures_util::future::BoxFuture;

use super::{Listing, Page, Source, count, private::Pages};
use crate::{
    Api, ChatMember, Error, PeerError, PeerId, PeerRef, Result,
    peers::{id_of, input_channel},
};

/// So many of the page before are asked for again: as many may leave between two pages without anybody being missed.
const OVERLAP: usize = 10;

/// Which members are wanted (<https://core.telegram.org/type/ChannelParticipantsFilter>).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MemberFilter {
    /// All who are in the chat.
    #[default]
    All,
    /// Who administrates it.
    Admins,
    /// Bots.
    Bots,
    /// Who was banned; for administrators.
    Banned(String),
    /// Whose rights were cut; for administrators.
    Restricted(String),
    /// Whose name holds this.
    Named(String),
}

impl From<&MemberFilter> for enums::ChannelParticipantsFilter {
    fn from(filter: &MemberFilter) -> Self {
        match filter {
            MemberFilter::All => Self::ChannelParticipantsRecent,
            MemberFilter::Admins => Self::ChannelParticipantsAdmins,
            MemberFilter::Bots => Self::ChannelParticipantsBots,
            MemberFilter::Banned(q) => types::ChannelParticipantsKicked { q: q.clone() }.into(),
            MemberFilter::Restricted(q) => types::ChannelParticipantsBanned { q: q.clone() }.into(),
            MemberFilter::Named(q) => types::ChannelParticipantsSearch { q: q.clone() }.into(),
        }
    }
}

/// Who is in a chat; see [`Api::participants`].
pub struct Members {
    chat: PeerRef,
    filter: MemberFilter,
    offset: usize,
    /// Members come and go between two pages.
    given: HashSet<PeerId>,
}

impl Source for Members {}

impl Pages for Members {
    type Item = ChatMember;
    const PAGE: usize = 200;

    fn page(&mut self, api: &Api, most: usize) -> BoxFuture<'_, Result<Page<ChatMember>>> {
        let api = api.clone();
        Box::pin(async move {
            let peer = api.resolve(self.chat.clone()).await?;
            self.chat = PeerRef::Input(peer.clone());
            if let enums::InputPeer::InputPeerChat(chat) = &peer {
                return self.basic_group(&api, chat.chat_id).await;
            }
            let channel = input_channel(&peer).ok_or_else(|| no_chat(&peer))?;
            // Of the first page nothing has been given yet.
            let overlap = OVERLAP.min(self.given.len());
            let offset = self.offset.saturating_sub(overlap);
            let overlap = self.offset - offset;
            let function = functions::channels::GetParticipants {
                channel,
                filter: (&self.filter).into(),
                offset: i32::try_from(offset).unwrap_or(i32::MAX),
                limit: i32::try_from((most + overlap).min(Self::PAGE)).unwrap_or(i32::MAX),
                hash: 0,
            };
            let answer = api.invoke(function).await?;
            let enums::channels::ChannelParticipants::ChannelParticipants(answer) = answer else {
                return Err(Error::Incomplete {
                    method: "channels.getParticipants".to_owned(),
                    expected: "the members",
                });
            };
            let chat = id_of(&peer).ok_or_else(|| no_chat(&peer))?;
            let members = answer.participants.iter();
            let members: Vec<ChatMember> = members
                .map(|it| ChatMember::of_channel(&api, chat, it, &answer.users))
                .collect();
            let reached = offset + members.len();
            let on = reached > self.offset;
            self.offset = reached;
            let new = members.into_iter().filter(|it| self.given.insert(it.id()));
            let items: Vec<ChatMember> = new.collect();
            Ok(Page {
                total: Some(count(answer.count)),
                // A page without anybody new is the last, too: it could be the same for ever.
                last: !on || items.is_empty(),
                items,
            })
        })
    }
}

fn no_chat(peer: &enums::InputPeer) -> Error {
    match id_of(peer) {
        Some(peer) => PeerError::Kind {
            peer,
            expected: "group or channel",
        },
        None => PeerError::NoChat("the account itself"),
    }
    .into()
}

impl Members {
    /// Basic groups tell all of their members at once.
    async fn basic_group(&self, api: &Api, chat_id: i64) -> Result<Page<ChatMember>> {
        let told = api
            .invoke(functions::messages::GetFullChat { chat_id })
            .await?;
        let enums::messages::ChatFull::ChatFull(told) = told;
        let participants: &[enums::ChatParticipant] = match &told.full_chat {
            enums::ChatFull::ChatFull(full) => match &full.participants {
                enums::ChatParticipants::ChatParticipants(list) => &list.participants,
                enums::ChatParticipants::ChatParticipantsForbidden(_) => &[],
            },
            _ => &[],
        };
        let chat = PeerId::Chat(chat_id);
        let members = participants
            .iter()
            .map(|it| ChatMember::of_chat(api, chat, it, &told.users));
        let wanted = |member: &ChatMember| match &self.filter {
            MemberFilter::All => true,
            MemberFilter::Admins => member.is_admin(),
            MemberFilter::Bots => member.user().is_some_and(|user| user.bot),
            // Nobody is banned from basic groups: they are removed.
            MemberFilter::Banned(_) | MemberFilter::Restricted(_) => false,
            MemberFilter::Named(name) => {
                member.name().to_lowercase().contains(&name.to_lowercase())
            }
        };
        let items: Vec<ChatMember> = members.filter(wanted).collect();
        Ok(Page {
            total: Some(items.len()),
            items,
            last: true,
        })
    }
}

impl Listing<Members> {
    /// Only these.
    pub fn filter(self, filter: MemberFilter) -> Self {
        self.with(|members| members.filter = filter)
    }

    /// Passes over so many at the beginning.
    pub fn offset(self, members: usize) -> Self {
        self.with(|list| list.offset = members)
    }
}

impl Api {
    /// Who is in a group, supergroup or channel; of channels for administrators only.
    ///
    /// Telegram keeps the place by counting. Nobody is given twice; should more than a handful leave between two pages,
    /// some who stay may be missed.
    pub fn participants(&self, chat: impl Into<PeerRef>) -> Listing<Members> {
        let source = Members {
            chat: chat.into(),
            filter: MemberFilter::All,
            offset: 0,
            given: HashSet::new(),
        };
        Listing::new(self.clone(), source)
    }

    /// What somebody is in a group, supergroup or channel.
    ///
    /// # Errors
    /// `USER_NOT_PARTICIPANT` if they never were in it.
    pub async fn get_member(
        &self,
        chat: impl Into<PeerRef>,
        user: impl Into<PeerRef>,
    ) -> Result<ChatMember> {
        const METHOD: &str = "channels.getParticipant";
        let peer = self.resolve(chat).await?;
        let participant = self.resolve(user).await?;
        let Some(chat) = id_of(&peer) else {
            return Err(no_chat(&peer));
        };
        if let PeerId::Chat(_) = chat {
            let me = || self.me_id().map(PeerId::User);
            let id = id_of(&participant).or_else(me);
            let members = self.participants(peer).collect().await?;
            let member = members.into_iter().find(|member| Some(member.id()) == id);
            return member.ok_or_else(|| Error::not_participant(METHOD));
        }
        let channel = input_channel(&peer).ok_or_else(|| no_chat(&peer))?;
        let function = functions::channels::GetParticipant {
            channel,
            participant,
        };
        let enums::channels::ChannelParticipant::ChannelParticipant(told) =
            self.invoke(function).await?;
        Ok(ChatMember::of_channel(
            self,
            chat,
            &told.participant,
            &told.users,
        ))
    }
}
