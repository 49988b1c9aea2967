//! A bot as one value: a method for each kind of update.

use crate::{
    Album, CallbackQuery, Cx, Deleted, Error, InlineQuery, Msg, Result, ServiceMsg, Update,
};

/// Handles the updates of an account; give it to [`Client::event_handler`](crate::Client::event_handler).
///
/// All methods have a default, so that a handler writes only those it needs. They take `&self` and run on one
/// thread, interleaved where they await: state goes into `Cell` and `RefCell`. Updates of one chat come one after
/// another, those of different chats side by side.
///
/// It lives in an actor of its own: [`EventActor`](crate::EventActor).
///
/// An error or a panic costs the update it happened in and goes to [`on_error`](Self::on_error).
///
/// ```
/// use actogram::prelude::*;
///
/// struct Echo;
///
/// impl EventHandler for Echo {
///     async fn on_message(&self, _cx: Cx, msg: Msg) -> Result<()> {
///         msg.reply(msg.text()).await?;
///         Ok(())
///     }
/// }
/// ```
#[allow(
    async_fn_in_trait,
    reason = "handlers stay on their thread, so their futures need not be Send"
)]
pub trait EventHandler: 'static {
    /// Once, before the first update.
    async fn on_start(&self, cx: Cx) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Every update. As given, it hands on to the method of the update's kind, but for messages of the account itself;
    /// who overrides it takes over.
    async fn on_any(&self, cx: Cx, update: Update) -> Result<()> {
        if let Some(message) = update.message() {
            return match (message.outgoing(), message.is_edit()) {
                (true, _) => Ok(()),
                (false, true) => self.on_edited(cx, message).await,
                (false, false) => self.on_message(cx, message).await,
            };
        }
        if let Some(message) = ServiceMsg::of(&update) {
            return match message.outgoing() {
                true => Ok(()),
                false => self.on_service(cx, message).await,
            };
        }
        if let Some(query) = CallbackQuery::of(&update) {
            return self.on_callback_query(cx, query).await;
        }
        if let Some(query) = InlineQuery::of(&update) {
            return self.on_inline_query(cx, query).await;
        }
        match Deleted::of(&update) {
            Some(deleted) => self.on_deleted(cx, deleted).await,
            None => self.on_other(cx, update).await,
        }
    }

    /// A new message of somebody else.
    async fn on_message(&self, cx: Cx, message: Msg) -> Result<()> {
        let _ = (cx, message);
        Ok(())
    }

    /// Whether messages of albums of somebody else come together, to [`on_album`](Self::on_album). They wait for each other
    /// then: 0.7 s after the last one the album is taken for whole. Asked once, before [`on_start`](Self::on_start).
    fn takes_albums(&self) -> bool {
        false
    }

    /// An album of somebody else, where [`takes_albums`](Self::takes_albums) says so. As given, its messages are handed to
    /// [`on_message`](Self::on_message) in order.
    async fn on_album(&self, cx: Cx, album: Album) -> Result<()> {
        for message in album.messages() {
            self.on_message(cx.clone(), message.clone()).await?;
        }
        Ok(())
    }

    /// A message of somebody else that was edited.
    async fn on_edited(&self, cx: Cx, message: Msg) -> Result<()> {
        let _ = (cx, message);
        Ok(())
    }

    /// Messages were deleted.
    async fn on_deleted(&self, cx: Cx, deleted: Deleted) -> Result<()> {
        let _ = (cx, deleted);
        Ok(())
    }

    /// Somebody else joined, left, changed a title, or did something else that Telegram itself writes into the chat.
    async fn on_service(&self, cx: Cx, message: ServiceMsg) -> Result<()> {
        let _ = (cx, message);
        Ok(())
    }

    /// Somebody pressed a button.
    async fn on_callback_query(&self, cx: Cx, query: CallbackQuery) -> Result<()> {
        let _ = (cx, query);
        Ok(())
    }

    /// Somebody asks the bot from a chat.
    async fn on_inline_query(&self, cx: Cx, query: InlineQuery) -> Result<()> {
        let _ = (cx, query);
        Ok(())
    }

    /// An update of any other kind.
    async fn on_other(&self, cx: Cx, update: Update) -> Result<()> {
        let _ = (cx, update);
        Ok(())
    }

    /// A handler method failed or panicked. As given, it logs; `update` is `None` for [`on_start`](Self::on_start).
    async fn on_error(&self, cx: Cx, update: Option<&Update>, error: &Error) {
        let _ = cx;
        tracing::error!(%error, dedupe_id = ?update.map(Update::dedupe_id), "a handler failed");
    }
}
