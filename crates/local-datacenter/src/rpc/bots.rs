//! `bots.*`: the commands a bot offers.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::{RpcResult, bad};
use super::view;
use crate::model::{Bot, BotCommands, Event};

const MAX_COMMANDS: usize = 100;

/// Stored commands as TL objects.
pub(super) fn commands(stored: &[(String, String)]) -> Vec<enums::BotCommand> {
    stored
        .iter()
        .map(|(command, description)| {
            types::BotCommand {
                ephemeral: false,
                command: command.clone(),
                description: description.clone(),
            }
            .into()
        })
        .collect()
}

fn change_commands(
    call: &mut Call<'_>,
    scope: &enums::BotCommandScope,
    language: &str,
    commands: Vec<(String, String)>,
) -> RpcResult<()> {
    let me = call.me()?;
    let scope = view::to_store(scope);
    let mut user = call
        .world
        .state
        .users
        .get(&me)
        .cloned()
        .ok_or(bad("BOT_INVALID"))?;
    let Some(bot): Option<&mut Bot> = user.bot.as_mut() else {
        return Err(bad("USER_BOT_REQUIRED"));
    };
    bot.commands
        .retain(|list| list.scope != scope || list.language != language);
    if !commands.is_empty() {
        bot.commands.push(BotCommands {
            scope,
            language: language.to_owned(),
            commands,
        });
    }
    bot.info_version += 1;
    call.world.commit(Event::UserPut(user));
    Ok(())
}

/// `bots.setBotCommands`.
pub(super) fn set_bot_commands(
    call: &mut Call<'_>,
    request: functions::bots::SetBotCommands,
) -> RpcResult<bool> {
    if request.commands.len() > MAX_COMMANDS {
        return Err(bad("BOT_COMMAND_INVALID"));
    }
    let mut commands = Vec::with_capacity(request.commands.len());
    for entry in request.commands {
        let enums::BotCommand::BotCommand(entry) = entry;
        let valid = (1..=32).contains(&entry.command.len())
            && entry
                .command
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !valid {
            return Err(bad("BOT_COMMAND_INVALID"));
        }
        if !(1..=256).contains(&entry.description.chars().count()) {
            return Err(bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
        commands.push((entry.command.clone(), entry.description.clone()));
    }
    change_commands(call, &request.scope, &request.lang_code, commands)?;
    Ok(true)
}

/// `bots.resetBotCommands`.
pub(super) fn reset_bot_commands(
    call: &mut Call<'_>,
    request: functions::bots::ResetBotCommands,
) -> RpcResult<bool> {
    change_commands(call, &request.scope, &request.lang_code, Vec::new())?;
    Ok(true)
}

/// `bots.getBotCommands`.
pub(super) fn get_bot_commands(
    call: &mut Call<'_>,
    request: functions::bots::GetBotCommands,
) -> RpcResult<Vec<enums::BotCommand>> {
    let me = call.me()?;
    let scope = view::to_store(&request.scope);
    Ok(call
        .world
        .state
        .users
        .get(&me)
        .and_then(|user| user.bot.as_ref())
        .and_then(|bot| {
            bot.commands
                .iter()
                .find(|list| list.scope == scope && list.language == request.lang_code)
        })
        .map(|list| commands(&list.commands))
        .unwrap_or_default())
}
