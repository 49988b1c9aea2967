//! The network between the two ends: a queue of payloads in virtual time, and what happens to them on their way.

use std::{collections::BTreeMap, time::Duration};

use actogram_crypto::random::{self, SeededRandom};
use bytes::Bytes;

/// Which way something travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What the network does to payloads, each by chance. All chances are between 0 and 1. The default is a network without
/// faults and a latency of 20 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// How long every payload travels at least.
    pub latency: Duration,
    /// How much longer it may take, without overtaking.
    pub jitter: Duration,
    /// A payload is swallowed.
    pub lose: f64,
    /// A payload arrives twice.
    pub duplicate: f64,
    /// A payload is overtaken by what comes after it.
    pub reorder: f64,
    /// How much later at most a copy or an overtaken payload arrives.
    pub late: Duration,
    /// The connection is cut somewhere inside a payload.
    pub cut: f64,
    /// A byte of a payload is changed.
    pub corrupt: f64,
    /// Frames arrive in pieces of random length.
    pub pieces: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            jitter: Duration::ZERO,
            lose: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            late: Duration::from_secs(2),
            cut: 0.0,
            corrupt: 0.0,
            pieces: false,
        }
    }
}

/// What travels.
#[derive(Debug, Clone)]
pub(super) enum Load {
    Payload { bytes: Bytes, quick_ack: bool },
    QuickAck(u32),
    Error(i32),
}

/// Something on its way, over one connection.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) direction: Direction,
    pub(super) connection: u64,
    pub(super) load: Load,
    /// Where in the frame the connection is cut, in parts of 65536.
    pub(super) cut_at: Option<u16>,
    pub(super) corrupt: bool,
}

/// Sees every payload on its way and says what arrives in its place: a man in the middle.
pub type Tamper = Box<dyn FnMut(Direction, &Bytes) -> Vec<Bytes> + Send>;

pub(super) struct Network {
    flights: BTreeMap<(Duration, u64), Flight>,
    launched: u64,
    /// When the last payload in order arrives, either way.
    last: [Duration; 2],
    /// Nothing passes, either way.
    pub(super) black_hole: [bool; 2],
    pub(super) faults: Faults,
    pub(super) tamper: Option<Tamper>,
    random: SeededRandom,
}

impl Network {
    pub(super) fn new(faults: Faults, random: SeededRandom) -> Self {
        Self {
            flights: BTreeMap::new(),
            launched: 0,
            last: [Duration::ZERO; 2],
            black_hole: [false; 2],
            faults,
            tamper: None,
            random,
        }
    }

    /// True in this share of all cases.
    fn happens(&mut self, chance: f64) -> bool {
        chance > 0.0 && f64::from(random::u32(&mut self.random)) < chance * f64::from(u32::MAX)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(f64::from(random::u32(&mut self.random)) / f64::from(u32::MAX))
    }

    /// A number below `most`.
    pub(super) fn below(&mut self, most: usize) -> usize {
        random::u32(&mut self.random) as usize % most.max(1)
    }

    /// Sends something through the man in the middle and the faults.
    pub(super) fn send(
        &mut self,
        now: Duration,
        direction: Direction,
        connection: u64,
        load: Load,
    ) {
        let loads = match (&mut self.tamper, load) {
            (Some(tamper), Load::Payload { bytes, quick_ack }) => tamper(direction, &bytes)
                .into_iter()
                .map(|bytes| Load::Payload { bytes, quick_ack })
                .collect(),
            (_, load) => vec![load],
        };
        for load in loads {
            self.launch(now, direction, connection, load);
        }
    }

    fn launch(&mut self, now: Duration, direction: Direction, connection: u64, load: Load) {
        if self.black_hole[direction as usize] || self.happens(self.faults.lose) {
            return;
        }
        let corrupt = self.happens(self.faults.corrupt);
        let cut_at = self
            .happens(self.faults.cut)
            .then(|| random::u32(&mut self.random) as u16);
        let flight = Flight {
            direction,
            connection,
            load,
            cut_at,
            corrupt,
        };
        let jitter = self.up_to(self.faults.jitter);
        let last = &mut self.last[direction as usize];
        let in_order = (now + self.faults.latency + jitter).max(*last);
        *last = in_order;
        if self.happens(self.faults.duplicate) {
            let late = self.up_to(self.faults.late);
            self.put(in_order + late, flight.clone());
        }
        let at = if self.happens(self.faults.reorder) {
            in_order + self.up_to(self.faults.late)
        } else {
            in_order
        };
        self.put(at, flight);
    }

    /// Lets something arrive at this moment, whatever the faults are.
    pub(super) fn put(&mut self, at: Duration, flight: Flight) {
        self.launched += 1;
        self.flights.insert((at, self.launched), flight);
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        self.flights.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn arrive(&mut self, now: Duration) -> Option<Flight> {
        let first = self.flights.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// What travels over a connection that is gone never arrives.
    pub(super) fn drop_connection(&mut self, connection: u64) {
        self.flights
            .retain(|_, flight| flight.connection != connection);
        self.last = [Duration::ZERO; 2];
    }

    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }
}
