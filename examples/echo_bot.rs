//! A bot that answers every message with its own text. Needs ACTOGRAM_BOT_TOKEN and friends, or
//! ACTOGRAM_DATACENTER__EMBEDDED=true.

use actogram::prelude::*;

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    client.on_message(async |_cx: Cx, msg: Msg| msg.reply(msg.text()).await.map(drop));
    client.run().await
}
