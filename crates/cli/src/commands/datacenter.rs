//! `actogram datacenter`: a local datacenter for any client.

use std::{net::SocketAddr, path::PathBuf};

use actogram_local_datacenter::{LocalDatacenter, operator::Operator};
use clap::Args;
use serde_json::json;

use super::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:4430")]
    listen: SocketAddr,
    /// The datacenter's number.
    #[arg(long, default_value_t = 2)]
    dc: i32,
    /// Keeps accounts, messages and keys in this file instead of forgetting them.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Creates this bot: a username, or `username:token` to choose the token too.
    #[arg(long)]
    bot: Vec<String>,
    /// Creates this account: `+phone:name`.
    #[arg(long)]
    user: Vec<String>,
    /// Prints one JSON object per line instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let mut builder = LocalDatacenter::builder()
        .listen(arguments.listen)
        .datacenters([arguments.dc]);
    if let Some(path) = &arguments.state {
        builder = builder.state_file(path);
    }
    let datacenter = builder.start().await?;
    let address = datacenter.address().unwrap_or(arguments.listen);
    let (pem, fingerprint) = (
        datacenter.public_key_pem()?,
        datacenter.public_key().fingerprint(),
    );
    if arguments.json {
        let ready = json!({
            "event": "ready",
            "address": address.to_string(),
            "dc": datacenter.dc_id(),
            "fingerprint": format!("{fingerprint:016x}"),
            "public_key": pem,
        });
        println!("{ready}");
    } else {
        println!("datacenter {} listens on {address}", datacenter.dc_id());
        println!(
            "its public key, fingerprint {fingerprint:016x}:\n{}",
            pem.trim_end()
        );
    }
    let operator = datacenter.operator();
    for bot in &arguments.bot {
        create_bot(&operator, bot, arguments.json)?;
    }
    for user in &arguments.user {
        create_user(&operator, user, arguments.json)?;
    }
    if !arguments.json {
        println!("login codes appear here; end with Ctrl-C");
    }
    let mut codes = operator.login_codes();
    let stop = stop_signal()?;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            code = codes.next() => {
                let Some(code) = code else { break };
                if arguments.json {
                    println!("{}", json!({"event": "login_code", "phone": code.phone, "code": code.code}));
                } else {
                    println!("login code for +{}: {}", code.phone, code.code);
                }
            }
            () = &mut stop => break,
        }
    }
    datacenter.shutdown().await;
    Ok(())
}

fn create_bot(operator: &Operator, description: &str, json: bool) -> Outcome {
    let bot = match description.split_once(':') {
        Some((username, token)) => operator.create_bot_with_token(username, username, token)?,
        None => operator.create_bot(description, description)?,
    };
    let username = description.split(':').next().unwrap_or_default();
    if json {
        println!(
            "{}",
            json!({"event": "bot", "username": username, "id": bot.id, "token": bot.token})
        );
    } else {
        println!("bot @{username} has the token {}", bot.token);
    }
    Ok(())
}

fn create_user(operator: &Operator, description: &str, json: bool) -> Outcome {
    let (phone, name) = description.split_once(':').unwrap_or((description, "User"));
    let id = operator.create_user(phone.trim_start_matches('+'), name)?;
    if json {
        println!("{}", json!({"event": "user", "phone": phone, "id": id}));
    } else {
        println!("user {name} has the phone {phone} and the id {id}");
    }
    Ok(())
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
