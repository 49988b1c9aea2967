//! A local datacenter whose operator takes orders from standard input, one JSON object a line, and answers each with a line.
//! It ends with its input.

use actogram_local_datacenter::{LocalDatacenter, model::PeerKey, operator::Operator};
use measure::{Failure, say};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// How many people write to a bot.
const PEOPLE: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Makes so many bots and tells their tokens.
    Bots(u64),
    /// A bot sends the first person a file of so many zeros.
    File { token: String, size: u64 },
    /// People send so many messages to a bot.
    Messages { token: String, count: u64 },
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let datacenter = start().await?;
    let operator = datacenter.operator();
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(operator.create_user(&format!("99966277{number:02}"), "Ann")?);
    }
    let person = "ann_of_the_bench";
    operator.set_username(people[0], Some(person))?;
    say(&json!({
        "address": datacenter.address().map(|address| address.to_string()),
        "dc": datacenter.dc_id(),
        "public_key": datacenter.public_key_pem()?,
        "fingerprint": fingerprint(&datacenter),
        "person": person,
    }))?;
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut made = 0;
    while let Some(line) = orders.next_line().await? {
        let answer = match serde_json::from_str(&line)? {
            Order::Bots(count) => {
                let tokens =
                    (made..made + count).map(|number| new_bot(&operator, people[0], number));
                let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
                made += count;
                json!({ "tokens": tokens })
            }
            Order::File { token, size } => {
                let to = PeerKey::User(people[0]);
                let message = operator.send_sparse_file(id_of(&token)?, to, "zeros.bin", size)?;
                json!({ "message": message })
            }
            Order::Messages { token, count } => {
                messages(&operator, &people, id_of(&token)?, count)?
            }
        };
        say(&answer)?;
    }
    datacenter.shutdown().await;
    Ok(())
}

/// A datacenter whose key mtcute finds: it looks for fingerprints without their leading zeros, which it stored with them.
async fn start() -> Result<LocalDatacenter, Failure> {
    loop {
        let datacenter = LocalDatacenter::builder().start().await?;
        if !fingerprint(&datacenter).starts_with('0') {
            return Ok(datacenter);
        }
        datacenter.shutdown().await;
    }
}

fn fingerprint(datacenter: &LocalDatacenter) -> String {
    format!("{:016x}", datacenter.public_key().fingerprint())
}

fn new_bot(operator: &Operator, person: i64, number: u64) -> Result<String, Failure> {
    let bot = operator.create_bot(&format!("bench_{number}_bot"), "Bench")?;
    // Bots write only to people who have written to them.
    operator.send_message(person, PeerKey::User(bot.id), "/start")?;
    Ok(bot.token)
}

fn messages(operator: &Operator, people: &[i64], bot: i64, count: u64) -> Result<Value, Failure> {
    for (number, person) in (0..count).zip(people.iter().cycle()) {
        operator.send_message(*person, PeerKey::User(bot), &format!("message {number}"))?;
    }
    Ok(json!({ "sent": count }))
}

fn id_of(token: &str) -> Result<i64, Failure> {
    let id = token.split(':').next().unwrap_or_default();
    Ok(id.parse()?)
}
