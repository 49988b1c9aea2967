//! The arguments of a call by name, as people write them, made those of the schema.

use actogram_tl::{
    Decode, Encode, enums, json,
    tables::{self, FunctionInfo, Shape},
};
use serde_json::{Map, Value, json};

use super::media::to_input;
use crate::{
    Api, Error, PeerRef, Result,
    peers::{PeerError, id_of, input_channel, input_user},
    text::ParseMode,
};

/// Names of the Bot API, and what the schema calls the same (<https://core.telegram.org/bots/api#sendmessage>).
const BOT_API_NAMES: &[(&str, &str)] = &[
    ("chat_id", "peer"),
    ("text", "message"),
    ("disable_notification", "silent"),
    ("disable_web_page_preview", "no_webpage"),
    ("protect_content", "noforwards"),
    ("reply_to_message_id", "reply_to_msg_id"),
];

/// Names of the Bot API, formatted text, peers in any notation and random numbers, replaced by what the schema takes.
pub(super) async fn prepare(api: &Api, method: &str, mut arguments: Value) -> Result<Value> {
    let (Some(function), Some(object)) =
        (tables::function_by_name(method), arguments.as_object_mut())
    else {
        // The codec names what is wrong with either.
        return Ok(arguments);
    };
    rename(function, object)?;
    reply(function, object)?;
    format_text(api, function, object).await?;
    resolve_peers(api, function, object).await?;
    Ok(arguments)
}

fn takes(function: &FunctionInfo, name: &str) -> bool {
    function.fields.iter().any(|field| field.name == name)
}

fn rename(function: &FunctionInfo, object: &mut Map<String, Value>) -> Result<()> {
    for (theirs, ours) in BOT_API_NAMES {
        let ours_is_taken =
            takes(function, ours) || (*ours == "reply_to_msg_id" && takes(function, "reply_to"));
        if takes(function, theirs) || !ours_is_taken {
            continue;
        }
        let Some(value) = object.remove(*theirs) else {
            continue;
        };
        if object.contains_key(*ours) {
            let why = format!("{theirs} and {ours} are the same: give one of them");
            return Err(Error::argument(function.name, why));
        }
        object.insert((*ours).to_owned(), value);
    }
    Ok(())
}

/// Wraps the number of the answered message as the schema has it since layer 158
/// (<https://core.telegram.org/constructor/inputReplyToMessage>).
fn reply(function: &FunctionInfo, object: &mut Map<String, Value>) -> Result<()> {
    if !takes(function, "reply_to") || takes(function, "reply_to_msg_id") {
        return Ok(());
    }
    let topic = match takes(function, "top_msg_id") {
        true => None,
        false => object.remove("top_msg_id"),
    };
    let message = object.remove("reply_to_msg_id");
    // A topic is answered by answering the message it began with.
    let Some(message) = message.or_else(|| topic.clone()) else {
        return Ok(());
    };
    if object.contains_key("reply_to") {
        let why = "reply_to says what is answered: leave out reply_to_msg_id and top_msg_id";
        return Err(Error::argument(function.name, why));
    }
    let mut answered = json!({"_": "inputReplyToMessage", "reply_to_msg_id": message});
    if let Some(topic) = topic {
        answered["top_msg_id"] = topic;
    }
    object.insert("reply_to".to_owned(), answered);
    Ok(())
}

/// Reads the text in the dialect that `parse_mode` names, if the method takes a text with entities. Entities given beside
/// it are kept.
async fn format_text(
    api: &Api,
    function: &FunctionInfo,
    object: &mut Map<String, Value>,
) -> Result<()> {
    if !takes(function, "message") || !takes(function, "entities") {
        return Ok(());
    }
    let Some(mode) = object.remove("parse_mode") else {
        return Ok(());
    };
    let key = if object.contains_key("caption") {
        "caption"
    } else {
        "message"
    };
    let (Some(mode), Some(source)) = (
        mode.as_str().and_then(ParseMode::named),
        object.get(key).and_then(Value::as_str),
    ) else {
        return Ok(());
    };
    let text = mode.parse(source);
    let mut entities = Vec::new();
    for entity in api.entities_to_send(&text).await? {
        entities.push(json::decode("MessageEntity", entity.to_bytes())?);
    }
    object.remove(key);
    object.insert("message".to_owned(), text.as_str().into());
    if let Some(Value::Array(given)) = object.get_mut("entities") {
        given.append(&mut entities);
    } else if !entities.is_empty() {
        object.insert("entities".to_owned(), entities.into());
    }
    Ok(())
}

async fn resolve_peers(
    api: &Api,
    function: &FunctionInfo,
    object: &mut Map<String, Value>,
) -> Result<()> {
    for field in function.fields {
        if field.name == "random_id" && !object.contains_key("random_id") {
            let numbers = match field.shape {
                Shape::Vector(_) => {
                    let named = object.get("id").and_then(Value::as_array);
                    let numbers = named.into_iter().flatten();
                    numbers.map(|_| api.random_id().to_string()).collect()
                }
                _ => json!(api.random_id().to_string()),
            };
            object.insert("random_id".to_owned(), numbers);
            continue;
        }
        let Some(value) = object.get_mut(field.name) else {
            continue;
        };
        let kind = tables::api().shape_name(field.shape);
        let inner = kind
            .strip_prefix("Vector<")
            .and_then(|kind| kind.strip_suffix('>'));
        match (inner, value) {
            (Some(kind), Value::Array(values)) => {
                for value in values {
                    resolve_peer(api, function, kind, value).await?;
                }
            }
            (_, value) => resolve_peer(api, function, &kind, value).await?,
        }
    }
    Ok(())
}

/// Puts the peer in place of its notation, and media where a message is given; anything else is left to the codec.
async fn resolve_peer(
    api: &Api,
    function: &FunctionInfo,
    kind: &str,
    value: &mut Value,
) -> Result<()> {
    if kind == "InputMedia" {
        return take_media(function, value);
    }
    if !matches!(kind, "InputPeer" | "InputUser" | "InputChannel") {
        return Ok(());
    }
    let notation = match &*value {
        Value::String(text) => PeerRef::from(text.as_str()),
        Value::Number(number) => match number.as_i64() {
            Some(id) => PeerRef::from(id),
            None => return Ok(()),
        },
        Value::Object(_) => match object_as_peer(kind, value)? {
            Some(peer) => peer,
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    let peer = api.resolve(notation).await?;
    let (encoded, expected) = match kind {
        "InputPeer" => (Some(peer.to_bytes()), "peer"),
        "InputUser" => (input_user(&peer).map(|user| user.to_bytes()), "user"),
        _ => (
            input_channel(&peer).map(|channel| channel.to_bytes()),
            "supergroup or channel",
        ),
    };
    let Some(encoded) = encoded else {
        return Err(match id_of(&peer) {
            Some(peer) => PeerError::Kind { peer, expected },
            None => PeerError::Notation(format!("{value}, where a {expected} is asked for,")),
        }
        .into());
    };
    *value = json::decode(kind, encoded)?;
    Ok(())
}

/// Puts the media of a message, of an update that brings one, or of either's media, in place of it.
fn take_media(function: &FunctionInfo, value: &mut Value) -> Result<()> {
    let none = || Error::argument(function.name, "the object given as media holds none");
    let media = match type_of(value) {
        Some("MessageMedia") => &*value,
        Some("Message") => value.get("media").ok_or_else(none)?,
        Some("Update") => {
            let message = value.get("message");
            message.and_then(|it| it.get("media")).ok_or_else(none)?
        }
        _ => return Ok(()),
    };
    let media = json::encode("MessageMedia", media)?;
    let media = enums::MessageMedia::from_bytes(media).map_err(|_| none())?;
    let input = to_input(&media).map_err(|why| Error::argument(function.name, why))?;
    *value = json::decode("InputMedia", input.to_bytes())?;
    Ok(())
}

/// The type of the schema an object is of.
fn type_of(value: &Value) -> Option<&'static str> {
    let name = value.get("_").and_then(Value::as_str)?;
    let schema = tables::api();
    let constructor = schema.constructor_by_name(name)?;
    Some(schema.types[usize::from(constructor.type_index)].name)
}

/// An object of the schema that stands for a peer but is not of the type that is asked for; nothing if it is of that
/// type, or stands for none.
fn object_as_peer(kind: &str, value: &Value) -> Result<Option<PeerRef>> {
    let Some(own) = type_of(value).filter(|own| *own != kind) else {
        return Ok(None);
    };
    let read = || json::encode(own, value);
    let found = match own {
        "Peer" => as_peer::<enums::Peer>(read()?),
        "InputPeer" => as_peer::<enums::InputPeer>(read()?),
        "InputUser" => as_peer::<enums::InputUser>(read()?),
        "InputChannel" => as_peer::<enums::InputChannel>(read()?),
        "User" => as_peer::<enums::User>(read()?),
        "Chat" => as_peer::<enums::Chat>(read()?),
        "Message" => as_peer::<enums::Message>(read()?),
        "Update" => enums::Update::from_bytes(read()?).ok().map(|update| {
            match crate::objects::peer_of(&update) {
                Some(id) => PeerRef::Id(id),
                None => PeerRef::Invalid(PeerError::NoChat("the update")),
            }
        }),
        _ => None,
    };
    Ok(found)
}

fn as_peer<T: Decode + Into<PeerRef>>(encoded: bytes::Bytes) -> Option<PeerRef> {
    // What the codec has written it can read.
    T::from_bytes(encoded).ok().map(Into::into)
}
