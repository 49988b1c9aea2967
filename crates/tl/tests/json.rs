//! JSON: numbers that stay exact, and errors a person can act on.

#![allow(clippy::unwrap_used)]

use actogram_tl::json::{self, JsonError};
use actogram_tl::{Decode, Encode, Function, enums, functions, types};
use serde_json::{Value, json};

fn complaint(result: Result<actogram_tl::Bytes, JsonError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn long_numbers_stay_exact_both_ways() {
    for id in [i64::MAX, i64::MIN, (1 << 53) + 1, -1] {
        let peer: enums::InputPeer = types::InputPeerUser {
            user_id: id,
            access_hash: !id,
        }
        .into();
        let value = json::decode("InputPeer", peer.to_bytes()).unwrap();
        let expected = json!({"_": "inputPeerUser", "user_id": id.to_string(), "access_hash": (!id).to_string()});
        assert_eq!(value, expected);
        for given in [json!(id), json!(id.to_string())] {
            let value = json!({"_": "inputPeerUser", "user_id": given, "access_hash": !id});
            assert_eq!(json::encode("InputPeer", &value).unwrap(), peer.to_bytes());
        }
    }
}

#[test]
fn a_call_by_name_is_the_typed_call() {
    let typed = functions::messages::SendMessage {
        no_webpage: false,
        silent: true,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer: enums::InputPeer::InputPeerSelf,
        reply_to: None,
        message: "hi".into(),
        random_id: 7,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
        rich_message: None,
    };
    let value = json!({"peer": {"_": "inputPeerSelf"}, "message": "hi", "random_id": "7", "silent": true, "entities": null});
    for name in ["messages.sendMessage", "messages.send_message"] {
        assert_eq!(json::encode_call(name, &value).unwrap(), typed.to_bytes());
    }
    assert_eq!(
        json::encode_call("help.getConfig", &Value::Null)
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn answers_and_wrappers() {
    let value = json::decode_response("account.checkUsername", true.to_bytes()).unwrap();
    assert_eq!(value, json!(true));
    assert_eq!(
        json::encode_response("account.checkUsername", &value).unwrap(),
        true.to_bytes()
    );
    let value = json::decode_response("contacts.getContactIDs", vec![1, 2].to_bytes()).unwrap();
    assert_eq!(value, json!([1, 2]));

    let call =
        json!({"layer": 230, "query": {"_": "users.getUsers", "id": [{"_": "inputUserSelf"}]}});
    let body = json::encode_call("invokeWithLayer", &call).unwrap();
    let id = vec![enums::InputUser::InputUserSelf];
    let query = actogram_tl::RawQuery::of(&functions::users::GetUsers { id });
    assert_eq!(
        body,
        functions::InvokeWithLayer { layer: 230, query }.to_bytes()
    );
    assert_eq!(
        json::decode_call(body).unwrap()["query"]["id"][0]["_"],
        "inputUserSelf"
    );
}

#[test]
fn unknown_names_suggest_the_nearest() {
    let call = |name: &str| complaint(json::encode_call(name, &Value::Null));
    assert_eq!(
        call("messages.sendMesage"),
        "there is no method `messages.sendMesage` (did you mean `messages.sendMessage`?)"
    );
    assert!(call("getConfig").contains("did you mean `help.getConfig`?"));
    assert_eq!(
        call("utterly.differentThing"),
        "there is no method `utterly.differentThing`"
    );
    assert_eq!(
        call(&"x".repeat(1 << 20)).len(),
        "there is no method ``".len() + (1 << 20)
    );
    let peer = |v: Value| complaint(json::encode("InputPeer", &v));
    assert_eq!(
        peer(json!({"_": "inputPerUser"})),
        "the value: `inputPerUser` is no constructor of InputPeer (did you mean `inputPeerUser`?)"
    );
    assert!(peer(json!({})).contains("expected `_` to name a constructor of InputPeer"));
    assert!(complaint(json::encode("InputPer", &json!({}))).contains("did you mean `InputPeer`?"));
}

#[test]
fn errors_name_the_place() {
    let send = |extra: Value| {
        let mut call = json!({"peer": {"_": "inputPeerSelf"}, "message": "hi", "random_id": 7});
        for (k, v) in extra.as_object().unwrap() {
            call[k] = v.clone();
        }
        complaint(json::encode_call("messages.sendMessage", &call))
    };
    assert_eq!(
        send(json!({"entities": [{"_": "messageEntityBold", "offset": 0, "length": 1u64 << 40}]})),
        "entities[0].length: expected an int (32 bits), found the number 1099511627776"
    );
    assert_eq!(
        send(json!({"mesage": "x"})),
        "the value: `messages.sendMessage` has no field `mesage` (did you mean `message`?)"
    );
    assert_eq!(
        send(json!({"peer": {"_": "inputPeerChat"}})),
        "peer: `inputPeerChat` needs the field `chat_id` (long)"
    );
    assert!(send(json!({"flags": 1})).contains("flags are computed"));
    assert!(send(json!({"silent": 1})).contains("expected true or false for silent"));
    assert!(send(json!({"message": 1})).starts_with("message: expected a string"));
    // Secrets do not leak into errors: only the size of a string is told.
    assert!(!send(json!({"random_id": "hunter2"})).contains("hunter2"));
    let call = json!({"call": {"_": "inputGroupCall", "id": 1, "access_hash": 2}, "join_as": {"_": "inputPeerSelf"},
        "params": {"_": "dataJSON", "data": "{}"}, "block": "AAAA"});
    assert!(complaint(json::encode_call("phone.joinGroupCall", &call)).contains("share a flag"));
}

#[test]
fn debug_names_fields_and_hides_secrets() {
    let call = functions::auth::ImportBotAuthorization {
        flags: 0,
        api_id: 4,
        api_hash: "0123456789abcdef".into(),
        bot_auth_token: "1234:hunter2".into(),
    };
    let text = format!("{call:?}");
    assert!(
        text.starts_with("auth.importBotAuthorization { flags: 0, api_id: 4, "),
        "{text}"
    );
    assert!(
        !text.contains("hunter2") && !text.contains("abcdef"),
        "{text}"
    );
    let peer: enums::Peer = types::PeerUser { user_id: 5 }.into();
    assert_eq!(format!("{peer:?}"), "peerUser { user_id: 5 }");
    assert_eq!(
        format!("{:?}", enums::InputPeer::InputPeerSelf),
        "inputPeerSelf"
    );
}

#[test]
fn methods_know_their_facts() {
    use actogram_tl::tables::{
        Availability, ResendClass, function_by_id, function_by_name, resend_class,
    };
    let send = function_by_id(functions::messages::SendMessage::ID).unwrap();
    assert_eq!(
        (send.availability, send.resend),
        (Availability::Both, ResendClass::RandomId)
    );
    assert!(
        send.errors
            .iter()
            .any(|e| e.code == 400 && e.name == "PEER_ID_INVALID")
    );
    let class = |name: &str| function_by_name(name).unwrap().resend;
    assert_eq!(class("users.getUsers"), ResendClass::Read);
    assert_eq!(class("messages.createChat"), ResendClass::NotIdempotent);
    assert_eq!(class("messages.readHistory"), ResendClass::Idempotent);
    assert_eq!(class("auth.checkPassword"), ResendClass::NotIdempotent);
    assert_eq!(class("messages.forwardMessages"), ResendClass::RandomId);
    assert_eq!(
        function_by_name("bots.setBotCommands")
            .unwrap()
            .availability,
        Availability::Bots
    );
    let query = actogram_tl::RawQuery::of(&functions::help::GetConfig);
    let wrapped = functions::InvokeWithLayer { layer: 230, query }.to_bytes();
    assert_eq!(resend_class(&wrapped), ResendClass::Read);
    assert_eq!(
        resend_class(&actogram_tl::Bytes::new()),
        ResendClass::NotIdempotent
    );
}

#[test]
fn an_enum_is_read_back_from_its_own_json() {
    let text = types::TextWithEntities {
        text: "é".into(),
        entities: Vec::new(),
    };
    let boxed: enums::TextWithEntities = text.into();
    // The only constructor of its type needs no name.
    let bytes = json::encode("TextWithEntities", &json!({"text": "é", "entities": []})).unwrap();
    assert_eq!(enums::TextWithEntities::from_bytes(bytes).unwrap(), boxed);
}
