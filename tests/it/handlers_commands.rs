//! Enums of commands: what is parsed, what is explained, what Telegram is told.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{bot_stage::BotStage, virtual_time::run};
use actogram::{
    PeerRef,
    commands::CommandError,
    filters::*,
    prelude::*,
    tl::{enums, functions},
};
use tokio::time::sleep;

#[derive(Debug, Clone, PartialEq, Commands)]
enum Task {
    #[command(description = "Begin")]
    Start(String),
    #[command(description = "Ban somebody")]
    BanUser {
        user: PeerRef,
        days: u32,
        why_not: Option<u8>,
    },
    /// Take two words
    /// and what is left.
    #[command(name = "words")]
    Three(String, bool, String),
    #[command(hidden, description = "Nobody sees it")]
    Secret,
}

fn parse(name: &str, args: &str) -> std::result::Result<Task, String> {
    Task::parse(name, args)
        .unwrap()
        .map_err(|error| error.to_string())
}

#[test]
fn arguments_are_typed_and_errors_name_them_and_what_was_expected() {
    assert_eq!(parse("start", ""), Ok(Task::Start(String::new())));
    assert_eq!(parse("START", "a  b "), Ok(Task::Start("a  b".to_owned())));
    let ban = |days, why_not| Task::BanUser {
        user: PeerRef::Username("ann_name".to_owned()),
        days,
        why_not,
    };
    assert_eq!(parse("ban_user", "@ann_name\n7"), Ok(ban(7, None)));
    assert_eq!(parse("Ban_User", "@ann_name 7 1"), Ok(ban(7, Some(1))));
    let three = |rest: &str| Task::Three("a".to_owned(), true, rest.to_owned());
    assert_eq!(parse("words", "a true"), Ok(three("")));
    assert_eq!(parse("words", " a  true b  c"), Ok(three("b  c")));
    assert_eq!(parse("secret", " "), Ok(Task::Secret));
    for (name, args, error) in [
        (
            "ban_user",
            "",
            "/ban_user: `user` is missing, PeerRef was expected",
        ),
        (
            "ban_user",
            "@ann_name",
            "/ban_user: `days` is missing, u32 was expected",
        ),
        (
            "ban_user",
            "@ann_name many",
            "/ban_user: `days` is \"many\", u32 was expected: invalid digit found in string",
        ),
        (
            "ban_user",
            "@ann_name 7 1 2 3",
            "/ban_user: \"2 3\" is too much",
        ),
        (
            "words",
            "",
            "/words: `argument 1` is missing, String was expected",
        ),
        ("secret", "x", "/secret: \"x\" is too much"),
    ] {
        assert_eq!(parse(name, args), Err(error.to_owned()));
    }
    assert!(
        parse("ban_user", "?? 7")
            .unwrap_err()
            .starts_with("/ban_user: `user` is \"??\", PeerRef")
    );
    let long = Task::parse("secret", &"ä".repeat(5000))
        .unwrap()
        .unwrap_err();
    assert_eq!(
        long,
        CommandError::TooMany {
            command: "secret",
            rest: "ä".repeat(100)
        }
    );
    assert_eq!(Task::parse("other", ""), None);
    assert_eq!(Task::parse("", ""), None);
}

#[test]
fn help_lists_what_is_not_hidden() {
    assert_eq!(
        Task::help(),
        "/start [text] – Begin\n\
         /ban_user <user> <days> [why not] – Ban somebody\n\
         /words <string> <bool> [text] – Take two words and what is left"
    );
}

#[test]
fn handlers_are_given_commands_and_telegram_is_told_of_them() {
    run(async {
        let stage = BotStage::new(81).await;
        let (client, operator) = (&stage.client, stage.datacenter.operator());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        client.on(
            private() & command_of::<Task>(),
            async move |_cx: Cx, given: Given<Task>| {
                assert!(given.text().starts_with('/'));
                told.lock().unwrap().push(format!("{:?}", given.parsed));
                Ok(())
            },
        );
        let told = seen.clone();
        client.on(messages(), async move |_cx: Cx, message: Msg| {
            told.lock().unwrap().push(message.text().to_owned());
            Ok(())
        });
        client.start().await.unwrap();
        let bot = actogram_local_datacenter::model::PeerKey::User(stage.bot.id);
        for text in [
            "/Start@daily_bot there",
            "/start@another_bot",
            "/unknown",
            "start",
            "/secret x",
        ] {
            operator.send_message(stage.ann, bot, text).unwrap();
        }
        sleep(Duration::from_secs(10)).await;
        assert_eq!(
            *seen.lock().unwrap(),
            [
                r#"Ok(Start("there"))"#,
                "/start@another_bot",
                "/unknown",
                "start",
                r#"Err(TooMany { command: "secret", rest: "x" })"#,
            ]
        );

        let api = client.api();
        let menu = async |scope: enums::BotCommandScope, language: &str| {
            let lang_code = language.to_owned();
            let asked = functions::bots::GetBotCommands { scope, lang_code };
            let names = |command| match command {
                enums::BotCommand::BotCommand(it) => (it.command, it.description),
            };
            let commands = api.invoke(asked).await.unwrap();
            commands.into_iter().map(names).collect::<Vec<_>>()
        };
        use enums::BotCommandScope as S;
        api.set_my_commands::<Task>().await.unwrap();
        let all = menu(S::BotCommandScopeDefault, "").await;
        let of = |name: &str, what: &str| (name.to_owned(), what.to_owned());
        assert_eq!(
            all,
            [
                of("start", "Begin"),
                of("ban_user", "Ban somebody"),
                of("words", "Take two words and what is left"),
            ]
        );
        assert_eq!(menu(S::BotCommandScopeUsers, "de").await, []);
        let set = api.set_my_commands::<Task>();
        let set = set.scope(S::BotCommandScopeUsers).language("de");
        set.await.unwrap();
        assert_eq!(menu(S::BotCommandScopeUsers, "de").await, all);
        stage.end().await;
    });
}
