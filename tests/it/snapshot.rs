//! What a client says about itself.
#![allow(clippy::unwrap_used)]

use std::{future::IntoFuture, time::Duration};

use crate::support::virtual_time::{Stage, run};
use actogram::{prelude::*, tl::functions::help::GetConfig};
use tokio::{task::spawn_local, time::sleep};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_snapshot_shows_loops_calls_handlers_and_the_connection() {
    run(async {
        let (stage, client) = Stage::new(1).await;
        client.on_message(async |_cx: Cx, message: Msg| {
            sleep(SECOND * 1000).await;
            message.reply("late").await.map(drop)
        });
        client.start().await.unwrap();
        let mut turns = 0;
        client.generic_loop("hourly", async move |_: &mut LoopCx| {
            turns += 1;
            3600.0
        });
        let mut lives = 0;
        client.generic_loop("clumsy", async move |_: &mut LoopCx| {
            lives += 1;
            assert!(lives > 1, "stumbled");
        });
        stage.say("hello");
        let operator = stage.datacenter.operator();
        operator.fail("help.getConfig", 420, "FLOOD_WAIT_25", 1);
        let asleep = spawn_local(client.api().invoke(GetConfig {}).into_future());
        sleep(SECOND * 10).await;

        let now = client.snapshot();
        assert_eq!((now.user_id, now.calls_in_flight), (Some(stage.bot.id), 1));
        let root = &now.tree.root;
        let hourly = root.find("hourly").unwrap().loop_status.clone().unwrap();
        assert_eq!((hourly.iterations, hourly.restarts), (1, 0));
        let until = hourly.resumes_in_ms.unwrap();
        assert!((3_589_000..3_591_000).contains(&until), "{until}");
        let clumsy = root.find("clumsy").unwrap().loop_status.clone().unwrap();
        assert_eq!(clumsy.restarts, 1);
        assert!(clumsy.last_error.unwrap().contains("stumbled"));
        let detail = |who: &str, what: &str| root.find(who).unwrap().details[what].clone();
        assert_eq!(
            detail("connection", "connection"),
            "connected to datacenter 2"
        );
        assert_eq!(detail("api", "asleep"), "1");
        assert_eq!(detail("api", "flood_waits"), "help.getConfig for 15 s");
        assert_eq!(detail("updates", "with_handlers"), "1");
        assert!(detail("updates", "handled_up_to").starts_with("pts "));

        // The same as JSON; and nothing secret is in it.
        let json = serde_json::to_value(&now).unwrap();
        assert_eq!(json["user_id"], stage.bot.id);
        let children = json["tree"]["root"]["children"].as_array().unwrap();
        let names: Vec<_> = children
            .iter()
            .map(|child| child["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["main", "dispatcher", "clumsy", "hourly"]);
        let secret = stage.bot.token.split_once(':').unwrap().1;
        assert!(!json.to_string().contains(secret));

        asleep.await.unwrap().unwrap();
        stage.datacenter.faults().refuse_all(true);
        stage.datacenter.cut_connections();
        sleep(SECOND).await;
        let later = client.snapshot();
        let root = &later.tree.root;
        let api = root.find("api").unwrap();
        assert_eq!(api.details["asleep"], "0");
        assert!(!api.details.contains_key("flood_waits"));
        let connection = &root.find("connection").unwrap().details["connection"];
        assert!(connection.starts_with("not connected: "), "{connection}");
    });
}
