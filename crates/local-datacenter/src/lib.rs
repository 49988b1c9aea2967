//! A strict MTProto datacenter for one machine: accounts, chats, updates, and faults on demand.
//!
//! It is what a bot is tested on without Telegram. Any client that lets its datacenter's address and RSA key be set can log
//! in; with actogram that is `Client::builder("bot.session").local_datacenter(&datacenter)`.
//!
//! # Playing the other side
//! The [`Operator`](operator::Operator) makes accounts, acts in their names and reads what they got. Its orders take effect
//! before they return.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use actogram_local_datacenter::{LocalDatacenter, model::PeerKey};
//!
//! let datacenter = LocalDatacenter::builder().start().await?;
//! let operator = datacenter.operator();
//! let bot = operator.create_bot("echo_bot", "Echo")?;
//! let ann = operator.create_user("9996620001", "Ann")?;
//! // Here the bot would be started, with `bot.token`.
//!
//! operator.send_message(ann, PeerKey::User(bot.id), "hello")?;
//! // What a test waits for: an answer in Ann's mailbox.
//! let answers = operator.history(ann, PeerKey::User(bot.id));
//! let answers: Vec<_> = answers.iter().filter(|message| message.from == bot.id).collect();
//! assert!(answers.is_empty(), "nobody started the bot");
//!
//! // Whatever has no order of its own: any method, in anybody's name.
//! let peer = operator.input_peer(ann, PeerKey::User(bot.id))?;
//! let typing = actogram_tl::functions::messages::SetTyping::new(
//!     peer,
//!     actogram_tl::enums::SendMessageAction::SendMessageTypingAction,
//! );
//! operator.invoke_as(ann, &typing)?;
//! # datacenter.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # Making things go wrong
//! | what | where |
//! | --- | --- |
//! | a method fails, is flooded, or answers late | [`Operator::fail`](operator::Operator::fail), [`flood_wait`](operator::Operator::flood_wait), [`delay_answers`](operator::Operator::delay_answers) |
//! | updates are lost, doubled, mixed up or forgotten | [`Operator::disturb_updates`](operator::Operator::disturb_updates), [`forget_updates`](operator::Operator::forget_updates) |
//! | a connection breaks, stalls or changes what it carries | [`LocalDatacenter::faults`], [`LocalDatacenter::cut_connections`] |
//! | sessions, salts, keys or logins are lost | [`LocalDatacenter::restart`], [`LocalDatacenter::lose_key`], [`lose_temporary_keys`](LocalDatacenter::lose_temporary_keys), [`Operator::end_logins`](operator::Operator::end_logins), [`revoke`](operator::Operator::revoke) |
//! | a key turns up at two places | [`LocalDatacenter::set_key_sharing`] |
//! | a file is at a CDN, which lies | [`Operator::serve_by_cdn`](operator::Operator::serve_by_cdn), [`lie_about_cdn_file`](operator::Operator::lie_about_cdn_file) |
//! | an account moves to another datacenter | [`Operator::move_home`](operator::Operator::move_home) |
//! | the clock is wrong | [`LocalDatacenter::clock`] |
//! | the datacenter is hostile | [`LocalDatacenter::attacks`] |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use actogram_local_datacenter::LocalDatacenter;
//! use actogram_local_datacenter::{Attack, Direction, Lost, When, WireFault};
//! use std::time::Duration;
//!
//! # let datacenter = LocalDatacenter::builder().start().await?;
//! // The next three messages are told to wait for 2 s, and an answer comes late.
//! datacenter.operator().flood_wait("messages.sendMessage", 2, 3);
//! datacenter.operator().delay_answers("messages.sendMessage", Duration::from_secs(1), 1);
//! // The next connection breaks after 200 bytes of the client.
//! datacenter.faults().order(WireFault::CutAfter { direction: Direction::ToServer, bytes: 200 });
//! // Everybody is cut and begins a new session.
//! datacenter.restart(Lost { sessions: true, ..Lost::default() });
//! // Beside the second answer from now goes one with a broken signature: the client must hang up and ask again.
//! datacenter.attacks().order(When::Answer(2), Attack::FlipKeyBit(0));
//! # datacenter.shutdown().await;
//! # Ok(()) }
//! ```

mod datacenter;
mod files;
pub mod model;
mod network;
pub mod operator;
pub mod rpc;
pub mod storage;

pub use actogram_mtproto::session::server::Strictness;
pub use datacenter::{Builder, LocalDatacenter, Lost, StartError};
pub use network::{
    Attack, Attacks, Clock, Direction, GzipAttack, KeySharing, When, WireFault, WireFaults,
};
