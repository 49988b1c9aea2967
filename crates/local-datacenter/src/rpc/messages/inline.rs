//! Inline queries: asked by people, answered by bots, and one result sent.
//!
//! See <https://core.telegram.org/api/bots/inline>.

use actogram_tl as tl;
use tl::{Function as _, enums, functions, types};

use super::send::{Outgoing, with_message_ids};
use super::{callback, dialogs, parameter_not_built, text};
use crate::model::{PeerKey, Place};
use crate::rpc::call::Call;
use crate::rpc::errors::{RpcResult, bad};
use crate::rpc::queries::{INLINE_RESULTS_LIFETIME, InlineResults, Question};
use crate::rpc::view;

/// Results of one answer.
const MAX_RESULTS: usize = 50;
/// Bytes of a result's id and of an offset.
const ID_LENGTH: usize = 64;
/// Characters of a query.
const QUERY_LENGTH: usize = 256;

/// `messages.getInlineBotResults`: waits for the bot.
pub(in crate::rpc) fn get_inline_bot_results(
    call: &mut Call<'_>,
    request: functions::messages::GetInlineBotResults,
) -> RpcResult<enums::messages::BotResults> {
    let me = call.me()?;
    let method = functions::messages::GetInlineBotResults::NAME;
    if request.geo_point.is_some() {
        return Err(parameter_not_built(method, "geo_point"));
    }
    let user = call
        .input_user(&request.bot)
        .map_err(|_| bad("BOT_INVALID"))?;
    let bot = user.id;
    let record = user.bot.as_ref().ok_or(bad("BOT_INVALID"))?;
    if record.inline_placeholder.is_none() {
        return Err(bad("BOT_INLINE_DISABLED"));
    }
    let peer_type = match &request.peer {
        enums::InputPeer::InputPeerEmpty => None,
        peer => Some(match call.input_peer(peer)? {
            PeerKey::User(id) if id == bot => {
                enums::InlineQueryPeerType::InlineQueryPeerTypeSameBotPm
            }
            PeerKey::User(id) if call.is_bot(id) => {
                enums::InlineQueryPeerType::InlineQueryPeerTypeBotPm
            }
            PeerKey::User(_) => enums::InlineQueryPeerType::InlineQueryPeerTypePm,
            PeerKey::Chat(_) => enums::InlineQueryPeerType::InlineQueryPeerTypeChat,
            PeerKey::Channel(id) if call.room(id)?.channel.broadcast => {
                enums::InlineQueryPeerType::InlineQueryPeerTypeBroadcast
            }
            PeerKey::Channel(_) => enums::InlineQueryPeerType::InlineQueryPeerTypeMegagroup,
        }),
    };
    let query: String = request.query.chars().take(QUERY_LENGTH).collect();
    let question = Question::Inline {
        query: query.clone(),
    };
    let query_id = call.ask(bot, question, method);
    let date = call.date();
    let container = call.view(bot, |view| {
        view.mention(PeerKey::User(me));
        let update = types::UpdateBotInlineQuery {
            query_id,
            user_id: me,
            query,
            geo: None,
            peer_type,
            offset: request.offset,
        };
        view.container(vec![update.into()], date, 0)
    });
    call.world.push(bot, None, &container);
    // What the caller gets if the bot does not answer in time.
    Err(bad("BOT_RESPONSE_TIMEOUT"))
}

/// A result as the bot gave it, as the asker is shown it.
fn shown(
    call: &Call<'_>,
    result: &enums::InputBotInlineResult,
) -> RpcResult<(String, enums::BotInlineResult)> {
    let enums::InputBotInlineResult::InputBotInlineResult(result) = result else {
        // Those need files.
        return Err(parameter_not_built(
            functions::messages::SetInlineBotResults::NAME,
            "results with photos, documents or games",
        ));
    };
    if result.thumb.is_some() || result.content.is_some() {
        return Err(parameter_not_built(
            functions::messages::SetInlineBotResults::NAME,
            "results with thumb or content",
        ));
    }
    if !(1..=ID_LENGTH).contains(&result.id.len()) {
        return Err(bad("RESULT_ID_INVALID"));
    }
    if result.type_.is_empty() {
        return Err(bad("RESULT_TYPE_INVALID"));
    }
    if result.type_ == "article" && result.title.as_deref().is_none_or(str::is_empty) {
        return Err(bad("ARTICLE_TITLE_EMPTY"));
    }
    let enums::InputBotInlineMessage::InputBotInlineMessageText(message) = &result.send_message
    else {
        return Err(parameter_not_built(
            functions::messages::SetInlineBotResults::NAME,
            "send_message other than text",
        ));
    };
    let ready = text::prepare(call, &message.message, message.entities.clone())?;
    if let Some(markup) = &message.reply_markup {
        callback::check_keyboard(markup)?;
    }
    let mut object = types::BotInlineMessageText::new(ready.text);
    object.no_webpage = message.no_webpage;
    object.entities = (!ready.entities.is_empty()).then_some(ready.entities);
    object.reply_markup.clone_from(&message.reply_markup);
    let mut told =
        types::BotInlineResult::new(result.id.clone(), result.type_.clone(), object.into());
    told.title.clone_from(&result.title);
    told.description.clone_from(&result.description);
    told.url.clone_from(&result.url);
    Ok((result.id.clone(), told.into()))
}

/// `messages.setInlineBotResults`.
pub(in crate::rpc) fn set_inline_bot_results(
    call: &mut Call<'_>,
    request: functions::messages::SetInlineBotResults,
) -> RpcResult<bool> {
    let me = call.me()?;
    let query_id = request.query_id;
    let asked = call.own_query(me, query_id, |question| {
        matches!(question, Question::Inline { .. })
    })?;
    let Question::Inline { query } = asked.question.clone() else {
        return Err(bad("QUERY_ID_INVALID"));
    };
    let user = asked.user;
    if request.results.len() > MAX_RESULTS {
        return Err(bad("RESULTS_TOO_MUCH"));
    }
    let offset = request.next_offset.as_deref().unwrap_or_default();
    if offset.len() > ID_LENGTH {
        return Err(bad("NEXT_OFFSET_INVALID"));
    }
    let mut ids: Vec<String> = Vec::new();
    let mut results = Vec::with_capacity(request.results.len());
    for result in &request.results {
        let (id, told) = shown(call, result)?;
        if ids.contains(&id) {
            return Err(bad("RESULT_ID_DUPLICATE"));
        }
        ids.push(id);
        results.push(told);
    }
    let users = vec![call.user_object(user, me)];
    let mut answer = types::messages::BotResults::new(query_id, results, request.cache_time, users);
    answer.gallery = request.gallery;
    answer.next_offset = request.next_offset.filter(|offset| !offset.is_empty());
    answer.switch_pm = request.switch_pm;
    answer.switch_webview = request.switch_webview;
    let answer: enums::messages::BotResults = answer.into();
    let expires = call.now + INLINE_RESULTS_LIFETIME;
    call.world.queries.results.insert(
        query_id,
        InlineResults {
            user,
            bot: me,
            query,
            results: request.results,
            expires,
        },
    );
    call.answer_query(query_id, &answer);
    Ok(true)
}

/// `messages.sendInlineBotResult`.
pub(in crate::rpc) fn send_inline_bot_result(
    call: &mut Call<'_>,
    request: functions::messages::SendInlineBotResult,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let method = functions::messages::SendInlineBotResult::NAME;
    for (given, parameter) in [
        (request.schedule_date.is_some(), "schedule_date"),
        (request.send_as.is_some(), "send_as"),
        (
            request.quick_reply_shortcut.is_some(),
            "quick_reply_shortcut",
        ),
        (request.hide_via, "hide_via"),
    ] {
        if given {
            return Err(parameter_not_built(method, parameter));
        }
    }
    if request.query_id == 0 {
        return Err(bad("QUERY_ID_EMPTY"));
    }
    if request.id.is_empty() {
        return Err(bad("RESULT_ID_EMPTY"));
    }
    let peer = call.input_peer(&request.peer)?;
    let place = call.writable(peer)?;
    let now = call.now;
    let found = call
        .world
        .queries
        .results
        .get(&request.query_id)
        .filter(|results| results.user == me && results.expires > now)
        .ok_or(bad("INLINE_RESULT_EXPIRED"))?
        .clone();
    let chosen = found.results.iter().find_map(|result| match result {
        enums::InputBotInlineResult::InputBotInlineResult(result) if result.id == request.id => {
            match &result.send_message {
                enums::InputBotInlineMessage::InputBotInlineMessageText(text) => Some(text.clone()),
                _ => None,
            }
        }
        _ => None,
    });
    let chosen = chosen.ok_or(bad("RESULT_ID_INVALID"))?;
    let ready = text::prepare(call, &chosen.message, chosen.entities.clone())?;
    let reply_to = call.reply_target(me, peer, request.reply_to.as_ref())?;
    call.check_random_id(me, request.random_id)?;
    let has_keyboard = chosen.reply_markup.is_some();
    let outgoing = Outgoing {
        text: ready.text,
        entities: (!ready.entities.is_empty()).then(|| view::to_store(&ready.entities)),
        reply_markup: chosen.reply_markup.as_ref().map(view::to_store),
        reply_to,
        silent: request.silent,
        via_bot: Some(found.bot),
        random_id: Some(request.random_id),
        ..Outgoing::default()
    };
    let audience = match place {
        Place::Channel { .. } => Vec::new(),
        _ => call.world.state.audience(me, place),
    };
    let (uid, touched) = call.deliver(place, audience, outgoing)?;
    if request.clear_draft {
        dialogs::store_draft(call, me, peer, None);
    }
    let container = call.publish(&touched);
    let bot = found.bot;
    let msg_id = has_keyboard.then(|| callback::inline_message_id(call, bot, uid));
    let date = call.date();
    let told = call.view(bot, |view| {
        view.mention(PeerKey::User(me));
        let update = types::UpdateBotInlineSend {
            user_id: me,
            query: found.query,
            geo: None,
            id: request.id,
            msg_id,
        };
        view.container(vec![update.into()], date, 0)
    });
    call.world.push(bot, None, &told);
    let id = call.own_copy(me, uid)?;
    Ok(with_message_ids(container, &[(id, request.random_id)]))
}
