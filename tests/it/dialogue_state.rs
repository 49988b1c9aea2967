//! What a bot remembers of each dialogue, and which handlers are chosen by it.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[cfg(unix)]
use crate::support::examples::Scene;
use crate::support::virtual_time::{Stage, run};
use actogram::{PeerId, StateError, filters::*, prelude::*};
use actogram_local_datacenter::model::PeerKey;
use tokio::time::sleep;

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Name,
    Age { name: String },
}

/// As JSON; a program would derive this.
mod form {
    use super::Form;
    use serde_json::{Value, json};

    pub(super) fn written(form: &Form) -> Value {
        match form {
            Form::Name => json!("name"),
            Form::Age { name } => json!({ "age": name }),
        }
    }

    pub(super) fn read(value: &Value) -> Option<Form> {
        match value.as_str() {
            Some("name") => Some(Form::Name),
            Some(_) => None,
            None => Some(Form::Age {
                name: value["age"].as_str()?.to_owned(),
            }),
        }
    }
}

use serde_json::Value;

fn register(client: &Client) {
    let at = |step: fn(&Form) -> bool| {
        private::<Msg>()
            & state(move |value: &Value| form::read(value).is_some_and(|form| step(&form)))
    };
    client.on(command("form"), async |cx: Cx, command: Command| {
        cx.state().set(&form::written(&Form::Name))?;
        command.answer("name?").await
    });
    client.on(
        at(|form| *form == Form::Name),
        async |cx: Cx, message: Msg| {
            let name = message.text().to_owned();
            cx.state().set(&form::written(&Form::Age { name }))?;
            message.answer("age?").await
        },
    );
    client.on(
        at(|form| matches!(form, Form::Age { .. })),
        async |cx: Cx, message: Msg| {
            let form = cx.state::<Value>().get().await?;
            let Some(Form::Age { name }) = form.as_ref().and_then(form::read) else {
                return Err(Error::user("no form"));
            };
            cx.state::<Value>().clear()?;
            message
                .answer(format!("{name}, {}", message.text()))
                .await
                .map(drop)
        },
    );
    client.on(messages(), async |cx: Cx, message: Msg| {
        assert_eq!(cx.state::<Value>().get().await?, None);
        message.answer("no form").await
    });
}

#[test]
fn each_person_in_each_chat_has_a_state_that_outlives_the_client() {
    run(async {
        let (stage, client) = Stage::new(71).await;
        let operator = stage.datacenter.operator();
        let bob = operator.create_user("9996628889", "Bob").unwrap();
        let bot = PeerKey::User(stage.bot.id);
        register(&client);
        client.start().await.unwrap();
        stage.say("a");
        stage.say("/form");
        stage.say("Ann");
        operator.send_message(bob, bot, "/form").unwrap();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.answers(), ["no form", "name?", "age?"]);
        client.shutdown(crate::support::HANG).await;

        let client = stage.another_client(1).await;
        register(&client);
        client.start().await.unwrap();
        operator.send_message(bob, bot, "Bob").unwrap();
        stage.say("31");
        stage.say("b");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.answers()[3..], ["Ann, 31", "no form"]);
        let of_bob = crate::support::accounts::received(&stage.datacenter, bob, stage.bot.id);
        assert_eq!(of_bob, ["name?", "age?"]);
        client.shutdown(crate::support::HANG).await;
        stage.datacenter.shutdown().await;
    });
}

#[test]
fn states_of_other_types_and_sizes_are_errors_that_say_so() {
    run(async {
        let (stage, client) = Stage::new(72).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        // Written as a text, so a filter by number does not pass.
        client.on(
            private::<Msg>() & state(|_: &u64| true),
            async |_cx: Cx, _message: Msg| -> Result<()> { panic!("it is no number") },
        );
        client.on(
            private::<Msg>() & !state(|_: &String| true),
            async |cx: Cx, message: Msg| cx.state().set(&message.text().to_owned()),
        );
        client.on(
            messages() & state_value::<Msg, String>(),
            async move |cx: Cx, stored: String| {
                let tell = |what: String| told.lock().unwrap().push(what);
                tell(stored);
                let here = cx.state::<u64>();
                let error = here.get().await.unwrap_err();
                assert!(matches!(error, Error::State(StateError::Read { .. })));
                tell(error.to_string());
                let error = cx.state().set(&"x".repeat(64 * 1024)).unwrap_err();
                tell(error.to_string());
                // Neither has changed anything.
                assert!(cx.state::<String>().get().await?.is_some());
                let elsewhere = cx.state_of::<u64>(PeerId::Chat(1), PeerId::User(2));
                elsewhere.set(&5)?;
                assert_eq!(elsewhere.get().await?, Some(5));
                Ok(())
            },
        );
        client.start().await.unwrap();
        stage.say("first");
        stage.say("second");
        sleep(Duration::from_secs(10)).await;
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert_eq!(seen[0], "first");
        assert!(
            seen[1].starts_with("the stored state is no u64: invalid type"),
            "{seen:?}"
        );
        assert!(
            seen[2].contains("65538 bytes is too long, 65536"),
            "{seen:?}"
        );
        client.shutdown(crate::support::HANG).await;
        stage.datacenter.shutdown().await;
    });
}

/// SIGKILL at any moment: whatever counts as handled has been counted.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_after_kills_no_state_is_older_than_the_updates_that_were_handled() {
    let scene = Scene::new("visits_bot", "9996621461").await;
    let running = scene.run("visits_bot", &[]);
    scene.begin("hello").await;
    scene.expect("/forget", "Who are you?").await;
    scene.expect("first", "Welcome.").await;
    drop(running);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut sent = 1;
    for _ in 0..15 {
        let running = scene.run("visits_bot", &[]);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(random % 400) {
            scene.say("again");
            sent += 1;
            sleep(Duration::from_millis(5)).await;
        }
        // Its drop kills it.
        drop(running);
    }
    let _running = scene.run("visits_bot", &[]);
    scene.say("the last");
    sent += 1;
    let number = |text: &str| {
        let number = text.strip_prefix("That was number ")?.strip_suffix('.')?;
        number.parse::<u64>().ok()
    };
    crate::support::until("the last is counted", || {
        let operator = scene.operator();
        let history = operator.history(scene.ann, PeerKey::User(scene.bot));
        let last = history.iter().rposition(|it| it.text == "the last");
        let replies = &history[last.unwrap()..];
        // Those before it may be answered only now.
        replies
            .iter()
            .filter_map(|it| number(&it.text))
            .any(|counted| counted >= sent)
    })
    .await;
}
