//! Telegram's objects as people use them: updates, messages and queries that know their account.

mod album;
mod callback_query;
mod chat_member;
mod deleted;
mod inline_query;
mod message;
mod service;
mod update;

pub use album::Album;
pub use callback_query::CallbackQuery;
pub use chat_member::{ChatMember, MemberStatus};
pub use deleted::Deleted;
pub use inline_query::{InlineQuery, article};
pub use message::Msg;
pub use service::ServiceMsg;
pub use update::Update;
pub(crate) use update::peer_of;
