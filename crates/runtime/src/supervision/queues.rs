//! Messages between the mailbox and their handling.

use std::collections::VecDeque;

use actix::{Actor, dev::Envelope};
use tokio::time::Instant;

/// Messages that were taken out of the mailbox and not handled at once. An actor that keeps up has none.
pub(super) struct Queues<A: Actor> {
    pub(super) control: [VecDeque<Envelope<A>>; 3],
    pub(super) data: VecDeque<Envelope<A>>,
    /// A message that ends the actor even between two lives is among those in `control`.
    pub(super) stop_queued: bool,
    /// Turns since the runtime last had a look at its timers and sockets, and when that was.
    pub(super) turns: u32,
    pub(super) looked: Instant,
}

impl<A: Actor> Queues<A> {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            control: [VecDeque::new(), VecDeque::new(), VecDeque::new()],
            data: VecDeque::new(),
            stop_queued: false,
            turns: 0,
            looked: Instant::now(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.data.len() + self.control.iter().map(VecDeque::len).sum::<usize>()
    }
}
