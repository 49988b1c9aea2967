//! A bound on half-open key exchanges per peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many exchanges may be half open, from one address and altogether. One listener owns one and
/// gives a clone to each connection.
#[derive(Clone, Debug)]
pub struct HandshakeSlots {
    per_peer: usize,
    total: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_peer: HashMap<IpAddr, usize>,
}

impl HandshakeSlots {
    /// Allows `per_peer` half-open exchanges from one address and `total` from all.
    #[must_use]
    pub fn new(per_peer: usize, total: usize) -> Self {
        Self {
            per_peer,
            total,
            open: Arc::default(),
        }
    }

    /// Exchanges half open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().total
    }

    /// Takes a place for an exchange with `peer`; `None` if all are taken. It is free again when the
    /// [`Slot`] is dropped.
    #[must_use]
    pub fn take(&self, peer: IpAddr) -> Option<Slot> {
        let mut open = self.lock();
        let of_peer = open.by_peer.get(&peer).copied().unwrap_or(0);
        if open.total >= self.total || of_peer >= self.per_peer {
            return None;
        }
        open.total += 1;
        open.by_peer.insert(peer, of_peer + 1);
        Some(Slot {
            slots: self.clone(),
            peer,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place taken in [`HandshakeSlots`].
#[derive(Debug)]
pub struct Slot {
    slots: HandshakeSlots,
    peer: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.lock();
        open.total -= 1;
        if let Some(count) = open.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.by_peer.remove(&self.peer);
            }
        }
    }
}
