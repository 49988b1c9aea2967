//! What a bot remembers of a dialogue, across updates and restarts.

use std::{fmt, marker::PhantomData};

use actogram_store::{DialogueKey, DialogueState, PeerKey, PeerKind};
use serde::{Serialize, de::DeserializeOwned};

use super::Cx;
use crate::{Api, Error, PeerId, Result};

/// A state may take so many bytes of JSON.
const MOST: usize = 64 * 1024;

tokio::task_local! {
    /// The state as it was when the turn of the update came that is being handled.
    static CURRENT: Option<DialogueState>;
}

/// What is wrong with a dialogue's state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// What is stored is not of this type: it was written by another version of the program, or for another type.
    #[error(
        "the stored state is no {expected}: {source}; clear it, or read it as the type it was written as"
    )]
    Read {
        /// The type that was asked for.
        expected: &'static str,
        /// What does not fit, where.
        source: serde_json::Error,
    },
    /// The value has no form in JSON.
    #[error("a {given} cannot be written as JSON: {source}")]
    Write {
        /// The type that was given.
        given: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// The value is too long to be kept with each person.
    #[error(
        "a state of {bytes} bytes is too long, {most} are allowed; keep what is large elsewhere"
    )]
    TooLong {
        /// How many it would take.
        bytes: usize,
        /// How many it may take.
        most: usize,
    },
    /// The update that is handled has no chat or no sender. [`Cx::state_of`] names them.
    #[error(
        "this update belongs to no person in a chat, so there is no state of it; name them by `state_of`"
    )]
    NoDialogue,
}

/// The state of one dialogue: what one person does in one chat. See [`Cx::state`].
#[must_use = "a state is read by `get`, and written by `set`"]
pub struct State<T> {
    api: Api,
    key: Option<DialogueKey>,
    holds: PhantomData<fn() -> T>,
}

impl Cx {
    /// What the bot remembers of the person whose update is handled, in this chat. It is one value for each person in each
    /// chat, kept as JSON in the session file.
    ///
    /// It outlives the process, however it ends: what a handler has [set](State::set) is stored before its update counts
    /// as handled, so that the state is never older than the updates that were handled. It may be newer: an update that
    /// was not handled to its end comes again, and finds what was set at its first time.
    ///
    /// Handlers are chosen by it with the filter [`state`](crate::filters::state).
    ///
    /// ```no_run
    /// use actogram::{filters::*, prelude::*};
    ///
    /// # async fn handle(cx: Cx, message: Msg) -> Result<()> {
    /// let count = cx.state::<u32>();
    /// let number = count.get().await?.unwrap_or_default() + 1;
    /// count.set(&number)?;
    /// message.reply(format!("That was number {number}.")).await?;
    /// # Ok(()) }
    /// ```
    pub fn state<T>(&self) -> State<T> {
        State {
            api: self.api().clone(),
            key: self.place().map(|(chat, person)| key(chat, person)),
            holds: PhantomData,
        }
    }

    /// The same of this person in this chat.
    pub fn state_of<T>(&self, chat: PeerId, person: PeerId) -> State<T> {
        State {
            api: self.api().clone(),
            key: Some(key(chat, person)),
            holds: PhantomData,
        }
    }

    /// Runs `handling` so that filters know the state.
    pub(super) async fn with_state<T>(&self, handling: impl Future<Output = T>) -> T {
        let current = match self.state::<()>().stored().await {
            Ok(current) => current,
            Err(Error::State(StateError::NoDialogue)) => None,
            Err(error) => {
                tracing::error!(%error, "the state of a dialogue cannot be read; filters by state do not pass");
                None
            }
        };
        CURRENT.scope(current, handling).await
    }
}

impl<T> State<T> {
    fn key(&self) -> Result<DialogueKey> {
        Ok(self.key.ok_or(StateError::NoDialogue)?)
    }

    async fn stored(&self) -> Result<Option<DialogueState>> {
        let stored = self.api.account().dialogue(self.key()?).await;
        stored.map_err(|error| Error::from_call("the session store", error))
    }

    /// Forgets it.
    ///
    /// # Errors
    /// [`StateError::NoDialogue`].
    pub fn clear(&self) -> Result<()> {
        self.api.account().keep_dialogue(self.key()?, None);
        Ok(())
    }
}

impl<T: DeserializeOwned> State<T> {
    /// The value, if there is one.
    ///
    /// # Errors
    /// [`StateError::Read`] if what is stored is of another type, [`StateError::NoDialogue`], and those of the session
    /// store.
    pub async fn get(&self) -> Result<Option<T>> {
        let stored = self.stored().await?;
        Ok(stored.map(|stored| read(&stored)).transpose()?)
    }
}

impl<T: Serialize> State<T> {
    /// Replaces the value.
    ///
    /// # Errors
    /// [`StateError::Write`], [`StateError::TooLong`] above 64 KiB of JSON, [`StateError::NoDialogue`].
    pub fn set(&self, value: &T) -> Result<()> {
        let bytes = serde_json::to_vec(value).map_err(|source| StateError::Write {
            given: std::any::type_name::<T>(),
            source,
        })?;
        if bytes.len() > MOST {
            let (bytes, most) = (bytes.len(), MOST);
            return Err(StateError::TooLong { bytes, most }.into());
        }
        let state = DialogueState(bytes.into());
        self.api.account().keep_dialogue(self.key()?, Some(state));
        Ok(())
    }
}

impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The state that filters go by.
pub(crate) fn current<T: DeserializeOwned>() -> Option<T> {
    let read = |stored: &Option<DialogueState>| stored.as_ref().map(read).transpose();
    match CURRENT.try_with(read).ok()? {
        Ok(state) => state,
        Err(error) => {
            tracing::debug!(%error, "a filter by state does not pass");
            None
        }
    }
}

fn read<T: DeserializeOwned>(stored: &DialogueState) -> Result<T, StateError> {
    serde_json::from_slice(&stored.0).map_err(|source| StateError::Read {
        expected: std::any::type_name::<T>(),
        source,
    })
}

fn key(chat: PeerId, person: PeerId) -> DialogueKey {
    let peer = |id| match id {
        PeerId::User(id) => (PeerKind::User, id),
        PeerId::Chat(id) => (PeerKind::Chat, id),
        PeerId::Channel(id) => (PeerKind::Channel, id),
    };
    let [chat, person] = [peer(chat), peer(person)].map(|(kind, id)| PeerKey { kind, id });
    DialogueKey { chat, person }
}
