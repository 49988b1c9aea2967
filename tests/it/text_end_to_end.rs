//! Formatted and long texts between two accounts of a datacenter.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Inbox, bot, datacenter, person, until};
use actogram::{
    PeerId,
    prelude::*,
    text::{EntityKind, MESSAGE_LENGTH, MOST_ENTITIES, markdown_strict},
};
use actogram_local_datacenter::{
    LocalDatacenter,
    model::PeerKey,
    rpc::{RpcError, RpcFault, When},
};

/// A bot and a person who have met, and what either gets.
struct Stage {
    datacenter: LocalDatacenter,
    bot: Client,
    bot_id: i64,
    bot_inbox: Inbox,
    ann: Client,
    ann_id: i64,
    ann_inbox: Inbox,
}

impl Stage {
    async fn new(name: &str, phone: &str) -> Self {
        let datacenter = datacenter().await;
        let (bot, bot_id) = bot(&datacenter, name).await;
        let bot_inbox = Inbox::of(&bot);
        bot.start().await.unwrap();
        let ann = person(&datacenter, phone).await;
        let ann_inbox = Inbox::of(&ann);
        ann.start().await.unwrap();
        ann.api()
            .send_message(format!("@{name}"), "hello")
            .await
            .unwrap();
        let met = bot_inbox.next().await;
        assert_eq!(met.text(), "hello");
        let ann_id = ann.api().me_id().unwrap();
        Self {
            datacenter,
            bot,
            bot_id,
            bot_inbox,
            ann,
            ann_id,
            ann_inbox,
        }
    }

    async fn end(self) {
        self.bot.shutdown(Duration::from_secs(5)).await;
        self.ann.shutdown(Duration::from_secs(5)).await;
        self.datacenter.shutdown().await;
    }
}

const FORMATTED: &str = "<b>bold <i>both</i></b> <u>under</u> <s>struck</s> <tg-spoiler>hidden</tg-spoiler> \
    <code>1 &lt; 2</code> 👍<a href=\"https://a.example/?x=1&amp;y=2\">link</a>\n\
    <pre><code class=\"language-rust\">fn main() {}</code></pre>\n\
    <blockquote>quoted</blockquote>\n<blockquote expandable>more\nof it</blockquote>\n\
    <tg-emoji emoji-id=\"5368324170671202286\">👍</tg-emoji> <tg-time unix=\"1647531900\" format=\"wDT\">22:45</tg-time>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn formatting_reaches_the_other_side_and_comes_back() {
    let stage = Stage::new("format_bot", "9996621201").await;
    let sent = stage
        .ann
        .api()
        .send_message("@format_bot", html(FORMATTED))
        .await
        .unwrap();
    assert_eq!(sent.formatted().to_html(), FORMATTED);
    let received = stage.bot_inbox.next().await;
    assert_eq!(received.formatted().to_html(), FORMATTED);

    // The same by way of MarkdownV2.
    let source = received.formatted().to_markdown_v2();
    let answer = received
        .reply(markdown_strict(&source).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.formatted().to_html(), FORMATTED);
    assert_eq!(
        stage.ann_inbox.next().await.formatted().to_html(),
        FORMATTED
    );

    let edited = sent
        .edit(Text::italic("short ") + Text::code("now"))
        .await
        .unwrap();
    assert_eq!(
        edited.formatted().to_html(),
        "<i>short </i><code>now</code>"
    );

    // What Telegram finds by itself is kept when a text is handed on.
    stage
        .ann
        .api()
        .send_message("@format_bot", "see #this @somebody")
        .await
        .unwrap();
    let received = stage.bot_inbox.next().await;
    let kinds = |message: &Msg| -> Vec<EntityKind> {
        let text = message.formatted();
        text.entities()
            .iter()
            .map(|entity| entity.kind.clone())
            .collect()
    };
    assert_eq!(kinds(&received), [EntityKind::Hashtag, EntityKind::Mention]);
    received
        .answer(Text::bold("> ") + received.formatted())
        .await
        .unwrap();
    let kept = [EntityKind::Bold, EntityKind::Hashtag, EntityKind::Mention];
    assert_eq!(kinds(&stage.ann_inbox.next().await), kept);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mention_by_id_is_sent_with_the_hash_of_whom_it_names() {
    let stage = Stage::new("mention_bot", "9996621202").await;
    let text = Text::mention("Ann", stage.ann_id) + " and " + Text::mention("nobody", 987_654_321);
    stage
        .bot
        .api()
        .send_message(PeerId::User(stage.ann_id), text)
        .await
        .unwrap();
    let received = stage.ann_inbox.next().await;
    assert_eq!(received.text(), "Ann and nobody");
    let expected = format!(
        "<a href=\"tg://user?id={}\">Ann</a> and nobody",
        stage.ann_id
    );
    assert_eq!(
        received.formatted().to_html(),
        expected,
        "the other is unknown, not lost"
    );
    stage.end().await;
}

/// A text of so many messages: lines with an emoji, bold throughout.
fn long(messages: usize) -> Text {
    let line = format!("🏟{}\n", "x".repeat(1021));
    Text::bold(line.repeat(4 * messages))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_23_a_long_text_is_sent_in_parts_in_order() {
    let stage = Stage::new("long_bot", "9996621203").await;
    let text = long(3) + Text::link("the end", "https://end.example/");
    let hello = stage
        .ann
        .api()
        .send_message("@long_bot", "first")
        .await
        .unwrap();
    assert_eq!(stage.bot_inbox.next().await.text(), "first");
    let sent = hello.reply(text.clone()).all().await.unwrap();
    assert_eq!(sent.len(), 4);
    let replies: Vec<Option<i32>> = sent.iter().map(Msg::reply_to).collect();
    assert_eq!(
        replies,
        [Some(hello.id()), None, None, None],
        "the first is the reply"
    );

    let mut received = Vec::new();
    for part in text.split(MESSAGE_LENGTH) {
        let message = stage.bot_inbox.next().await;
        assert_eq!(message.formatted(), part);
        received.push(message.text().to_owned());
    }
    assert!(
        sent.iter()
            .map(Msg::text)
            .eq(received.iter().map(String::as_str))
    );
    assert_eq!(
        received.join("\n").replace('\n', ""),
        text.as_str().replace('\n', "")
    );

    // Awaited by itself it gives the first; the others are sent all the same.
    let first = stage
        .ann
        .api()
        .send_message("@long_bot", long(2))
        .await
        .unwrap();
    assert_eq!(
        first.id(),
        stage.ann.api().send_message("me", "x").await.unwrap().id() - 2
    );
    assert_eq!(stage.bot_inbox.next().await.text(), first.text());
    assert_eq!(
        stage.bot_inbox.next().await.formatted().utf16_len(),
        4 * 1024 - 1
    );

    // More entities than a message may have.
    let many: Text = (0..MOST_ENTITIES + 1)
        .map(|n| Text::code(n.to_string()) + " ")
        .collect();
    assert_eq!(
        stage
            .ann
            .api()
            .send_message("@long_bot", many)
            .all()
            .await
            .unwrap()
            .len(),
        2
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_23_parts_of_two_texts_in_one_queue_do_not_mix() {
    let stage = Stage::new("queue_bot", "9996621204").await;
    let api = stage.ann.api();
    for name in ["a", "b", "c"] {
        let text = Text::plain(format!("{name}\n{}", name.repeat(MESSAGE_LENGTH * 2)));
        api.send_message("@queue_bot", text).queue("texts").detach();
    }
    let mut order = String::new();
    for _ in 0..9 {
        order.push_str(&stage.bot_inbox.next().await.text()[..1]);
    }
    assert_eq!(order, "aaabbbccc");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_23_what_was_sent_before_a_part_failed_is_told() {
    let stage = Stage::new("part_bot", "9996621205").await;
    let fault = |skip| RpcFault {
        method: Some("messages.sendMessage".to_owned()),
        user: Some(stage.ann_id),
        error: RpcError::new(400, "PEER_FLOOD".to_owned()),
        when: When::Before,
        skip,
        times: 1,
    };
    stage.datacenter.operator().order_fault(fault(2));
    let error = stage
        .ann
        .api()
        .send_message("@part_bot", long(4))
        .await
        .unwrap_err();
    let Error::PartlySent {
        sent,
        parts,
        source,
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((sent.len(), *parts), (2, 4));
    assert!(source.is("PEER_FLOOD"), "{source}");
    assert!(
        error.to_string().starts_with("of 4 messages, 2 were sent"),
        "{error}"
    );
    let history = stage
        .datacenter
        .operator()
        .history(stage.ann_id, PeerKey::User(stage.bot_id));
    let there: Vec<i32> = history.iter().map(|message| message.id).collect();
    assert!(sent.iter().all(|id| there.contains(id)));
    assert_eq!(there.len(), 1 + 2, "nothing after the part that failed");

    // When it is the first, nothing was sent and the error is its own.
    stage.datacenter.operator().order_fault(fault(0));
    let error = stage
        .ann
        .api()
        .send_message("@part_bot", long(4))
        .await
        .unwrap_err();
    assert!(error.is("PEER_FLOOD"), "{error}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s19_parse_mode_is_read_in_calls_by_name() {
    let stage = Stage::new("mode_bot", "9996621206").await;
    let cases = [
        ("HTML", "message", "😀<b>a</b> &lt;", "😀<b>a</b> &lt;"),
        ("html5", "message", "<u>a</u>", "<u>a</u>"),
        ("Markdown", "message", "*a* and 1.", "<b>a</b> and 1."),
        (
            "markdownv2",
            "caption",
            "||a||",
            "<tg-spoiler>a</tg-spoiler>",
        ),
        ("none", "message", "<b>*a*</b>", "&lt;b&gt;*a*&lt;/b&gt;"),
    ];
    for (mode, key, source, expected) in cases {
        let arguments = serde_json::json!({"peer": "@mode_bot", key: source, "parse_mode": mode});
        stage
            .ann
            .api()
            .call("messages.sendMessage", arguments)
            .await
            .unwrap();
        assert_eq!(
            stage.bot_inbox.next().await.formatted().to_html(),
            expected,
            "{mode}"
        );
    }
    // Entities given beside it are kept.
    let given = serde_json::json!([{"_": "messageEntityItalic", "offset": 0, "length": 1}]);
    let arguments = serde_json::json!({
        "peer": "@mode_bot", "message": "a<b>b</b>", "parse_mode": "HTML", "entities": given
    });
    stage
        .ann
        .api()
        .call("messages.sendMessage", arguments)
        .await
        .unwrap();
    assert_eq!(
        stage.bot_inbox.next().await.formatted().to_html(),
        "<i>a</i><b>b</b>"
    );
    // A method that takes no text takes no parse_mode either.
    let arguments = serde_json::json!({"parse_mode": "HTML"});
    let error = stage
        .ann
        .api()
        .call("help.getConfig", arguments)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("parse_mode"), "{error}");
    stage.end().await;
}

/// The example `text`, which cargo builds along with the tests, as a bot of this datacenter.
struct Example(Child);

impl Example {
    fn start(datacenter: &LocalDatacenter, directory: &Path, token: &str) -> Self {
        let mut program = std::env::current_exe().unwrap();
        program.pop();
        program.pop();
        program.push("examples/text");
        let built = program.exists();
        assert!(
            built,
            "{program:?} is not built: run the tests with cargo test"
        );
        let key = directory.join("key.pem");
        std::fs::write(&key, datacenter.public_key_pem().unwrap()).unwrap();
        let child = Command::new(program)
            .env("ACTOGRAM_API_ID", "1")
            .env("ACTOGRAM_API_HASH", "hash")
            .env("ACTOGRAM_CALLS__RATES__KEEP", "never")
            .env("ACTOGRAM_BOT_TOKEN", token)
            .env("ACTOGRAM_SESSION", directory.join("bot.session"))
            .env(
                "ACTOGRAM_DATACENTER__ADDRESS",
                datacenter.address().unwrap().to_string(),
            )
            .env("ACTOGRAM_DATACENTER__PUBLIC_KEY", key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(directory)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may be gone already: then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_formats_what_it_is_told_to() {
    let datacenter = datacenter().await;
    let directory = tempfile::tempdir().unwrap();
    let token = datacenter
        .operator()
        .create_bot("text_bot", "Text")
        .unwrap()
        .token;
    let _running = Example::start(&datacenter, directory.path(), &token);
    let operator = datacenter.operator();
    // What was written to a bot before it came is not told to it.
    until("the bot is there", || {
        operator.counters().executed("updates.getState") > 0
    })
    .await;
    let ann = person(&datacenter, "9996621207").await;
    let inbox = Inbox::of(&ann);
    ann.start().await.unwrap();
    let cases = [
        (Text::plain("/html <b>so</b>"), "<b>so</b>"),
        (
            Text::plain("/markdown 1. *so*"),
            "<i>Not so: </i>&#39;.&#39; is reserved: write a backslash before it, at byte 1 of the source",
        ),
        (
            Text::italic("so") + "<",
            "<b>HTML\n</b><pre><code class=\"language-html\">&lt;i&gt;so&lt;/i&gt;&amp;lt;</code></pre><b>\nMarkdownV2\n</b>\
             <pre><code class=\"language-markdown\">_so_&lt;</code></pre>",
        ),
    ];
    for (told, answer) in cases {
        ann.api().send_message("@text_bot", told).await.unwrap();
        let shown = inbox.next().await.formatted();
        assert_eq!(shown, actogram::text::html_strict(answer).unwrap());
    }
    ann.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}
