//! Histories and what a search finds: messages by falling or rising number.

use actogram_tl::{enums, functions};
use futures_util::future::BoxFuture;

use super::{Listing, Page, Source, count, private::Pages};
use crate::{Api, Msg, PeerRef, Result, calls::messages_in};

/// Where to go on in a list of messages.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// The last one that was read: those beyond it follow. 0 at the beginning.
    id: i32,
    date: i32,
    oldest_first: bool,
}

impl Place {
    /// `offset_id` and `add_offset` (<https://core.telegram.org/api/offsets>).
    fn offset(self, most: i32) -> (i32, i32) {
        if self.oldest_first {
            (self.id.saturating_add(1), most.saturating_neg())
        } else {
            (self.id, 0)
        }
    }

    /// Moves past the page, and takes from it what lies beyond the place so far: messages come and go between two pages, and
    /// none may be given twice.
    fn take(&mut self, api: &Api, answer: &enums::messages::Messages) -> Page<Msg> {
        let list = messages_in(answer);
        let beyond = |id: i32| match (self.oldest_first, self.id) {
            (true, last) => id > last,
            (false, 0) => true,
            (false, last) => id < last,
        };
        let mut new: Vec<(i32, &enums::Message)> = list
            .iter()
            .map(|message| (id_of(message), message))
            .filter(|(id, _)| beyond(*id))
            .collect();
        new.sort_by_key(|(id, _)| if self.oldest_first { *id } else { -*id });
        let (total, complete) = match answer {
            enums::messages::Messages::Messages(answer) => (answer.messages.len(), true),
            enums::messages::Messages::MessagesSlice(answer) => (count(answer.count), false),
            enums::messages::Messages::ChannelMessages(answer) => (count(answer.count), false),
            enums::messages::Messages::MessagesNotModified(answer) => (count(answer.count), true),
        };
        // A page may be shorter than was asked for; only an empty one is the last. All messages at once are that, too.
        let last = new.is_empty() || (complete && !self.oldest_first);
        if let Some((id, _)) = new.last() {
            self.id = *id;
            self.date = 0;
        }
        let items = new
            .into_iter()
            .filter_map(|(_, message)| Msg::of(api.clone(), message, false));
        Page {
            items: items.collect(),
            total: Some(total),
            last,
        }
    }
}

fn id_of(message: &enums::Message) -> i32 {
    match message {
        enums::Message::Message(message) => message.id,
        enums::Message::MessageService(message) => message.id,
        enums::Message::MessageEmpty(message) => message.id,
    }
}

/// The messages of a chat; see [`Api::history`].
pub struct History {
    peer: PeerRef,
    place: Place,
}

impl Source for History {}

impl Pages for History {
    type Item = Msg;
    const PAGE: usize = 100;

    fn page(&mut self, api: &Api, most: usize) -> BoxFuture<'_, Result<Page<Msg>>> {
        let api = api.clone();
        Box::pin(async move {
            let peer = api.resolve(self.peer.clone()).await?;
            self.peer = PeerRef::Input(peer.clone());
            let limit = i32::try_from(most).unwrap_or(i32::MAX);
            let (offset_id, add_offset) = self.place.offset(limit);
            let function = functions::messages::GetHistory {
                peer,
                offset_id,
                offset_date: self.place.date,
                add_offset,
                limit,
                max_id: 0,
                min_id: 0,
                hash: 0,
            };
            let answer = api.invoke(function).await?;
            Ok(self.place.take(&api, &answer))
        })
    }
}

impl Listing<History> {
    /// Begins with the first message older than this one; with [`oldest_first`](Self::oldest_first), newer.
    pub fn offset_id(self, message_id: i32) -> Self {
        self.with(|history| history.place.id = message_id)
    }

    /// Begins with the first message older than this time, in seconds since 1970. Not together with
    /// [`oldest_first`](Self::oldest_first), which it ends.
    pub fn offset_date(self, unix: i32) -> Self {
        self.with(|history| {
            history.place.date = unix;
            history.place.oldest_first = false;
        })
    }

    /// Begins with the oldest message.
    pub fn oldest_first(self) -> Self {
        self.with(|history| {
            history.place.oldest_first = true;
            history.place.date = 0;
        })
    }
}

/// What a search finds; see [`Api::search`].
pub struct Search {
    peer: PeerRef,
    query: String,
    sender: Option<PeerRef>,
    filter: enums::MessagesFilter,
    min_date: i32,
    max_date: i32,
    place: Place,
}

impl Source for Search {}

impl Pages for Search {
    type Item = Msg;
    const PAGE: usize = 100;

    fn page(&mut self, api: &Api, most: usize) -> BoxFuture<'_, Result<Page<Msg>>> {
        let api = api.clone();
        Box::pin(async move {
            let peer = api.resolve(self.peer.clone()).await?;
            self.peer = PeerRef::Input(peer.clone());
            let from_id = match &self.sender {
                Some(sender) => Some(api.resolve(sender.clone()).await?),
                None => None,
            };
            self.sender = from_id.clone().map(PeerRef::from);
            let mut function = functions::messages::Search::new(
                peer,
                self.query.clone(),
                self.filter.clone(),
                self.min_date,
                self.max_date,
                self.place.id,
                0,
                i32::try_from(most).unwrap_or(i32::MAX),
                0,
                0,
                0,
            );
            function.from_id = from_id;
            let answer = api.invoke(function).await?;
            Ok(self.place.take(&api, &answer))
        })
    }
}

impl Listing<Search> {
    /// Begins with the first message older than this one.
    pub fn offset_id(self, message_id: i32) -> Self {
        self.with(|search| search.place.id = message_id)
    }

    /// Only what this sender wrote.
    pub fn sender(self, sender: impl Into<PeerRef>) -> Self {
        let sender = sender.into();
        self.with(|search| search.sender = Some(sender))
    }

    /// Only messages of this kind (<https://core.telegram.org/type/MessagesFilter>).
    pub fn filter(self, filter: enums::MessagesFilter) -> Self {
        self.with(|search| search.filter = filter)
    }

    /// Only what was sent after this time, in seconds since 1970.
    pub fn after(self, unix: i32) -> Self {
        self.with(|search| search.min_date = unix)
    }

    /// Only what was sent before this time, in seconds since 1970.
    pub fn before(self, unix: i32) -> Self {
        self.with(|search| search.max_date = unix)
    }
}

impl Api {
    /// The messages of a chat, newest first; for accounts of people. Service messages are passed over.
    ///
    /// Messages that come meanwhile are not given, and those that go are not missed: the place is kept by number.
    pub fn history(&self, peer: impl Into<PeerRef>) -> Listing<History> {
        let source = History {
            peer: peer.into(),
            place: Place::default(),
        };
        Listing::new(self.clone(), source)
    }

    /// The messages of a chat that hold these words, newest first; for accounts of people. With an empty query, those that fit
    /// the [filter](Listing::<Search>::filter).
    pub fn search(&self, peer: impl Into<PeerRef>, query: impl Into<String>) -> Listing<Search> {
        let source = Search {
            peer: peer.into(),
            query: query.into(),
            sender: None,
            filter: enums::MessagesFilter::InputMessagesFilterEmpty,
            min_date: 0,
            max_date: 0,
            place: Place::default(),
        };
        Listing::new(self.clone(), source)
    }
}
