//! `messages.sendMultiMedia`: several photos and files as one album.
//!
//! See <https://core.telegram.org/api/files#albums-grouped-media>.

use actogram_tl as tl;
use tl::{Function as _, enums, functions, types};

use super::media::{captioned, stored};
use super::send::{Outgoing, with_message_ids};
use super::{dialogs, parameter_not_built};
use crate::model::TlBytes;
use crate::rpc::call::Call;
use crate::rpc::errors::{RpcResult, bad, internal};
use crate::rpc::view;

/// Messages of one album.
const MOST: usize = 10;

/// What may stand together in one album.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Seen,
    Heard,
    Files,
}

fn class(media: &TlBytes) -> RpcResult<Class> {
    match view::stored::<enums::MessageMedia>(Some(media)) {
        Some(enums::MessageMedia::MessageMediaPhoto(_)) => Ok(Class::Seen),
        Some(enums::MessageMedia::MessageMediaDocument(media)) => {
            let Some(enums::Document::Document(document)) = media.document else {
                return Err(bad("MEDIA_INVALID"));
            };
            let is = |wanted: fn(&enums::DocumentAttribute) -> bool| {
                document.attributes.iter().any(wanted)
            };
            Ok(
                if is(|it| matches!(it, enums::DocumentAttribute::DocumentAttributeVideo(_))) {
                    Class::Seen
                } else if is(|it| matches!(it, enums::DocumentAttribute::DocumentAttributeAudio(_)))
                {
                    Class::Heard
                } else {
                    Class::Files
                },
            )
        }
        _ => Err(bad("MEDIA_INVALID")),
    }
}

/// `messages.sendMultiMedia`. What is uploaded goes through `messages.uploadMedia` first.
pub(in crate::rpc) fn send_multi_media(
    call: &mut Call<'_>,
    request: functions::messages::SendMultiMedia,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    for (given, parameter) in [
        (request.schedule_date.is_some(), "schedule_date"),
        (request.send_as.is_some(), "send_as"),
        (
            request.quick_reply_shortcut.is_some(),
            "quick_reply_shortcut",
        ),
    ] {
        if given {
            return Err(parameter_not_built(
                functions::messages::SendMultiMedia::NAME,
                parameter,
            ));
        }
    }
    if request.multi_media.is_empty() {
        return Err(bad("MEDIA_EMPTY"));
    }
    if request.multi_media.len() > MOST {
        return Err(bad("MULTI_MEDIA_TOO_LONG"));
    }
    let peer = call.input_peer(&request.peer)?;
    let place = call.writable(peer)?;
    let reply_to = call.reply_target(me, peer, request.reply_to.as_ref())?;
    let mut items: Vec<(Outgoing, i64)> = Vec::new();
    let mut classes = Vec::new();
    for single in request.multi_media {
        let enums::InputSingleMedia::InputSingleMedia(single) = single;
        let types::InputSingleMedia {
            media,
            random_id,
            message,
            entities,
        } = *single;
        call.check_random_id(me, random_id)?;
        if items.iter().any(|(_, before)| *before == random_id) {
            return Err(internal("RANDOM_ID_DUPLICATE"));
        }
        if !matches!(
            media,
            enums::InputMedia::InputMediaPhoto(_) | enums::InputMedia::InputMediaDocument(_)
        ) {
            return Err(bad("MEDIA_INVALID"));
        }
        let (text, entities) = captioned(call, &message, entities)?;
        let media = stored(call, &media)?;
        classes.push(class(&media)?);
        let outgoing = Outgoing {
            text,
            entities,
            reply_to,
            silent: request.silent,
            noforwards: request.noforwards,
            media: Some(media),
            random_id: Some(random_id),
            ..Outgoing::default()
        };
        items.push((outgoing, random_id));
    }
    if classes.windows(2).any(|two| two[0] != two[1]) {
        return Err(bad("MEDIA_GROUPED_INVALID"));
    }
    let grouped = call.new_group_id();
    let audience = call.world.state.audience(me, place);
    let (mut all, mut sent) = (Vec::new(), Vec::new());
    for (mut outgoing, random_id) in items {
        outgoing.grouped = Some(grouped);
        let (uid, touched) = call.deliver(place, audience.clone(), outgoing)?;
        all.extend(touched);
        sent.push((call.own_copy(me, uid)?, random_id));
    }
    if request.clear_draft {
        dialogs::store_draft(call, me, peer, None);
    }
    let container = call.publish(&all);
    Ok(with_message_ids(container, &sent))
}

impl Call<'_> {
    /// The number that the messages of one album share.
    pub(super) fn new_group_id(&mut self) -> i64 {
        actogram_crypto::random::i64(&mut self.world.random) & i64::MAX | 1
    }
}
