//! Sending media: what a message holds, sent again by reference.

use std::future::IntoFuture;

use actogram_tl::{enums, functions, types};

use super::{CallOptions, Pending, Terms, call_options, sent::sent_by_id, start};
use crate::{
    Api, Error, Markup, Msg, PeerId, PeerRef, Result, Text, Update,
    peers::{id_of, input_channel},
};

/// What is sent: the media of a [`Msg`], of an [`Update`] that brings one, or of the schema.
///
/// Files are sent by reference, without their bytes being moved. A reference is good for some hours
/// (<https://core.telegram.org/api/file_reference>): where the media came with a message, that message is asked for anew once
/// the reference turns out to be too old.
#[derive(Debug, Clone)]
pub struct Media {
    input: Result<enums::InputMedia, String>,
    origin: Option<(PeerId, i32)>,
}

impl Media {
    fn none(why: &str) -> Self {
        Self {
            input: Err(why.to_owned()),
            origin: None,
        }
    }
}

impl From<enums::InputMedia> for Media {
    fn from(media: enums::InputMedia) -> Self {
        Self {
            input: Ok(media),
            origin: None,
        }
    }
}

impl From<crate::transfers::FileId> for Media {
    fn from(named: crate::transfers::FileId) -> Self {
        Self {
            input: named.media().map_err(|why| why.to_string()),
            origin: None,
        }
    }
}

impl From<&enums::MessageMedia> for Media {
    fn from(media: &enums::MessageMedia) -> Self {
        Self {
            input: to_input(media),
            origin: None,
        }
    }
}

impl From<enums::MessageMedia> for Media {
    fn from(media: enums::MessageMedia) -> Self {
        Self::from(&media)
    }
}

impl From<&Msg> for Media {
    fn from(message: &Msg) -> Self {
        match message.media() {
            Some(media) => Self {
                input: to_input(media),
                origin: Some((message.chat(), message.id())),
            },
            None => Self::none("the message holds no media"),
        }
    }
}

impl From<Msg> for Media {
    fn from(message: Msg) -> Self {
        Self::from(&message)
    }
}

impl From<&Update> for Media {
    fn from(update: &Update) -> Self {
        match update.message() {
            Some(message) => Self::from(&message),
            None => Self::none("the update brings no message"),
        }
    }
}

/// Media of a message as they are sent; an error says why they cannot be.
pub(crate) fn to_input(media: &enums::MessageMedia) -> Result<enums::InputMedia, String> {
    use enums::MessageMedia as M;
    let point = |geo: &enums::GeoPoint| match geo {
        enums::GeoPoint::GeoPoint(geo) => {
            let mut point = types::InputGeoPoint::new(geo.lat, geo.long);
            point.accuracy_radius = geo.accuracy_radius;
            Ok(enums::InputGeoPoint::from(point))
        }
        enums::GeoPoint::GeoPointEmpty => Err("the place is empty".to_owned()),
    };
    Ok(match media {
        M::MessageMediaPhoto(media) => {
            let Some(enums::Photo::Photo(photo)) = &media.photo else {
                return Err("the photo is gone".to_owned());
            };
            let id = types::InputPhoto {
                id: photo.id,
                access_hash: photo.access_hash,
                file_reference: photo.file_reference.clone(),
            };
            let mut input = types::InputMediaPhoto::new(id.into());
            input.spoiler = media.spoiler;
            input.into()
        }
        M::MessageMediaDocument(media) => {
            let Some(enums::Document::Document(document)) = &media.document else {
                return Err("the file is gone".to_owned());
            };
            let id = types::InputDocument {
                id: document.id,
                access_hash: document.access_hash,
                file_reference: document.file_reference.clone(),
            };
            let mut input = types::InputMediaDocument::new(id.into());
            input.spoiler = media.spoiler;
            input.into()
        }
        M::MessageMediaGeo(media) => types::InputMediaGeoPoint {
            geo_point: point(&media.geo)?,
        }
        .into(),
        M::MessageMediaVenue(media) => types::InputMediaVenue {
            geo_point: point(&media.geo)?,
            title: media.title.clone(),
            address: media.address.clone(),
            provider: media.provider.clone(),
            venue_id: media.venue_id.clone(),
            venue_type: media.venue_type.clone(),
        }
        .into(),
        M::MessageMediaContact(media) => types::InputMediaContact {
            phone_number: media.phone_number.clone(),
            first_name: media.first_name.clone(),
            last_name: media.last_name.clone(),
            vcard: media.vcard.clone(),
        }
        .into(),
        M::MessageMediaDice(media) => types::InputMediaDice {
            emoticon: media.emoticon.clone(),
        }
        .into(),
        M::MessageMediaEmpty => return Err("the message holds no media".to_owned()),
        M::MessageMediaWebPage(_) => {
            return Err("a preview is no media: send the text with the link".to_owned());
        }
        M::MessageMediaGame(_) => {
            return Err("games are sent by their own bot, with inputMediaGame".to_owned());
        }
        _ => return Err("media of this kind cannot be sent again: forward the message".to_owned()),
    })
}

/// Sends media; see [`Api::send_media`].
#[must_use = "nothing is sent until the call is awaited or detached"]
pub struct SendMedia {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    media: Media,
    caption: Text,
    reply_to: Option<i32>,
    silent: bool,
    buttons: Option<Markup>,
}

const METHOD: &str = "messages.sendMedia";

impl SendMedia {
    pub(crate) fn new(api: Api, peer: PeerRef, media: Media) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            media,
            caption: Text::default(),
            reply_to: None,
            silent: false,
            buttons: None,
        }
    }

    /// The text below it. What is too long is `MEDIA_CAPTION_TOO_LONG`.
    pub fn caption(mut self, text: impl Into<Text>) -> Self {
        self.caption = text.into();
        self
    }

    /// Quotes the message with this number.
    pub fn reply_to(mut self, message_id: i32) -> Self {
        self.reply_to = Some(message_id);
        self
    }

    /// Sends without a sound at the receiver.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Puts a keyboard below it; only bots can.
    pub fn buttons(mut self, keyboard: impl Into<Markup>) -> Self {
        self.buttons = Some(keyboard.into());
        self
    }

    async fn send(self, terms: Terms) -> Result<Msg> {
        let api = self.api;
        let media = self
            .media
            .input
            .map_err(|why| Error::argument(METHOD, why))?;
        let reply_markup = match self.buttons {
            Some(keyboard) => Some(keyboard.into_schema()?),
            None => None,
        };
        let entities = api.entities_to_send(&self.caption).await?;
        let peer = api.resolve(self.peer).await?;
        let random_id = api.random_id();
        let text = self.caption.as_str().to_owned();
        let mut function = functions::messages::SendMedia::new(peer, media, text, random_id);
        function.silent = self.silent;
        function.reply_to = self
            .reply_to
            .map(|id| types::InputReplyToMessage::new(id).into());
        function.entities = (!entities.is_empty()).then_some(entities);
        function.reply_markup = reply_markup;
        let first = api.invoke_with(&function, terms).await;
        let updates = match (first, self.media.origin) {
            (Err(error), Some(origin)) if error.is("FILE_REFERENCE_*") => {
                tracing::debug!(%error, "the message is asked for anew");
                function.media = fresh(&api, origin).await?;
                let again = self.options.terms(&api);
                api.invoke_with(&function, again).await?
            }
            (first, _) => first?,
        };
        let sent = sent_by_id(&api, &updates, &[random_id]).pop();
        sent.ok_or(Error::Incomplete {
            method: METHOD.to_owned(),
            expected: "the message that was sent",
        })
    }
}

/// The media of this message as they are now.
async fn fresh(api: &Api, (chat, id): (PeerId, i32)) -> Result<enums::InputMedia> {
    let found = api.get_messages(chat, [id]).await?;
    let gone = || "the message its file came with is gone".to_owned();
    let media = found.first().and_then(Msg::media);
    let media = media.ok_or_else(gone).and_then(to_input);
    media.map_err(|why| Error::argument(METHOD, why))
}

/// So many messages are asked for in one call.
const MOST_ASKED: usize = 100;

impl Api {
    /// Messages of a chat by their numbers, in this order. Those that do not exist, and service messages, are left out.
    ///
    /// # Errors
    /// The datacenter's refusal.
    pub async fn get_messages(
        &self,
        peer: impl Into<PeerRef>,
        message_ids: impl IntoIterator<Item = i32>,
    ) -> Result<Vec<Msg>> {
        let ids: Vec<i32> = message_ids.into_iter().collect();
        let peer = self.resolve(peer).await?;
        let chat = id_of(&peer).or_else(|| self.me_id().map(PeerId::User));
        let channel = input_channel(&peer);
        let mut messages = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST_ASKED) {
            let id = ids
                .iter()
                .map(|id| types::InputMessageId { id: *id }.into())
                .collect();
            let found = match channel.clone() {
                Some(channel) => {
                    self.invoke(functions::channels::GetMessages { channel, id })
                        .await?
                }
                None => self.invoke(functions::messages::GetMessages { id }).await?,
            };
            let found: Vec<Msg> = messages_in(&found)
                .iter()
                .filter_map(|message| Msg::of(self.clone(), message, false))
                .collect();
            // Private chats and basic groups share one numbering: it may be a message of another chat.
            let asked = ids.iter().filter_map(|id| {
                let mut found = found.iter();
                found.find(|it| it.id() == *id && Some(it.chat()) == chat)
            });
            messages.extend(asked.cloned());
        }
        Ok(messages)
    }
}

/// The messages of an answer.
pub(crate) fn messages_in(answer: &enums::messages::Messages) -> &[enums::Message] {
    use enums::messages::Messages as M;
    match answer {
        M::Messages(answer) => &answer.messages,
        M::MessagesSlice(answer) => &answer.messages,
        M::ChannelMessages(answer) => &answer.messages,
        M::MessagesNotModified(_) => &[],
    }
}

impl IntoFuture for SendMedia {
    type Output = Result<Msg>;
    type IntoFuture = Pending<Msg>;

    fn into_future(self) -> Self::IntoFuture {
        let (api, options) = (self.api.clone(), self.options.clone());
        let terms = options.terms(&api);
        start(&api, METHOD, &options, self.send(terms))
    }
}

call_options!(SendMedia);
