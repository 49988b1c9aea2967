//! The account's own usernames, as far as somebody used them: commands may be addressed to one bot of several.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use actogram_tl::enums;

use crate::Api;

/// In lower case: Telegram does not tell case apart.
#[derive(Default)]
pub(crate) struct OwnNames(Mutex<BTreeSet<String>>);

impl OwnNames {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Api {
    /// Asks the session whether this name is the account's own, which [`is_called`](Self::is_called) knows from then on.
    pub(crate) async fn learn_own_name(&self, name: &str) {
        let known = match self.account().peer_by_username(name).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "whether a command is for this account cannot be told");
                return;
            }
        };
        let own = match known {
            Some(enums::InputPeer::InputPeerUser(user)) => Some(user.user_id) == self.me_id(),
            _ => false,
        };
        let name = name.to_lowercase();
        self.own_names().with(|names| match own {
            true => names.insert(name),
            false => names.remove(&name),
        });
    }

    /// Whether this is known to be the account's own name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.own_names()
            .with(|names| names.contains(&name.to_lowercase()))
    }
}
