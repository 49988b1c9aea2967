//! What only admins may do.

use std::time::Duration;

use actogram::{PeerId, filters::*, prelude::*};

/// Commands for these people. To others they do not exist.
pub(crate) fn router(admins: &[PeerId]) -> Router {
    Router::new()
        .only(private::<Msg>() & sender(admins.iter().copied()))
        .on(command("ping"), async |_cx: Cx, command: Command| {
            command.reply("pong").await
        })
        .on(command("sleep"), async |_cx: Cx, command: Command| {
            // An error goes to the admins, with the update it cost.
            let seconds = command.args().parse().map_err(Error::user)?;
            actogram::sleep(Duration::from_secs(seconds)).await;
            command.reply("I am awake.").await
        })
}
