//! A bot that asks for its updates, instead of being called. Needs ACTOGRAM_BOT_TOKEN and friends.

use actogram::prelude::*;

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    let poller = client.poller();
    let work = async {
        let mut offset = 0;
        loop {
            for polled in poller.get_updates().offset(offset).limit(10).await? {
                if let Some(message) = polled.update.message().filter(|it| !it.outgoing()) {
                    message
                        .reply(format!("{}: {}", polled.id, message.text()))
                        .await?;
                }
                // The next call acknowledges it. After a crash before that it comes again, with its dedupe id.
                offset = polled.id + 1;
            }
        }
    };
    client.run_until::<()>(work).await?;
    Ok(())
}
