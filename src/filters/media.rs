//! Kinds of media (<https://core.telegram.org/type/MessageMedia>).

use actogram_tl::{
    enums::{Document, DocumentAttribute as A, MessageMedia as M},
    types::MessageMediaDocument,
};

use super::Filter;
use crate::Msg;

/// What filters tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Media,
    Photo,
    Document,
    Video,
    Animation,
    Audio,
    Voice,
    Sticker,
    Contact,
    Location,
    Venue,
    Poll,
    Dice,
    Game,
    WebPage,
}

impl Kind {
    fn is(self, media: &M) -> bool {
        match (self, media) {
            (_, M::MessageMediaEmpty) => false,
            (Self::Media, media) => !matches!(media, M::MessageMediaWebPage(_)),
            (Self::Photo, M::MessageMediaPhoto(_))
            | (Self::Contact, M::MessageMediaContact(_))
            | (Self::Location, M::MessageMediaGeo(_) | M::MessageMediaGeoLive(_))
            | (Self::Venue, M::MessageMediaVenue(_))
            | (Self::Poll, M::MessageMediaPoll(_))
            | (Self::Dice, M::MessageMediaDice(_))
            | (Self::Game, M::MessageMediaGame(_))
            | (Self::WebPage, M::MessageMediaWebPage(_)) => true,
            (kind, M::MessageMediaDocument(media)) => kind.is_file(media),
            _ => false,
        }
    }

    fn is_file(self, media: &MessageMediaDocument) -> bool {
        let attributes = match &media.document {
            Some(Document::Document(document)) => &document.attributes[..],
            // What was shown once is gone, but what it was is still told.
            _ => &[],
        };
        let any = |is: fn(&A) -> bool| attributes.iter().any(is);
        let sticker = any(|it| matches!(it, A::DocumentAttributeSticker(_)));
        let animated = any(|it| matches!(it, A::DocumentAttributeAnimated));
        let video = any(|it| matches!(it, A::DocumentAttributeVideo(_)));
        let audio = |of_voice| {
            attributes.iter().any(|it| match it {
                A::DocumentAttributeAudio(audio) => audio.voice == of_voice,
                _ => false,
            })
        };
        match self {
            Self::Document => true,
            Self::Sticker => sticker,
            // An animation has the attribute of videos, too, and a sticker may have both.
            Self::Animation => animated && !sticker,
            Self::Video => (media.video || media.round || video) && !animated && !sticker,
            Self::Audio => !media.voice && audio(false),
            Self::Voice => media.voice || audio(true),
            _ => false,
        }
    }
}

fn of(kind: Kind) -> Filter<Msg> {
    Filter::new(move |message: &Msg| {
        let media = message.raw().media.as_ref();
        media.is_some_and(|media| kind.is(media))
    })
}

/// Anything besides text; the preview of a link counts as none.
pub fn media() -> Filter<Msg> {
    of(Kind::Media)
}

/// A photo.
pub fn photo() -> Filter<Msg> {
    of(Kind::Photo)
}

/// A file of any kind: videos, music, voice messages and stickers are files, too.
pub fn document() -> Filter<Msg> {
    of(Kind::Document)
}

/// A video, round ones included. Stickers and animations are none.
pub fn video() -> Filter<Msg> {
    of(Kind::Video)
}

/// A silent, endless video, usually called a GIF.
pub fn animation() -> Filter<Msg> {
    of(Kind::Animation)
}

/// A piece of music.
pub fn audio() -> Filter<Msg> {
    of(Kind::Audio)
}

/// A voice message.
pub fn voice() -> Filter<Msg> {
    of(Kind::Voice)
}

/// A sticker.
pub fn sticker() -> Filter<Msg> {
    of(Kind::Sticker)
}

/// Somebody's name and phone number.
pub fn contact() -> Filter<Msg> {
    of(Kind::Contact)
}

/// A point on the map, fixed or live.
pub fn location() -> Filter<Msg> {
    of(Kind::Location)
}

/// A point on the map with a name and an address.
pub fn venue() -> Filter<Msg> {
    of(Kind::Venue)
}

/// A poll or quiz.
pub fn poll() -> Filter<Msg> {
    of(Kind::Poll)
}

/// A die or one of its kin.
pub fn dice() -> Filter<Msg> {
    of(Kind::Dice)
}

/// A game.
pub fn game() -> Filter<Msg> {
    of(Kind::Game)
}

/// A link with a preview.
pub fn web_page() -> Filter<Msg> {
    of(Kind::WebPage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actogram_tl::types;

    const KINDS: [Kind; 15] = [
        Kind::Media,
        Kind::Photo,
        Kind::Document,
        Kind::Video,
        Kind::Animation,
        Kind::Audio,
        Kind::Voice,
        Kind::Sticker,
        Kind::Contact,
        Kind::Location,
        Kind::Venue,
        Kind::Poll,
        Kind::Dice,
        Kind::Game,
        Kind::WebPage,
    ];

    fn kinds(media: impl Into<M>) -> Vec<Kind> {
        let media = media.into();
        KINDS.into_iter().filter(|kind| kind.is(&media)).collect()
    }

    fn file(attributes: Vec<A>) -> MessageMediaDocument {
        let mut document = types::Document::new(
            1,
            2,
            Vec::new().into(),
            0,
            "a/b".to_owned(),
            3,
            2,
            attributes,
        );
        document.size = 3;
        let mut media = MessageMediaDocument::new();
        media.document = Some(document.into());
        media
    }

    fn video() -> A {
        types::DocumentAttributeVideo::new(1.0, 2, 3).into()
    }

    fn audio(voice: bool) -> A {
        let mut audio = types::DocumentAttributeAudio::new(1);
        audio.voice = voice;
        audio.into()
    }

    fn sticker() -> A {
        let set = actogram_tl::enums::InputStickerSet::InputStickerSetEmpty;
        types::DocumentAttributeSticker::new("x".to_owned(), set).into()
    }

    #[test]
    fn files_are_told_apart_by_their_attributes() {
        use Kind::{Animation, Audio, Document, Media, Sticker, Video, Voice};
        assert_eq!(kinds(file(vec![])), [Media, Document]);
        assert_eq!(kinds(file(vec![video()])), [Media, Document, Video]);
        let animation = vec![video(), A::DocumentAttributeAnimated];
        assert_eq!(kinds(file(animation)), [Media, Document, Animation]);
        assert_eq!(kinds(file(vec![audio(false)])), [Media, Document, Audio]);
        assert_eq!(kinds(file(vec![audio(true)])), [Media, Document, Voice]);
        let moving = vec![video(), A::DocumentAttributeAnimated, sticker()];
        assert_eq!(kinds(file(moving)), [Media, Document, Sticker]);
        let mut once = MessageMediaDocument::new();
        once.voice = true;
        assert_eq!(kinds(once), [Media, Document, Voice], "what was shown once");
    }

    #[test]
    fn other_media_are_told_apart() {
        use Kind::{Dice, Location, Media, Photo, WebPage};
        assert_eq!(kinds(types::MessageMediaPhoto::new()), [Media, Photo]);
        assert_eq!(
            kinds(types::MessageMediaDice::new(1, "x".to_owned())),
            [Media, Dice]
        );
        let point = || actogram_tl::enums::GeoPoint::GeoPointEmpty;
        assert_eq!(
            kinds(types::MessageMediaGeo { geo: point() }),
            [Media, Location]
        );
        assert_eq!(
            kinds(types::MessageMediaGeoLive::new(point(), 9)),
            [Media, Location]
        );
        let page = types::WebPageEmpty::new(1);
        assert_eq!(
            kinds(types::MessageMediaWebPage::new(page.into())),
            [WebPage]
        );
        assert_eq!(kinds(M::MessageMediaEmpty), []);
    }
}
