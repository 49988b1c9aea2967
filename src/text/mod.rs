//! Message text with formatting: HTML and Markdown to entities and back, composition, splitting.
//!
//! Whatever takes a text takes `impl Into<Text>`: a `&str` or `String`, which nothing in it formats, or a [`Text`] from
//! [`html`], [`markdown`] or [`Text::bold`] and its kin. See the crate `actogram-text`, whose items these are, for what
//! the dialects hold.
//!
//! ```no_run
//! # async fn act(api: actogram::Api) -> actogram::Result<()> {
//! use actogram::{Text, escape_html, html, markdown};
//!
//! let name = "<Ann>";
//! api.send_message("@ann", html(format!("Hello <b>{}</b>", escape_html(name)))).await?;
//! api.send_message("@ann", markdown("||secret|| and `code`")).await?;
//! api.send_message("@ann", Text::bold("Hello ") + name).await?;
//! # Ok(()) }
//! ```

mod schema;

pub use actogram_text::*;
pub use schema::{from_schema, to_schema};
