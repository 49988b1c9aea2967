//! The command line of actogram.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Telegram as an actor system.
#[derive(Parser)]
#[command(name = "actogram", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the main job on the local datacenter, and ends by itself.
    Demo,
    /// Connects an account and prints every update as JSON, until a signal.
    Run(commands::account::Run),
    /// Calls one method by name and prints its result as JSON.
    Call(commands::account::Call),
    /// Prints who is logged in.
    Whoami(commands::account::WhoAmI),
    /// Saves the file of a message.
    Download(commands::files::Download),
    /// Uploads a file and sends it.
    Upload(commands::files::Upload),
    /// Shows what a running client is doing: its actors, loops and calls.
    Top(commands::top::Top),
    /// Runs a local datacenter until a signal.
    Datacenter(commands::datacenter::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match Arguments::parse().command {
        Command::Demo => commands::demo::run().await,
        Command::Run(arguments) => commands::account::run(arguments).await,
        Command::Call(arguments) => commands::account::call(arguments).await,
        Command::Whoami(arguments) => commands::account::who_am_i(arguments).await,
        Command::Download(arguments) => commands::files::download(arguments).await,
        Command::Upload(arguments) => commands::files::upload(arguments).await,
        Command::Top(arguments) => commands::top::run(arguments).await,
        Command::Datacenter(arguments) => commands::datacenter::run(arguments).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::say_error(&*error);
            ExitCode::FAILURE
        }
    }
}
