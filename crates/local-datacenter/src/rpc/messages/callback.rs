//! Pressed buttons and what bots answer.
//!
//! See <https://core.telegram.org/api/bots/buttons#callback-queries>.

use actogram_tl as tl;
use bytes::Bytes;
use tl::{Function as _, enums, functions, types};

use crate::model::{Message, MessageUid, PeerKey, UserId};
use crate::rpc::call::Call;
use crate::rpc::errors::{MESSAGE_ID_INVALID, RpcResult, bad};
use crate::rpc::queries::Question;
use crate::rpc::view;

/// Characters of an answer.
const ANSWER_LENGTH: usize = 200;
/// Bytes of a button's data.
const DATA_LENGTH: usize = 64;

/// The data of all callback buttons of a keyboard.
fn callback_data(markup: &enums::ReplyMarkup) -> Vec<Bytes> {
    let enums::ReplyMarkup::ReplyInlineMarkup(markup) = markup else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for row in &markup.rows {
        let enums::KeyboardInlineButtonRow::KeyboardInlineButtonRow(row) = row;
        for button in &row.buttons {
            let enums::KeyboardInlineButton::KeyboardInlineButton(button) = button;
            if let enums::InlineButtonType::InlineButtonTypeCallback(callback) = &button.type_ {
                found.push(callback.data.clone());
            }
        }
    }
    found
}

/// A bot's keyboard, checked: `BUTTON_DATA_INVALID`.
pub(in crate::rpc) fn check_keyboard(markup: &enums::ReplyMarkup) -> RpcResult<()> {
    let fits = |data: &Bytes| (1..=DATA_LENGTH).contains(&data.len());
    if callback_data(markup).iter().all(fits) {
        Ok(())
    } else {
        Err(bad("BUTTON_DATA_INVALID"))
    }
}

/// How an inline message is named to its bot.
pub(in crate::rpc) fn inline_message_id(
    call: &Call<'_>,
    bot: UserId,
    uid: MessageUid,
) -> enums::InputBotInlineMessageId {
    let id = i64::try_from(uid).unwrap_or(i64::MAX);
    types::InputBotInlineMessageId {
        dc_id: call.dc_id,
        id,
        access_hash: view::hash(&call.world.state, b"inline", bot, id),
    }
    .into()
}

/// The same number for all buttons of one chat, different for every bot.
fn chat_instance(call: &Call<'_>, bot: UserId, message: &Message) -> i64 {
    let (place, id) = match message.place {
        crate::model::Place::Private { to } => (b"private", to ^ message.from),
        crate::model::Place::Chat { id } => (b"grouped", id),
        crate::model::Place::Channel { id, .. } => (b"channel", id),
    };
    view::hash(&call.world.state, place, bot, id)
}

/// `messages.getBotCallbackAnswer`: waits for the bot.
pub(in crate::rpc) fn get_bot_callback_answer(
    call: &mut Call<'_>,
    request: functions::messages::GetBotCallbackAnswer,
) -> RpcResult<enums::messages::BotCallbackAnswer> {
    let method = functions::messages::GetBotCallbackAnswer::NAME;
    for (given, parameter) in [
        (request.game, "game"),
        (request.password.is_some(), "password"),
    ] {
        if given {
            return Err(super::parameter_not_built(method, parameter));
        }
    }
    let peer = call.input_peer(&request.peer)?;
    let data: Bytes = request.data.ok_or(bad("DATA_INVALID"))?;
    press(call, peer, request.msg_id, data)?;
    // What the caller gets if the bot does not answer in time.
    Err(bad("BOT_RESPONSE_TIMEOUT"))
}

/// Tells the bot that a button was pressed; returns the query's id.
pub(crate) fn press(call: &mut Call<'_>, peer: PeerKey, id: i32, data: Bytes) -> RpcResult<i64> {
    let me = call.me()?;
    let message = call
        .world
        .state
        .message_in(me, peer, id)
        .ok_or(MESSAGE_ID_INVALID)?
        .clone();
    let bot = message.via_bot.unwrap_or(message.from);
    let markup: Option<enums::ReplyMarkup> = view::stored(message.reply_markup.as_ref());
    let offered = markup.is_some_and(|markup| callback_data(&markup).contains(&data));
    if !offered || !call.is_bot(bot) {
        return Err(bad("DATA_INVALID"));
    }
    let inline = message
        .via_bot
        .map(|bot| inline_message_id(call, bot, message.uid));
    let bots_id = message.id_for(bot);
    if inline.is_none() && bots_id.is_none() {
        // The bot deleted its copy.
        return Err(MESSAGE_ID_INVALID);
    }
    let method = functions::messages::GetBotCallbackAnswer::NAME;
    let query_id = call.ask(bot, Question::Callback, method);
    let chat_instance = chat_instance(call, bot, &message);
    let date = call.date();
    let container = call.view(bot, |view| {
        view.mention(PeerKey::User(me));
        let data = Some(data.to_vec().into());
        let update: enums::Update = match inline {
            None => {
                let key = message.peer_for(bot);
                view.mention(key);
                types::UpdateBotCallbackQuery {
                    query_id,
                    user_id: me,
                    peer: view::peer(key),
                    msg_id: bots_id.unwrap_or_default(),
                    chat_instance,
                    data,
                    game_short_name: None,
                }
                .into()
            }
            Some(msg_id) => types::UpdateInlineBotCallbackQuery {
                query_id,
                user_id: me,
                msg_id,
                chat_instance,
                data,
                game_short_name: None,
            }
            .into(),
        };
        view.container(vec![update], date, 0)
    });
    call.world.push(bot, None, &container);
    Ok(query_id)
}

/// `messages.setBotCallbackAnswer`.
pub(in crate::rpc) fn set_bot_callback_answer(
    call: &mut Call<'_>,
    request: functions::messages::SetBotCallbackAnswer,
) -> RpcResult<bool> {
    let me = call.me()?;
    let length = request.message.as_deref().unwrap_or_default();
    if length.chars().count() > ANSWER_LENGTH {
        return Err(bad("MESSAGE_TOO_LONG"));
    }
    if request.url.as_ref().is_some_and(|url| {
        !(url.starts_with("https://") || url.starts_with("http://") || url.starts_with("tg://"))
    }) {
        return Err(bad("URL_INVALID"));
    }
    call.own_query(me, request.query_id, |question| {
        matches!(question, Question::Callback)
    })?;
    let mut answer = types::messages::BotCallbackAnswer::new(request.cache_time);
    answer.alert = request.alert;
    answer.has_url = request.url.is_some();
    answer.message = request.message.filter(|text| !text.is_empty());
    answer.url = request.url;
    let answer: enums::messages::BotCallbackAnswer = answer.into();
    let asked_by_operator = !call.answer_query(request.query_id, &answer);
    if asked_by_operator {
        let answers = &mut call.world.queries.answers;
        answers.insert(request.query_id, answer);
    }
    Ok(true)
}
