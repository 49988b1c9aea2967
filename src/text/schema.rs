//! Entities as the schema has them.

use actogram_text::{DateFormat, Entity, EntityKind, Precision, Text};
use actogram_tl::{enums, types};

/// A text with the entities that came with it over the wire. What this crate does not know becomes
/// [`EntityKind::Unknown`].
///
/// ```
/// use actogram::{text::from_schema, tl::types};
/// let bold = types::MessageEntityBold { offset: 0, length: 2 };
/// assert_eq!(from_schema("hi", &[bold.into()]).to_html(), "<b>hi</b>");
/// ```
pub fn from_schema(text: impl Into<String>, entities: &[enums::MessageEntity]) -> Text {
    Text::with_entities(text, entities.iter().map(from_wire).collect())
}

/// The entities of a text as the schema has them, but for [`EntityKind::Unknown`], which nobody could send.
///
/// A mention by id becomes `messageEntityMentionName`, as received ones are. To be sent it needs the user's access hash:
/// [`Api::send_message`](crate::Api::send_message) adds that.
pub fn to_schema(text: &Text) -> Vec<enums::MessageEntity> {
    text.entities().iter().filter_map(to_wire).collect()
}

fn from_wire(entity: &enums::MessageEntity) -> Entity {
    use enums::MessageEntity as Wire;
    let (kind, offset, length) = match entity {
        Wire::MessageEntityBold(e) => (EntityKind::Bold, e.offset, e.length),
        Wire::MessageEntityItalic(e) => (EntityKind::Italic, e.offset, e.length),
        Wire::MessageEntityUnderline(e) => (EntityKind::Underline, e.offset, e.length),
        Wire::MessageEntityStrike(e) => (EntityKind::Strike, e.offset, e.length),
        Wire::MessageEntitySpoiler(e) => (EntityKind::Spoiler, e.offset, e.length),
        Wire::MessageEntityCode(e) => (EntityKind::Code, e.offset, e.length),
        Wire::MessageEntityPre(e) => {
            let language = e.language.clone();
            (EntityKind::Pre { language }, e.offset, e.length)
        }
        Wire::MessageEntityBlockquote(e) => {
            let collapsed = e.collapsed;
            (EntityKind::Blockquote { collapsed }, e.offset, e.length)
        }
        Wire::MessageEntityTextUrl(e) => {
            let url = e.url.clone();
            (EntityKind::TextUrl { url }, e.offset, e.length)
        }
        Wire::MessageEntityMentionName(e) => {
            let user_id = e.user_id;
            (EntityKind::MentionName { user_id }, e.offset, e.length)
        }
        Wire::InputMessageEntityMentionName(e) => {
            let kind = match &e.user_id {
                enums::InputUser::InputUser(user) => EntityKind::MentionName {
                    user_id: user.user_id,
                },
                _ => EntityKind::Unknown,
            };
            (kind, e.offset, e.length)
        }
        Wire::MessageEntityCustomEmoji(e) => {
            let document_id = e.document_id;
            (EntityKind::CustomEmoji { document_id }, e.offset, e.length)
        }
        Wire::MessageEntityFormattedDate(e) => {
            let kind = EntityKind::FormattedDate {
                date: e.date,
                format: DateFormat {
                    relative: e.relative,
                    day_of_week: e.day_of_week,
                    date: precision(e.short_date, e.long_date),
                    time: precision(e.short_time, e.long_time),
                },
            };
            (kind, e.offset, e.length)
        }
        Wire::MessageEntityMention(e) => (EntityKind::Mention, e.offset, e.length),
        Wire::MessageEntityHashtag(e) => (EntityKind::Hashtag, e.offset, e.length),
        Wire::MessageEntityCashtag(e) => (EntityKind::Cashtag, e.offset, e.length),
        Wire::MessageEntityBotCommand(e) => (EntityKind::BotCommand, e.offset, e.length),
        Wire::MessageEntityUrl(e) => (EntityKind::Url, e.offset, e.length),
        Wire::MessageEntityEmail(e) => (EntityKind::Email, e.offset, e.length),
        Wire::MessageEntityPhone(e) => (EntityKind::Phone, e.offset, e.length),
        Wire::MessageEntityBankCard(e) => (EntityKind::BankCard, e.offset, e.length),
        // Where it lies says nothing without what it is.
        _ => (EntityKind::Unknown, 0, 0),
    };
    // A negative offset or length is nonsense of the other end's.
    let size = |number: i32| usize::try_from(number).unwrap_or(0);
    Entity::new(kind, size(offset), size(length))
}

fn precision(short: bool, long: bool) -> Option<Precision> {
    match (short, long) {
        (true, _) => Some(Precision::Short),
        (false, true) => Some(Precision::Long),
        (false, false) => None,
    }
}

fn to_wire(entity: &Entity) -> Option<enums::MessageEntity> {
    let size = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let (offset, length) = (size(entity.offset), size(entity.length));
    Some(match &entity.kind {
        EntityKind::Bold => types::MessageEntityBold { offset, length }.into(),
        EntityKind::Italic => types::MessageEntityItalic { offset, length }.into(),
        EntityKind::Underline => types::MessageEntityUnderline { offset, length }.into(),
        EntityKind::Strike => types::MessageEntityStrike { offset, length }.into(),
        EntityKind::Spoiler => types::MessageEntitySpoiler { offset, length }.into(),
        EntityKind::Code => types::MessageEntityCode { offset, length }.into(),
        EntityKind::Pre { language } => types::MessageEntityPre {
            offset,
            length,
            language: language.clone(),
        }
        .into(),
        EntityKind::Blockquote { collapsed } => types::MessageEntityBlockquote {
            collapsed: *collapsed,
            offset,
            length,
        }
        .into(),
        EntityKind::TextUrl { url } => types::MessageEntityTextUrl {
            offset,
            length,
            url: url.clone(),
        }
        .into(),
        EntityKind::MentionName { user_id } => types::MessageEntityMentionName {
            offset,
            length,
            user_id: *user_id,
        }
        .into(),
        EntityKind::CustomEmoji { document_id } => types::MessageEntityCustomEmoji {
            offset,
            length,
            document_id: *document_id,
        }
        .into(),
        EntityKind::FormattedDate { date, format } => types::MessageEntityFormattedDate {
            relative: format.relative,
            day_of_week: format.day_of_week,
            short_date: format.date == Some(Precision::Short),
            long_date: format.date == Some(Precision::Long),
            short_time: format.time == Some(Precision::Short),
            long_time: format.time == Some(Precision::Long),
            offset,
            length,
            date: *date,
        }
        .into(),
        EntityKind::Mention => types::MessageEntityMention { offset, length }.into(),
        EntityKind::Hashtag => types::MessageEntityHashtag { offset, length }.into(),
        EntityKind::Cashtag => types::MessageEntityCashtag { offset, length }.into(),
        EntityKind::BotCommand => types::MessageEntityBotCommand { offset, length }.into(),
        EntityKind::Url => types::MessageEntityUrl { offset, length }.into(),
        EntityKind::Email => types::MessageEntityEmail { offset, length }.into(),
        EntityKind::Phone => types::MessageEntityPhone { offset, length }.into(),
        EntityKind::BankCard => types::MessageEntityBankCard { offset, length }.into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        let source = "<b>a</b><i>b</i><u>c</u><s>d</s><tg-spoiler>e</tg-spoiler><code>f</code>\
             <pre><code class=\"language-rs\">g</code></pre><blockquote expandable>h</blockquote>\
             <blockquote>i</blockquote><a href=\"https://x.example/\">j</a><a href=\"tg://user?id=7\">k</a>\
             <tg-emoji emoji-id=\"5\">👍</tg-emoji><tg-time unix=\"9\" format=\"wDt\">l</tg-time>\
             <tg-time unix=\"9\" format=\"r\">m</tg-time><tg-time unix=\"9\" format=\"dT\">n</tg-time>";
        let mut text = actogram_text::html(source);
        assert_eq!(text.to_html(), source);
        for found in [
            EntityKind::Mention,
            EntityKind::Hashtag,
            EntityKind::Cashtag,
            EntityKind::BotCommand,
            EntityKind::Url,
            EntityKind::Email,
            EntityKind::Phone,
            EntityKind::BankCard,
        ] {
            text += Text::plain("x").formatted(found);
        }
        let there = to_schema(&text);
        assert_eq!(there.len(), text.entities().len());
        assert_eq!(from_schema(text.as_str(), &there), text);
    }

    proptest::proptest! {
        #[test]
        fn strange_entities_do_no_harm(offset: i32, length: i32, text in ".{0,9}") {
            let wire = [
                types::MessageEntityBold { offset, length }.into(),
                types::MessageEntityUnknown { offset, length }.into(),
                types::MessageEntityTextUrl { offset: length, length: offset, url: text.clone() }.into(),
            ];
            let text = from_schema(text, &wire);
            proptest::prop_assert_eq!(to_schema(&text).len(), 2);
            let read = actogram_text::html(text.to_html());
            proptest::prop_assert_eq!(read.as_str(), text.as_str());
        }
    }
}
