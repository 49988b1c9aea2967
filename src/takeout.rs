//! Calls in another's name: exports of an account's data, and bots that answer for people.

use std::future::IntoFuture;

use actogram_actors::Wrapper;
use actogram_tl::{enums, functions};

use crate::{Api, Result, calls::Pending};

/// The largest file a takeout may be asked for, in bytes.
const LARGEST_FILE: i64 = 4_194_304_000;

/// A takeout that is about to begin; see [`Api::takeout`].
#[must_use = "nothing begins until it is awaited"]
pub struct TakeoutRequest {
    api: Api,
    function: functions::account::InitTakeoutSession,
}

impl TakeoutRequest {
    /// The address book.
    pub fn contacts(mut self) -> Self {
        self.function.contacts = true;
        self
    }

    /// Messages of private chats.
    pub fn private_chats(mut self) -> Self {
        self.function.message_users = true;
        self
    }

    /// Messages of basic groups.
    pub fn groups(mut self) -> Self {
        self.function.message_chats = true;
        self
    }

    /// Messages of supergroups.
    pub fn supergroups(mut self) -> Self {
        self.function.message_megagroups = true;
        self
    }

    /// Messages of channels.
    pub fn channels(mut self) -> Self {
        self.function.message_channels = true;
        self
    }

    /// Files up to this length in bytes; at most 4,194,304,000.
    pub fn files(mut self, largest: u64) -> Self {
        let largest = i64::try_from(largest).unwrap_or(LARGEST_FILE);
        self.function.files = true;
        self.function.file_max_size = Some(largest.min(LARGEST_FILE));
        self
    }
}

impl IntoFuture for TakeoutRequest {
    type Output = Result<Takeout>;
    type IntoFuture = Pending<Takeout>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let begun = self.api.invoke(self.function).await?;
            let enums::account::Takeout::Takeout(begun) = begun;
            Ok(Takeout {
                api: self.api.wrapped(Wrapper::Takeout(begun.id)),
                id: begun.id,
            })
        })
    }
}

/// An export of an account's data, under way (<https://core.telegram.org/api/takeout>): its calls have looser limits.
pub struct Takeout {
    api: Api,
    id: i64,
}

impl Takeout {
    /// The calls of the takeout, and everything that they give: each is made as a part of it. What is not of its subject is
    /// refused. Downloads are the account's own.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Its number.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Ends it: everything was exported.
    ///
    /// # Errors
    /// What the datacenter says: `TAKEOUT_INVALID` if it has ended already.
    pub async fn finish(self) -> Result<()> {
        self.end(true).await
    }

    /// Ends it before everything was exported.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub async fn give_up(self) -> Result<()> {
        self.end(false).await
    }

    async fn end(self, success: bool) -> Result<()> {
        let mut finish = functions::account::FinishTakeoutSession::new();
        finish.success = success;
        self.api.invoke(finish).await.map(drop)
    }
}

impl Api {
    /// Begins to export the account's own data, of the kinds that are named. Only people can.
    ///
    /// Telegram may want the person to allow it on another device first, and to wait: `TAKEOUT_INIT_DELAY_X` comes as a flood
    /// wait.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api) -> actogram::Result<()> {
    /// let takeout = api.takeout().private_chats().await?;
    /// let saved = takeout.api().get_messages("me", [1, 2, 3]).await?;
    /// takeout.finish().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What the datacenter says.
    pub fn takeout(&self) -> TakeoutRequest {
        TakeoutRequest {
            api: self.clone(),
            function: functions::account::InitTakeoutSession::new(),
        }
    }

    /// Calls that a bot makes in the name of whoever has connected it, named by the connection that an update of the kind
    /// `updateBotBusinessConnect` told (<https://core.telegram.org/api/business#connected-bots>). What the connection does not
    /// allow is refused by the datacenter: `BUSINESS_CONNECTION_INVALID`, or the error of the right that lacks.
    pub fn business(&self, connection_id: impl AsRef<str>) -> Api {
        self.wrapped(Wrapper::Business(connection_id.as_ref().into()))
    }
}
