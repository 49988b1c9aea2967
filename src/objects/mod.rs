//! Telegram's objects as people use them: updates and messages that know their account.

mod message;
mod update;

pub use message::Msg;
pub use update::Update;
