//! Layers 227 to 229: what their clients write is read, what they are sent they can read.

#![allow(clippy::unwrap_used)]

mod support;

use actogram_tl::tables::{LAYER, api, known_in_layer};
use actogram_tl::{Decode, Encode, enums, types};
use support::{Generator, Optional, setting, typed};

/// Lossy by nature: layer 227 holds a whole web view where later ones have its id.
const LOSSY: &str = "messages.chatInviteJoinResultWebView";

#[test]
fn every_older_constructor_comes_back_in_its_layer() {
    let schema = api();
    let mut seen = Vec::new();
    for layer in [227, 228, 229] {
        let mut g = Generator::new(schema, layer, setting("ACTOGRAM_SEED", layer as u64));
        for (t, ty) in schema.types.iter().enumerate() {
            let again = typed(support::API_TYPES, ty.name);
            for c in g.of_type(t) {
                if c.name == LOSSY {
                    continue;
                }
                for optional in [Optional::None, Optional::All, Optional::Some] {
                    let bytes = g.value_of(c, optional);
                    let back = again(bytes.clone(), layer)
                        .unwrap_or_else(|e| panic!("layer {layer}: {}: {e}", c.name));
                    assert_eq!(back, bytes, "layer {layer}: {}", c.name);
                }
                if c.until < LAYER {
                    seen.push((layer, c.id));
                }
            }
        }
    }
    assert!(seen.len() > 40, "only {} older constructors", seen.len());
}

#[test]
fn current_values_can_be_written_for_every_layer_and_read_again() {
    let schema = api();
    let mut g = Generator::new(schema, LAYER, setting("ACTOGRAM_SEED", 5));
    for c in schema.current() {
        let ty = schema.types[usize::from(c.type_index)].name;
        let again = typed(support::API_TYPES, ty);
        let bytes = g.value_of(c, Optional::Some);
        for layer in [227, 228, 229] {
            let older = again(bytes.clone(), layer).unwrap();
            let back =
                again(older, LAYER).unwrap_or_else(|e| panic!("layer {layer}: {}: {e}", c.name));
            // What a layer cannot say is gone after the first time; nothing goes the second time.
            assert_eq!(
                again(again(back.clone(), layer).unwrap(), LAYER).unwrap(),
                back,
                "{}",
                c.name
            );
        }
    }
}

fn inline(type_: enums::InlineButtonType) -> enums::ReplyMarkup {
    let button = types::KeyboardInlineButton {
        style: None,
        text: "press".into(),
        type_,
    };
    let row = types::KeyboardInlineButtonRow {
        buttons: vec![button.into()],
    };
    types::ReplyInlineMarkup {
        force_reply: false,
        rows: vec![row.into()],
    }
    .into()
}

#[test]
fn a_button_keeps_its_data_in_layer_227() {
    let data = actogram_tl::Bytes::from_static(b"yes");
    let markup = inline(
        types::InlineButtonTypeCallback {
            requires_password: false,
            data,
        }
        .into(),
    );
    let older = markup.to_bytes_for(227);
    // replyInlineMarkup#48a30254 [keyboardButtonRow#77608b83 [keyboardButtonCallback#e62bc960 …]]
    let id = |at: usize| u32::from_le_bytes(older[at..at + 4].try_into().unwrap());
    assert_eq!(
        [id(0), id(12), id(24)],
        [0x48a3_0254, 0x7760_8b83, 0xe62b_c960]
    );
    assert_eq!(enums::ReplyMarkup::from_bytes(older).unwrap(), markup);
}

#[test]
fn a_disabled_button_degrades_to_one_that_does_nothing() {
    let older = inline(enums::InlineButtonType::InlineButtonTypeDisabled).to_bytes_for(228);
    let empty = actogram_tl::Bytes::new();
    let callback = types::InlineButtonTypeCallback {
        requires_password: false,
        data: empty,
    };
    assert_eq!(
        enums::ReplyMarkup::from_bytes(older).unwrap(),
        inline(callback.into())
    );
}

#[test]
fn a_user_has_the_id_its_client_knows() {
    let schema = api();
    let mut g = Generator::new(schema, LAYER, 9);
    let user = schema.constructor_by_name("user").unwrap();
    let user = enums::User::from_bytes(g.value_of(user, Optional::None)).unwrap();
    let id = |layer: i32| u32::from_le_bytes(*user.to_bytes_for(layer).first_chunk().unwrap());
    assert_eq!(id(227), 829_899_656);
    assert_eq!([id(228), id(229), id(230)], [2_981_678_211; 3]);
    assert!(known_in_layer(id(227), 227) && !known_in_layer(id(227), 228));
    assert!(known_in_layer(id(230), 230));
    let community = schema.constructor_by_name("community").unwrap();
    assert!(!known_in_layer(community.id, 227) && known_in_layer(community.id, 228));
}

#[cfg(feature = "functions-decode")]
#[test]
fn a_method_of_an_older_layer_is_the_current_one() {
    use actogram_tl::functions::messages::SearchGlobal;
    use actogram_tl::{Function, Writer, tables};

    let mut w = Writer::new();
    w.put_u32(0x4bc6_589a);
    w.put_u32(1 << 2);
    "cats".to_owned().encode(&mut w);
    enums::MessagesFilter::InputMessagesFilterEmpty.encode(&mut w);
    for _ in 0..3 {
        w.put_i32(0);
    }
    enums::InputPeer::InputPeerEmpty.encode(&mut w);
    w.put_i32(0);
    w.put_i32(50);
    let call = SearchGlobal::from_bytes(w.into_bytes()).unwrap();
    assert!(call.groups_only && call.community.is_none());
    assert_eq!((call.q.as_str(), call.limit), ("cats", 50));
    assert_eq!(
        tables::function_by_id(0x4bc6_589a).unwrap().id,
        SearchGlobal::ID
    );
}
