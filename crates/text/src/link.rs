//! What the address of a link means to Telegram.

use crate::EntityKind;

/// What a link to this address is; `None` if it is a link to nowhere.
///
/// Besides Telegram's own `tg://user`, `tg://emoji` and `tg://time` (<https://core.telegram.org/api/links>) it knows the
/// `mention:` and `emoji:` of MadelineProto.
pub(crate) fn kind_of(url: &str) -> Option<EntityKind> {
    if url.is_empty() {
        return None;
    }
    Some(special(url).unwrap_or_else(|| EntityKind::TextUrl {
        url: url.to_owned(),
    }))
}

/// An emoji or a moment, which is what `![text](address)` may hold.
pub(crate) fn emoji_or_time(url: &str) -> Option<EntityKind> {
    special(url).filter(|kind| {
        matches!(
            kind,
            EntityKind::CustomEmoji { .. } | EntityKind::FormattedDate { .. }
        )
    })
}

fn special(url: &str) -> Option<EntityKind> {
    if let Some(id) = url.strip_prefix("mention:") {
        return user(id);
    }
    if let Some(id) = url.strip_prefix("emoji:") {
        return emoji(id);
    }
    let scheme = url.get(..3)?;
    if !scheme.eq_ignore_ascii_case("tg:") {
        return None;
    }
    let rest = &url[3..];
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let rest = rest.split('#').next()?;
    let (host, query) = rest.split_once('?')?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    if host.eq_ignore_ascii_case("user") {
        user(parameter("id")?)
    } else if host.eq_ignore_ascii_case("emoji") {
        emoji(parameter("id")?)
    } else if host.eq_ignore_ascii_case("time") {
        Some(EntityKind::FormattedDate {
            date: number(parameter("unix")?)?,
            format: parameter("format").unwrap_or_default().parse().ok()?,
        })
    } else {
        None
    }
}

fn user(id: &str) -> Option<EntityKind> {
    let user_id: i64 = number(id)?;
    (user_id > 0).then_some(EntityKind::MentionName { user_id })
}

fn emoji(id: &str) -> Option<EntityKind> {
    let document_id: i64 = number(id)?;
    (document_id != 0).then_some(EntityKind::CustomEmoji { document_id })
}

/// A number in the one way in which it is written: without a plus sign or leading zeros.
pub(crate) fn number<N: std::str::FromStr + ToString>(text: &str) -> Option<N> {
    text.parse()
        .ok()
        .filter(|number: &N| number.to_string() == text)
}

/// The address that stands for this entity in a link; `None` if it is no link.
pub(crate) fn url_of(kind: &EntityKind) -> Option<String> {
    match kind {
        EntityKind::TextUrl { url } => Some(url.clone()),
        EntityKind::MentionName { user_id } => Some(format!("tg://user?id={user_id}")),
        EntityKind::CustomEmoji { document_id } => Some(format!("tg://emoji?id={document_id}")),
        EntityKind::FormattedDate { date, format } if *format == Default::default() => {
            Some(format!("tg://time?unix={date}"))
        }
        EntityKind::FormattedDate { date, format } => {
            Some(format!("tg://time?unix={date}&format={format}"))
        }
        _ => None,
    }
}
