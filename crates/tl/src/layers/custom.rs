//! Translations between layers that are more than fields that came or went.
//!
//! Up to layer 228 one type, `KeyboardButton`, had eighteen constructors for the buttons under the
//! text field and those under a message alike. Since 229 a button is a text and a type of button,
//! and there are two kinds: `keyboardButton` with a `ButtonType`, `keyboardInlineButton` with an
//! `InlineButtonType`. A button that is of the other kind than the place it stands in (older layers
//! allowed it on the wire, no server sends it) becomes the plain button, or the disabled one.

use bytes::Bytes;

use crate::codec::{Decode, Encode, VECTOR};
use crate::enums::{self, ButtonType, InlineButtonType};
use crate::error::DecodeError;
use crate::reader::Reader;
use crate::types;
use crate::writer::Writer;

const ROW: u32 = 0x7760_8b83;
const INLINE_MARKUP: u32 = 0x48a3_0254;
const PLAIN: u32 = 0x7d17_0cff;
const URL: u32 = 0xd80c_25ec;
const CALLBACK: u32 = 0xe62b_c960;
const REQUEST_PHONE: u32 = 0x417e_fd8f;
const REQUEST_GEO: u32 = 0xaa40_f94d;
const SWITCH_INLINE: u32 = 0x9913_99fc;
const GAME: u32 = 0x89c5_90f9;
const BUY: u32 = 0x3fa5_3905;
const URL_AUTH: u32 = 0xf510_06f9;
const INPUT_URL_AUTH: u32 = 0x6801_3e72;
const REQUEST_POLL: u32 = 0x7a11_d782;
const INPUT_PROFILE: u32 = 0x7d5e_07c7;
const PROFILE: u32 = 0xc0fd_5d09;
const WEB_VIEW: u32 = 0xe846_b1a0;
const SIMPLE_WEB_VIEW: u32 = 0xe15c_4370;
const REQUEST_PEER: u32 = 0x5b0f_15f5;
const INPUT_REQUEST_PEER: u32 = 0x02b7_8156;
const COPY: u32 = 0xbcc4_af10;
const JOIN_WEB_VIEW: u32 = 0x2f51_c337;
const STYLE_BIT: u32 = 1 << 10;

/// A peer that is nobody, where an older layer has no way to leave it out.
pub(crate) fn no_peer() -> enums::Peer {
    types::PeerUser { user_id: 0 }.into()
}

pub(crate) fn text_with_entities(text: String) -> enums::TextWithEntities {
    types::TextWithEntities {
        text,
        entities: Vec::new(),
    }
    .into()
}

/// Entities are lost: the older layer has plain text there.
pub(crate) fn plain_text(text: enums::TextWithEntities) -> String {
    let enums::TextWithEntities::TextWithEntities(text) = text;
    text.text
}

/// What a button of an older layer is.
enum Kind {
    Reply(ButtonType),
    Inline(InlineButtonType),
}

struct Button {
    style: Option<enums::KeyboardButtonStyle>,
    text: String,
    kind: Kind,
}

fn read_button(id: u32, r: &mut Reader) -> Result<Button, DecodeError> {
    let flags = r.get_u32()?;
    let bit = |n: u32| flags & (1 << n) != 0;
    let style = r.optional(flags & STYLE_BIT != 0)?;
    // The only one with a field between style and text.
    let quiz = if id == REQUEST_POLL {
        r.optional(bit(0))?
    } else {
        None
    };
    let text = r.get_string()?;
    let kind = match id {
        PLAIN => Kind::Reply(ButtonType::ButtonTypeDefault),
        REQUEST_PHONE => Kind::Reply(ButtonType::ButtonTypeRequestPhone),
        REQUEST_GEO => Kind::Reply(ButtonType::ButtonTypeRequestGeoLocation),
        REQUEST_POLL => Kind::Reply(types::ButtonTypeRequestPoll { quiz }.into()),
        SIMPLE_WEB_VIEW => Kind::Reply(
            types::ButtonTypeSimpleWebView {
                url: r.get_string()?,
            }
            .into(),
        ),
        REQUEST_PEER => Kind::Reply(
            types::ButtonTypeRequestPeer {
                button_id: r.get_i32()?,
                peer_type: Decode::decode(r)?,
                max_quantity: r.get_i32()?,
            }
            .into(),
        ),
        INPUT_REQUEST_PEER => Kind::Reply(
            types::InputButtonTypeRequestPeer {
                name_requested: bit(0),
                username_requested: bit(1),
                photo_requested: bit(2),
                button_id: r.get_i32()?,
                peer_type: Decode::decode(r)?,
                max_quantity: r.get_i32()?,
            }
            .into(),
        ),
        URL => Kind::Inline(
            types::InlineButtonTypeUrl {
                url: r.get_string()?,
            }
            .into(),
        ),
        CALLBACK => Kind::Inline(
            types::InlineButtonTypeCallback {
                requires_password: bit(0),
                data: r.get_bytes()?,
            }
            .into(),
        ),
        SWITCH_INLINE => Kind::Inline(
            types::InlineButtonTypeSwitchInline {
                same_peer: bit(0),
                query: r.get_string()?,
                peer_types: r.optional(bit(1))?,
            }
            .into(),
        ),
        GAME => Kind::Inline(InlineButtonType::InlineButtonTypeGame),
        BUY => Kind::Inline(InlineButtonType::InlineButtonTypeBuy),
        URL_AUTH => Kind::Inline(
            types::InlineButtonTypeUrlAuth {
                fwd_text: r.optional(bit(0))?,
                url: r.get_string()?,
                button_id: r.get_i32()?,
            }
            .into(),
        ),
        INPUT_URL_AUTH => Kind::Inline(
            types::InputInlineButtonTypeUrlAuth {
                request_write_access: bit(0),
                fwd_text: r.optional(bit(1))?,
                url: r.get_string()?,
                bot: Some(Decode::decode(r)?),
            }
            .into(),
        ),
        PROFILE => Kind::Inline(
            types::InlineButtonTypeUserProfile {
                user_id: r.get_i64()?,
            }
            .into(),
        ),
        INPUT_PROFILE => Kind::Inline(
            types::InputInlineButtonTypeUserProfile {
                user_id: Decode::decode(r)?,
            }
            .into(),
        ),
        WEB_VIEW => Kind::Inline(
            types::InlineButtonTypeWebView {
                url: r.get_string()?,
            }
            .into(),
        ),
        COPY => Kind::Inline(
            types::InlineButtonTypeCopy {
                copy_text: r.get_string()?,
            }
            .into(),
        ),
        id => return Err(r.unexpected(id, "KeyboardButton")),
    };
    Ok(Button { style, text, kind })
}

/// Writes id, flags, style, what stands between style and text, and the text.
fn write_head(
    w: &mut Writer,
    id: u32,
    flags: u32,
    style: &Option<enums::KeyboardButtonStyle>,
    text: &str,
) {
    w.put_u32(id);
    w.put_u32(flags | if style.is_some() { STYLE_BIT } else { 0 });
    w.optional(style);
    w.put_bytes(text.as_bytes());
}

pub(crate) fn decode_keyboard_button(
    id: u32,
    r: &mut Reader,
) -> Result<types::KeyboardButton, DecodeError> {
    let Button { style, text, kind } = read_button(id, r)?;
    let type_ = match kind {
        Kind::Reply(kind) => kind,
        Kind::Inline(_) => ButtonType::ButtonTypeDefault,
    };
    Ok(types::KeyboardButton { style, text, type_ })
}

pub(crate) fn encode_keyboard_button(x: &types::KeyboardButton, w: &mut Writer) {
    let (style, text) = (&x.style, x.text.as_str());
    match &x.type_ {
        ButtonType::ButtonTypeDefault => write_head(w, PLAIN, 0, style, text),
        ButtonType::ButtonTypeRequestPhone => write_head(w, REQUEST_PHONE, 0, style, text),
        ButtonType::ButtonTypeRequestGeoLocation => write_head(w, REQUEST_GEO, 0, style, text),
        ButtonType::ButtonTypeRequestPoll(b) => {
            w.put_u32(REQUEST_POLL);
            let style_bit = if style.is_some() { STYLE_BIT } else { 0 };
            w.put_u32(style_bit | u32::from(b.quiz.is_some()));
            w.optional(style);
            w.optional(&b.quiz);
            w.put_bytes(text.as_bytes());
        }
        ButtonType::ButtonTypeSimpleWebView(b) => {
            write_head(w, SIMPLE_WEB_VIEW, 0, style, text);
            b.url.encode(w);
        }
        ButtonType::ButtonTypeRequestPeer(b) => {
            write_head(w, REQUEST_PEER, 0, style, text);
            w.put_i32(b.button_id);
            b.peer_type.encode(w);
            w.put_i32(b.max_quantity);
        }
        ButtonType::InputButtonTypeRequestPeer(b) => {
            let flags = u32::from(b.name_requested)
                | u32::from(b.username_requested) << 1
                | u32::from(b.photo_requested) << 2;
            write_head(w, INPUT_REQUEST_PEER, flags, style, text);
            w.put_i32(b.button_id);
            b.peer_type.encode(w);
            w.put_i32(b.max_quantity);
        }
    }
}

fn encode_inline_button(x: &types::KeyboardInlineButton, w: &mut Writer) {
    let (style, text) = (&x.style, x.text.as_str());
    match &x.type_ {
        InlineButtonType::InlineButtonTypeUrl(b) => {
            write_head(w, URL, 0, style, text);
            b.url.encode(w);
        }
        InlineButtonType::InlineButtonTypeCallback(b) => {
            write_head(w, CALLBACK, u32::from(b.requires_password), style, text);
            b.data.encode(w);
        }
        InlineButtonType::InlineButtonTypeSwitchInline(b) => {
            let flags = u32::from(b.same_peer) | u32::from(b.peer_types.is_some()) << 1;
            write_head(w, SWITCH_INLINE, flags, style, text);
            b.query.encode(w);
            w.optional(&b.peer_types);
        }
        InlineButtonType::InlineButtonTypeGame => write_head(w, GAME, 0, style, text),
        InlineButtonType::InlineButtonTypeBuy => write_head(w, BUY, 0, style, text),
        InlineButtonType::InlineButtonTypeUrlAuth(b) => {
            write_head(w, URL_AUTH, u32::from(b.fwd_text.is_some()), style, text);
            w.optional(&b.fwd_text);
            b.url.encode(w);
            w.put_i32(b.button_id);
        }
        InlineButtonType::InputInlineButtonTypeUrlAuth(b) => {
            let flags = u32::from(b.request_write_access) | u32::from(b.fwd_text.is_some()) << 1;
            write_head(w, INPUT_URL_AUTH, flags, style, text);
            w.optional(&b.fwd_text);
            b.url.encode(w);
            b.bot
                .clone()
                .unwrap_or(enums::InputUser::InputUserEmpty)
                .encode(w);
        }
        InlineButtonType::InlineButtonTypeUserProfile(b) => {
            write_head(w, PROFILE, 0, style, text);
            w.put_i64(b.user_id);
        }
        InlineButtonType::InputInlineButtonTypeUserProfile(b) => {
            write_head(w, INPUT_PROFILE, 0, style, text);
            b.user_id.encode(w);
        }
        InlineButtonType::InlineButtonTypeWebView(b) => {
            write_head(w, WEB_VIEW, 0, style, text);
            b.url.encode(w);
        }
        InlineButtonType::InlineButtonTypeCopy(b) => {
            write_head(w, COPY, 0, style, text);
            b.copy_text.encode(w);
        }
        // Not known before 229: a callback button without data, which does nothing either.
        InlineButtonType::InlineButtonTypeDisabled => {
            write_head(w, CALLBACK, 0, style, text);
            Bytes::new().encode(w);
        }
    }
}

/// A row of buttons as layers up to 228 have it under a message.
struct OldRow(types::KeyboardInlineButtonRow);

struct OldButton(types::KeyboardInlineButton);

impl crate::codec::Shaped for OldRow {
    const SCHEMA: crate::tables::SchemaId = crate::tables::SchemaId::Api;
    const SHAPE: crate::tables::Shape = <enums::KeyboardButtonRow as crate::codec::Shaped>::SHAPE;
    const MIN_SIZE: usize = 4;
}

impl Decode for OldRow {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let id = r.begin()?;
        if id != ROW {
            return Err(r.unexpected(id, "KeyboardButtonRow"));
        }
        let buttons: Vec<OldButton> = r.elements(true)?;
        r.end();
        let buttons = buttons.into_iter().map(|b| b.0.into()).collect();
        Ok(OldRow(types::KeyboardInlineButtonRow { buttons }))
    }
}

impl crate::codec::Shaped for OldButton {
    const SCHEMA: crate::tables::SchemaId = crate::tables::SchemaId::Api;
    const SHAPE: crate::tables::Shape = <enums::KeyboardButton as crate::codec::Shaped>::SHAPE;
    const MIN_SIZE: usize = 4;
}

impl Decode for OldButton {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let id = r.begin()?;
        let Button { style, text, kind } = read_button(id, r)?;
        r.end();
        let type_ = match kind {
            Kind::Inline(kind) => kind,
            Kind::Reply(_) => InlineButtonType::InlineButtonTypeDisabled,
        };
        Ok(OldButton(types::KeyboardInlineButton {
            style,
            text,
            type_,
        }))
    }
}

pub(crate) fn decode_reply_inline_markup(
    _id: u32,
    r: &mut Reader,
) -> Result<types::ReplyInlineMarkup, DecodeError> {
    let rows: Vec<OldRow> = r.elements(true)?;
    let rows = rows.into_iter().map(|row| row.0.into()).collect();
    Ok(types::ReplyInlineMarkup {
        force_reply: false,
        rows,
    })
}

pub(crate) fn encode_reply_inline_markup(x: &types::ReplyInlineMarkup, w: &mut Writer) {
    w.put_u32(INLINE_MARKUP);
    w.put_u32(VECTOR);
    w.put_u32(x.rows.len() as u32);
    for row in &x.rows {
        let enums::KeyboardInlineButtonRow::KeyboardInlineButtonRow(row) = row;
        w.put_u32(ROW);
        w.put_u32(VECTOR);
        w.put_u32(row.buttons.len() as u32);
        for button in &row.buttons {
            let enums::KeyboardInlineButton::KeyboardInlineButton(button) = button;
            encode_inline_button(button, w);
        }
    }
}

/// Layer 227 has the whole web view where later layers have its query id: the rest is lost.
pub(crate) fn decode_chat_invite_join_result_web_view(
    _id: u32,
    r: &mut Reader,
) -> Result<types::messages::ChatInviteJoinResultWebView, DecodeError> {
    let bot_id = r.get_i64()?;
    let webview: enums::WebViewResult = Decode::decode(r)?;
    let enums::WebViewResult::WebViewResultUrl(webview) = webview;
    let users = Decode::decode(r)?;
    let query_id = webview.query_id.unwrap_or(0);
    Ok(types::messages::ChatInviteJoinResultWebView {
        bot_id,
        query_id,
        users,
    })
}

/// The web view has no address: later layers ask for it by `messages.requestChatJoinWebView`.
pub(crate) fn encode_chat_invite_join_result_web_view(
    x: &types::messages::ChatInviteJoinResultWebView,
    w: &mut Writer,
) {
    let webview: enums::WebViewResult = types::WebViewResultUrl {
        fullsize: false,
        fullscreen: false,
        same_origin: false,
        query_id: Some(x.query_id),
        url: String::new(),
    }
    .into();
    w.put_u32(JOIN_WEB_VIEW);
    w.put_i64(x.bot_id);
    webview.encode(w);
    x.users.encode(w);
}
