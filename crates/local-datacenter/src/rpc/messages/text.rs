//! The text of a message as Telegram stores it: trimmed, measured in UTF-16, its entities checked and completed.
//!
//! See <https://core.telegram.org/api/entities>.

use actogram_tl as tl;
use tl::{enums, types};

use crate::model::UserId;
use crate::rpc::call::Call;
use crate::rpc::errors::{RpcResult, bad};

/// More entities than this are refused.
const MAX_ENTITIES: usize = 100;

/// A text ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) entities: Vec<enums::MessageEntity>,
}

fn utf16_length(text: &str) -> i32 {
    i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX)
}

macro_rules! with_range {
    ($entity:expr, $($variant:ident),+) => {
        match $entity {
            $(enums::MessageEntity::$variant(inner) => Some((&mut inner.offset, &mut inner.length)),)+
            _ => None,
        }
    };
}

/// Offset and length of an entity, in UTF-16 code units.
fn range(entity: &mut enums::MessageEntity) -> Option<(&mut i32, &mut i32)> {
    with_range!(
        entity,
        MessageEntityUnknown,
        MessageEntityMention,
        MessageEntityHashtag,
        MessageEntityBotCommand,
        MessageEntityUrl,
        MessageEntityEmail,
        MessageEntityBold,
        MessageEntityItalic,
        MessageEntityCode,
        MessageEntityPre,
        MessageEntityTextUrl,
        MessageEntityMentionName,
        MessageEntityPhone,
        MessageEntityCashtag,
        MessageEntityUnderline,
        MessageEntityStrike,
        MessageEntityBankCard,
        MessageEntitySpoiler,
        MessageEntityCustomEmoji,
        MessageEntityFormattedDate,
        MessageEntityBlockquote
    )
}

/// Checks and completes what a client sent.
///
/// `MESSAGE_EMPTY`, `MESSAGE_TOO_LONG`, `ENTITIES_TOO_LONG`, `ENTITY_BOUNDS_INVALID`, `ENTITY_MENTION_USER_INVALID`.
pub(super) fn prepare(
    call: &Call<'_>,
    raw: &str,
    entities: Option<Vec<enums::MessageEntity>>,
) -> RpcResult<Text> {
    let text = raw.trim_end();
    let trimmed = text.trim_start();
    if trimmed.is_empty() {
        return Err(bad("MESSAGE_EMPTY"));
    }
    let cut = utf16_length(&text[..text.len() - trimmed.len()]);
    let length = utf16_length(trimmed);
    let limit = call.world.config.limits.message_length;
    if usize::try_from(length).unwrap_or(usize::MAX) > limit {
        return Err(bad("MESSAGE_TOO_LONG"));
    }
    let raw_length = utf16_length(raw);
    let given = entities.unwrap_or_default();
    if given.len() > MAX_ENTITIES {
        return Err(bad("ENTITIES_TOO_LONG"));
    }
    let mut kept = Vec::with_capacity(given.len());
    for entity in given {
        let mut entity = resolve_mention(call, entity)?;
        let Some((offset, size)) = range(&mut entity) else {
            continue;
        };
        let end = offset
            .checked_add(*size)
            .ok_or(bad("ENTITY_BOUNDS_INVALID"))?;
        if *offset < 0 || *size <= 0 || end > raw_length {
            return Err(bad("ENTITY_BOUNDS_INVALID"));
        }
        // The trimmed ends take their part of the entity with them.
        let from = (*offset - cut).clamp(0, length);
        let to = (end - cut).clamp(0, length);
        if from < to {
            (*offset, *size) = (from, to - from);
            kept.push(entity);
        }
    }
    complete(trimmed, &mut kept);
    kept.sort_by_key(|entity| {
        let mut entity = entity.clone();
        range(&mut entity).map_or((0, 0), |(offset, size)| (*offset, -*size))
    });
    Ok(Text {
        text: trimmed.to_owned(),
        entities: kept,
    })
}

fn resolve_mention(
    call: &Call<'_>,
    entity: enums::MessageEntity,
) -> RpcResult<enums::MessageEntity> {
    let enums::MessageEntity::InputMessageEntityMentionName(mention) = &entity else {
        return Ok(entity);
    };
    let user_id: UserId = call
        .input_user(&mention.user_id)
        .map_err(|_| bad("ENTITY_MENTION_USER_INVALID"))?
        .id;
    Ok(types::MessageEntityMentionName {
        offset: mention.offset,
        length: mention.length,
        user_id,
    }
    .into())
}

/// Adds what the server finds by itself: commands, mentions, hashtags, links. Parts that an entity covers already
/// are left alone.
fn complete(text: &str, entities: &mut Vec<enums::MessageEntity>) {
    let mut covered: Vec<(i32, i32)> = Vec::new();
    for entity in entities.iter_mut() {
        if let Some((offset, size)) = range(entity) {
            covered.push((*offset, *offset + *size));
        }
    }
    let mut position = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let start = position;
        position += utf16_length(word);
        let Some((found, skip, length)) = classify(word) else {
            continue;
        };
        let offset = start + skip;
        let overlaps = covered
            .iter()
            .any(|(from, to)| offset < *to && *from < offset + length);
        if overlaps {
            continue;
        }
        entities.push(match found {
            Found::Command => types::MessageEntityBotCommand { offset, length }.into(),
            Found::Mention => types::MessageEntityMention { offset, length }.into(),
            Found::Hashtag => types::MessageEntityHashtag { offset, length }.into(),
            Found::Url => types::MessageEntityUrl { offset, length }.into(),
        });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Command,
    Mention,
    Hashtag,
    Url,
}

/// What a word is, how many UTF-16 units precede it, and how long it is.
fn classify(word: &str) -> Option<(Found, i32, i32)> {
    let word = word.trim_end();
    let body = word.trim_start_matches(['(', '"', '\'']);
    let skip = utf16_length(&word[..word.len() - body.len()]);
    let name_length = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .map(|c| c.len_utf16())
            .sum::<usize>()
    };
    let (found, length) = match body.chars().next()? {
        '/' => {
            let rest = &body[1..];
            let command = name_length(rest);
            let after = rest.get(command..)?;
            let bot = after
                .strip_prefix('@')
                .map_or(0, |bot| 1 + name_length(bot));
            (command > 0 && rest.is_char_boundary(command))
                .then_some((Found::Command, 1 + command + bot))?
        }
        '@' => {
            let length = name_length(&body[1..]);
            (length >= 5).then_some((Found::Mention, 1 + length))?
        }
        '#' => {
            let length = name_length(&body[1..]);
            (length > 0).then_some((Found::Hashtag, 1 + length))?
        }
        _ => {
            let url = body.trim_end_matches(['.', ',', '!', '?', ')', '"', '\'']);
            let host = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"))?;
            let length = usize::try_from(utf16_length(url)).ok()?;
            (!host.is_empty()).then_some((Found::Url, length))?
        }
    };
    Some((found, skip, i32::try_from(length).ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Found, classify};

    #[test]
    fn words_are_recognised() {
        assert_eq!(classify("/start"), Some((Found::Command, 0, 6)));
        assert_eq!(classify("/start@echo_bot "), Some((Found::Command, 0, 15)));
        assert_eq!(classify("/"), None);
        assert_eq!(classify("/ä€"), None);
        assert_eq!(classify("(@alice)"), Some((Found::Mention, 1, 6)));
        assert_eq!(classify("@bob"), None);
        assert_eq!(classify("#größe!"), Some((Found::Hashtag, 0, 6)));
        assert_eq!(
            classify("https://example.org/x,"),
            Some((Found::Url, 0, 21))
        );
        assert_eq!(classify("https://"), None);
        assert_eq!(classify("plain"), None);
    }
}
