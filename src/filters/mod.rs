//! Which updates a handler is for, told by small parts that are put together.
//!
//! A [`Filter`] passes or does not; an [`Extract`] passes and gives something besides: the name and arguments of a
//! command, what a regular expression captured. Put together by `&`, `|` and `!`, they stay typed: the handler is given
//! exactly what the whole gives, and what cannot be put together does not compile.
//!
//! ```no_run
//! use actogram::{filters::*, prelude::*};
//!
//! # async fn register(client: Client) -> Result<()> {
//! client.on(incoming() & private() & command("start"), async |_cx: Cx, command: Command| {
//!     command.reply(format!("you said {:?}", command.args())).await
//! });
//! client.on(regex(r"^(\d+) *\+ *(\d+)$")?, async |_cx: Cx, sum: Captures| {
//!     let numbers = [1, 2].map(|n| sum.get(n).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0));
//!     sum.reply((u64::from(numbers[0]) + u64::from(numbers[1])).to_string()).await
//! });
//! client.on((photo() | video()) & !forwarded(), async |_cx: Cx, message: Msg| {
//!     message.reply("nice").await
//! });
//! client.on(callback_queries() & text("yes"), async |_cx: Cx, query: CallbackQuery| {
//!     query.answer("noted").await
//! });
//! # Ok(()) }
//! ```
//!
//! What goes together:
//!
//! | | gives |
//! | --- | --- |
//! | `Filter<S> & Filter<S>`, `Filter<S> \| Filter<S>`, `!Filter<S>` | `Filter<S>`: the handler is given the `S` |
//! | `Filter<S> & Extract<S, T>`, either way round | `Extract<S, T>`: the handler is given the `T` |
//! | `Extract<S, T> & Extract<S, U>` | `Extract<S, (T, U)>` |
//! | `Extract<S, T> \| Extract<S, T>` | `Extract<S, T>` of the first that passes |
//! | `!Extract<S, T>` | `Filter<S>` |
//!
//! `S` is the [`Subject`]: [`Msg`](crate::Msg), [`ServiceMsg`](crate::ServiceMsg),
//! [`CallbackQuery`](crate::CallbackQuery), [`InlineQuery`](crate::InlineQuery), [`Deleted`](crate::Deleted), the bare
//! [`Update`](crate::Update), or a type of the program's own. Most parts fit several subjects, and take theirs from what
//! they are put together with, or from what the handler wants.
//!
//! ```compile_fail
//! # use actogram::filters::*;
//! let _ = photo() & callback_queries(); // a message is no button press
//! ```
//!
//! # What is left out unless it is named
//! * Messages of the account itself: a bot that answered them would talk to itself without end. A filter in which
//!   [`outgoing`] or [`incoming`] occurs anywhere sees both kinds.
//! * Edits: an edited command would be carried out twice. A filter in which [`edited`] occurs anywhere sees both.

mod algebra;
mod command;
mod media;
mod place;
mod state;
mod subject;
mod text;

pub use algebra::{Extract, Filter, Matcher, extract, filter};
pub(crate) use command::mentioned_bot;
pub use command::{Command, any_command, command, command_of, command_prefixed};
pub use media::{
    animation, audio, contact, dice, document, game, location, media, photo, poll, sticker, venue,
    video, voice, web_page,
};
pub use place::{
    album, channel, chat, edited, forwarded, group, incoming, mentioned, outgoing, pinned, private,
    reply, sender, via_bot,
};
pub use state::{state, state_value};
pub use subject::{
    Subject, Textual, callback_queries, deleted, inline_queries, messages, service, updates,
};
pub use text::{Captures, FilterError, contains, regex, starts_with, text};
