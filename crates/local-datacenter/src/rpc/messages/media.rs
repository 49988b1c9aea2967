//! Media: contacts, points on the map, dice, photos and files; one by one and as albums.

use actogram_tl as tl;
use tl::{Function as _, enums, functions, types};

use super::send::{Outgoing, with_message_ids};
use super::{callback, dialogs, parameter_not_built, text};
use crate::model::{TlBytes, normalize_phone};
use crate::rpc::call::Call;
use crate::rpc::errors::{RpcResult, bad};
use crate::rpc::view;
use crate::rpc::{documents, photos};

/// Emoji that are thrown, with how many outcomes each has; see <https://core.telegram.org/api/dice>.
const DICE: &[(&str, u32)] = &[
    ("🎲", 6),
    ("🎯", 6),
    ("🎳", 6),
    ("🏀", 5),
    ("⚽", 5),
    ("⚽️", 5),
    ("🎰", 64),
];

/// What is stored for the media a client names.
pub(super) fn stored(call: &mut Call<'_>, media: &enums::InputMedia) -> RpcResult<TlBytes> {
    let media: enums::MessageMedia = match media {
        enums::InputMedia::InputMediaContact(contact) => {
            let user = normalize_phone(&contact.phone_number)
                .and_then(|phone| call.world.state.user_by_phone(&phone))
                .map_or(0, |user| user.id);
            types::MessageMediaContact {
                phone_number: contact.phone_number.clone(),
                first_name: contact.first_name.clone(),
                last_name: contact.last_name.clone(),
                vcard: contact.vcard.clone(),
                user_id: user,
            }
            .into()
        }
        enums::InputMedia::InputMediaGeoPoint(point) => {
            let enums::InputGeoPoint::InputGeoPoint(point) = &point.geo_point else {
                return Err(bad("MEDIA_EMPTY"));
            };
            if !(-90.0..=90.0).contains(&point.lat) || !(-180.0..=180.0).contains(&point.long) {
                return Err(bad("MEDIA_INVALID"));
            }
            types::MessageMediaGeo {
                geo: types::GeoPoint {
                    long: point.long,
                    lat: point.lat,
                    access_hash: 0,
                    accuracy_radius: point.accuracy_radius,
                }
                .into(),
            }
            .into()
        }
        enums::InputMedia::InputMediaDice(dice) => {
            let (_, sides) = DICE
                .iter()
                .find(|(emoji, _)| *emoji == dice.emoticon)
                .ok_or(bad("EMOTICON_INVALID"))?;
            let thrown = actogram_crypto::random::u32(&mut call.world.random) % sides;
            types::MessageMediaDice {
                value: i32::try_from(thrown + 1).unwrap_or(1),
                emoticon: dice.emoticon.clone(),
                game_outcome: None,
            }
            .into()
        }
        enums::InputMedia::InputMediaDocument(input) => {
            let document = documents::named(call, &input.id)?;
            let mut media = types::MessageMediaDocument::new();
            media.spoiler = input.spoiler;
            media.document = Some(documents::to_keep(document));
            media.into()
        }
        enums::InputMedia::InputMediaUploadedDocument(input) => {
            let document = documents::uploaded(call, input)?;
            let mut media = types::MessageMediaDocument::new();
            media.spoiler = input.spoiler;
            media.document = Some(documents::to_keep(&document));
            for attribute in &input.attributes {
                match attribute {
                    enums::DocumentAttribute::DocumentAttributeVideo(video) => {
                        media.video = !video.round_message;
                        media.round = video.round_message;
                    }
                    enums::DocumentAttribute::DocumentAttributeAudio(audio) => {
                        media.voice = audio.voice;
                    }
                    _ => {}
                }
            }
            media.into()
        }
        enums::InputMedia::InputMediaPhoto(input) => {
            let photo = photos::named(call, &input.id)?;
            let mut media = types::MessageMediaPhoto::new();
            media.spoiler = input.spoiler;
            media.photo = Some(photos::to_keep(photo));
            media.into()
        }
        enums::InputMedia::InputMediaUploadedPhoto(input) => {
            let photo = photos::uploaded(call, &input.file)?;
            let mut media = types::MessageMediaPhoto::new();
            media.spoiler = input.spoiler;
            media.photo = Some(photos::to_keep(&photo));
            media.into()
        }
        enums::InputMedia::InputMediaEmpty => return Err(bad("MEDIA_EMPTY")),
        _ => {
            return Err(parameter_not_built(
                functions::messages::SendMedia::NAME,
                "media other than contacts, points, dice, photos and files",
            ));
        }
    };
    Ok(view::to_store(&media))
}

/// A caption may be empty, other than a text.
pub(super) fn captioned(
    call: &Call<'_>,
    message: &str,
    entities: Option<Vec<enums::MessageEntity>>,
) -> RpcResult<(String, Option<TlBytes>)> {
    if message.trim().is_empty() {
        return Ok((String::new(), None));
    }
    let ready = text::prepare(call, message, entities)?;
    let entities = (!ready.entities.is_empty()).then(|| view::to_store(&ready.entities));
    Ok((ready.text, entities))
}

/// `messages.uploadMedia`: media that can be sent later, by its reference.
pub(in crate::rpc) fn upload_media(
    call: &mut Call<'_>,
    request: functions::messages::UploadMedia,
) -> RpcResult<enums::MessageMedia> {
    let me = call.me()?;
    if request.business_connection_id.is_some() {
        return Err(parameter_not_built(
            functions::messages::UploadMedia::NAME,
            "business_connection_id",
        ));
    }
    call.input_peer(&request.peer)?;
    let kept = stored(call, &request.media)?;
    let mut media = view::stored(Some(&kept)).ok_or(bad("MEDIA_INVALID"))?;
    call.view(me, |view| view.own_media(&mut media));
    Ok(media)
}

/// `messages.sendMedia`.
pub(crate) fn send_media(
    call: &mut Call<'_>,
    request: functions::messages::SendMedia,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    for (given, parameter) in [
        (request.schedule_date.is_some(), "schedule_date"),
        (
            request.quick_reply_shortcut.is_some(),
            "quick_reply_shortcut",
        ),
        (request.send_as.is_some(), "send_as"),
        (request.suggested_post.is_some(), "suggested_post"),
    ] {
        if given {
            return Err(parameter_not_built(
                functions::messages::SendMedia::NAME,
                parameter,
            ));
        }
    }
    let peer = call.input_peer(&request.peer)?;
    let place = call.writable(peer)?;
    let (caption, entities) = captioned(call, &request.message, request.entities)?;
    let reply_to = call.reply_target(me, peer, request.reply_to.as_ref())?;
    call.check_random_id(me, request.random_id)?;
    if let Some(markup) = &request.reply_markup {
        callback::check_keyboard(markup)?;
    }
    let media = stored(call, &request.media)?;
    let outgoing = Outgoing {
        text: caption,
        entities,
        reply_markup: request
            .reply_markup
            .filter(|_| call.is_bot(me))
            .map(|markup| view::to_store(&markup)),
        reply_to,
        silent: request.silent,
        noforwards: request.noforwards,
        media: Some(media),
        random_id: Some(request.random_id),
        ..Outgoing::default()
    };
    let audience = call.world.state.audience(me, place);
    let (uid, touched) = call.deliver(place, audience, outgoing)?;
    if request.clear_draft {
        dialogs::store_draft(call, me, peer, None);
    }
    let container = call.publish(&touched);
    let id = call.own_copy(me, uid)?;
    Ok(with_message_ids(container, &[(id, request.random_id)]))
}
