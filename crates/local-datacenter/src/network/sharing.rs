//! One key at two places at once.

use super::{
    hub::{Connection, State},
    sessions::{ConnectionId, SessionId},
};
use crate::model::{Role, World};

/// What is taken for a key that was copied. Its login is lost then, and every call gets `AUTH_KEY_DUPLICATED`
/// (<https://core.telegram.org/api/errors#406-not-acceptable>). Connections to listeners for files never are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySharing {
    /// Nothing.
    #[default]
    Allowed,
    /// Calls from two addresses while both are connected.
    OneAddress,
    /// Calls in two sessions that take updates while both are connected, from wherever: as two processes on one machine do.
    OneMainSession,
}

impl State {
    /// Whether a call over this connection shows that its key was copied. Cuts the connections of the other place then.
    pub(super) fn find_shared(
        &self,
        world: &World,
        id: SessionId,
        connection: ConnectionId,
    ) -> bool {
        let Some(this) = self.connections.get(&connection) else {
            return false;
        };
        if self.sharing == KeySharing::Allowed || this.role != Role::Main {
            return false;
        }
        let identity = world.state().identity(id.0);
        if world.state().account_of(identity).is_none() {
            // There is no login to be lost.
            return false;
        }
        let carries = |other: &Connection, wanted: &dyn Fn(SessionId) -> bool| {
            let mut sessions = other.sessions.iter();
            sessions.any(|of| world.state().identity(of.0) == identity && wanted(*of))
        };
        let elsewhere = |other: &Connection| match self.sharing {
            KeySharing::OneAddress => other.address != this.address && carries(other, &|_| true),
            KeySharing::OneMainSession => {
                world.takes_updates(id) && carries(other, &|of| of != id && world.takes_updates(of))
            }
            KeySharing::Allowed => false,
        };
        let others: Vec<_> = self
            .connections
            .iter()
            .filter(|(other, at)| **other != connection && at.role == Role::Main && elsewhere(at))
            .collect();
        for (_, other) in &others {
            other.cancel.cancel();
        }
        !others.is_empty()
    }
}
