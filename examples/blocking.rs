//! A program without async code: every call waits for its answer.
//!
//! `cargo run --example blocking` writes a poem into Saved Messages, at a datacenter in this process, and prints it.
#![allow(clippy::print_stdout, reason = "it prints what it did")]

use std::time::Duration;

use actogram::{LocalPerson, blocking::Runtime, prelude::*};
use actogram_local_datacenter::LocalDatacenter;
use serde_json::json;

const POEM: [&str; 3] = ["one line", "another line", "a last line"];

fn main() -> Result<()> {
    let runtime = Runtime::new()?;
    let datacenter = runtime.wait(LocalDatacenter::builder().start())?;
    let datacenter = datacenter.map_err(Error::user)?;
    // For Telegram: `blocking::Client::connect(Client::from_env()?)?`.
    let client = runtime.connect(Client::builder(":memory:").local_datacenter(&datacenter))?;
    let me = client.log_in(&mut LocalPerson::new(&datacenter, "9996621111").named("Ann"))?;
    println!("logged in as {}", me.first_name.unwrap_or_default());

    // One after another.
    let api = client.api();
    for line in POEM {
        let sent = api.send_message("me", line).wait()?;
        println!("sent {}", sent.text());
    }

    // Both at once: what is inside is async.
    let [first, second] = client.wait(async |api| {
        actogram::all(["left", "right"].map(|text| api.send_message("me", text))).await
    })?;
    println!("sent {} and {}", first.text(), second.text());

    // An error is a value like any other.
    let refused = api.send_message("@nobody_has_this_name", "hello").wait();
    println!(
        "refused: {}",
        refused.err().map_or_else(String::new, |e| e.to_string())
    );

    // Any method by its name, with JSON.
    let everything = json!({"peer": "me", "offset_id": 0, "offset_date": 0, "add_offset": 0,
        "limit": 100, "max_id": 0, "min_id": 0, "hash": "0"});
    let history = api.call("messages.getHistory", everything).wait()?;
    println!(
        "{} messages are saved",
        history["messages"].as_array().map_or(0, Vec::len)
    );

    client.shutdown(Duration::from_secs(10))?;
    runtime.wait(datacenter.shutdown())
}
