//! Posts every update to a web server, until it takes it: `cargo run --features http --example webhook_bot -- URL SECRET`,
//! with the settings of `actogram.toml` or `ACTOGRAM_…`.

use actogram::{Webhook, prelude::*};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(secret)) = (arguments.next(), arguments.next()) else {
        return Err(Error::user("usage: webhook_bot URL SECRET"));
    };
    let client = Client::from_env()?.connect().await?;
    client.webhook(Webhook::new(url).secret(secret));
    client.run().await
}
