//! Albums come as one message after another; nothing says which is the last.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actogram_actors::Done;

use crate::{Album, Msg, PeerId, Update};

/// No message of an album comes later than this after the one before.
pub(super) const QUIET: Duration = Duration::from_millis(700);

/// Messages of one album.
const MOST: usize = 10;

/// Names an album: its chat and its number.
pub(super) type AlbumKey = (PeerId, i64);

/// An album that is whole, as far as one can tell, and what holds back the stored position until it is handled.
pub(super) struct Gathered {
    pub(super) album: Album,
    pub(super) first: Update,
    pub(super) held: Vec<Arc<Done>>,
}

/// What follows when a message of an album came.
pub(super) enum Next {
    /// Others may follow: look again after a quiet time, whether this many are still all.
    Wait(AlbumKey, usize),
    Whole(AlbumKey),
}

/// Albums of which messages may still come.
#[derive(Default)]
pub(super) struct Albums {
    open: BTreeMap<AlbumKey, Vec<(Update, Arc<Done>)>>,
}

impl Albums {
    /// `None`: it is no message of an album.
    pub(super) fn add(&mut self, update: &Update, done: &Arc<Done>) -> Option<Next> {
        let message = update
            .message()
            .filter(|it| !it.outgoing() && !it.is_edit())?;
        let key = (message.chat(), message.raw().grouped_id?);
        let open = self.open.entry(key).or_default();
        open.push((update.clone(), done.clone()));
        Some(match open.len() {
            MOST => Next::Whole(key),
            so_far => Next::Wait(key, so_far),
        })
    }

    /// How many messages of an album have come.
    pub(super) fn count(&self, key: AlbumKey) -> usize {
        self.open.get(&key).map_or(0, Vec::len)
    }

    /// Takes an album; `None` if it is gone already.
    pub(super) fn take(&mut self, key: AlbumKey) -> Option<Gathered> {
        let (updates, held): (Vec<_>, Vec<_>) = self.open.remove(&key)?.into_iter().unzip();
        let messages: Vec<Msg> = updates.iter().filter_map(Update::message).collect();
        let first = updates.into_iter().next()?;
        let album = Album::of(messages)?;
        Some(Gathered { album, first, held })
    }
}
