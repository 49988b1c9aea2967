//! A bot that keeps order in a group: administrators answer a message with /pin, /mute, /ban or /delete.
//! Needs ACTOGRAM_BOT_TOKEN and friends, and to be an administrator with the rights for it.

use actogram::{InlineKeyboard, filters::*, prelude::*};

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::from_env()?.connect().await?;
    let of_admins = group() & reply() & any_command();
    client.on(of_admins, async |cx: Cx, command: Command| {
        let (chat, order) = (command.chat(), command.message());
        let Some(sender) = command.sender() else {
            return Ok(());
        };
        if !cx.get_member(chat, sender).await?.is_admin() {
            return order.react("👎").await;
        }
        // A message says which one it answers; what stands there is asked for.
        let Some(answered) = order.replied().await? else {
            return Ok(());
        };
        let Some(author) = answered.sender() else {
            return Ok(());
        };
        match command.name() {
            "pin" => answered.pin().silent().await?,
            "delete" => answered.delete().await?,
            "mute" => cx.restrict(chat, author).no_messages().await?,
            "ban" => {
                cx.ban(chat, author).await?;
                let undo = format!("unban:{author}");
                let keyboard = InlineKeyboard::new().callback("Let them back in", undo);
                order.reply("Banned.").buttons(keyboard).await?;
            }
            _ => return order.react("🤔").await,
        }
        order.react("👍").await
    });
    let unban = regex(r"^unban:(-?\d{1,15})$")?;
    client.on(unban, async |cx: Cx, press: Captures<CallbackQuery>| {
        let banned = press.get(1).and_then(|id| id.parse::<i64>().ok());
        let (Some(chat), Some(banned)) = (press.chat(), banned) else {
            return press.answer("").await;
        };
        // Anybody sees the button: who presses it is asked what they may.
        if !cx.get_member(chat, press.sender()).await?.is_admin() {
            return press.answer("That is for administrators.").alert().await;
        }
        cx.unban(chat, banned).await?;
        if let Some(edit) = press.edit("They may come back.") {
            edit.await?;
        }
        press.answer("Done.").await
    });
    client.run().await
}
