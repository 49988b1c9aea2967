//! Is the server still there? `ping_delay_disconnect`
//! (<https://core.telegram.org/mtproto/service_messages#deferred-connection-closure--ping>).

use std::time::Duration;

use actogram_crypto::random;
use actogram_tl::{
    Encode,
    mtproto::{functions, types},
};

use super::{
    ClientSession, Event, Kind, Timer, handle_acknowledgements::DELAY as ACKNOWLEDGE_AFTER,
};
use crate::Now;

/// Pings while nothing is under way, and what the server is told to wait for the next one, in seconds.
const IDLE: Duration = Duration::from_secs(60);
const DISCONNECT_AFTER: i32 = 75;

/// Silence after which an idle connection counts as dead.
const IDLE_SILENCE: Duration = Duration::from_secs(135);

/// How often calls without an answer are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// For how long bytes that do not end in a payload are taken for a sign of life.
const MOST_PATIENCE: Duration = IDLE_SILENCE;

/// The measured state of the connection at hand.
#[derive(Debug, Default)]
pub(super) struct Ping {
    heard_at: Duration,
    bytes_at: Duration,
    /// Since when an answer is due.
    waiting_since: Option<Duration>,
    sent: Option<(i64, Duration)>,
    last_sent_at: Duration,
    round_trip: Option<Duration>,
}

impl Ping {
    pub(super) fn reset(&mut self, monotonic: Duration) {
        *self = Self {
            heard_at: monotonic,
            last_sent_at: monotonic,
            ..Self::default()
        };
    }

    pub(super) fn bytes_arrived(&mut self, monotonic: Duration) {
        self.bytes_at = monotonic;
    }

    /// How long to wait before asking, while something is under way: once and a half the round trip and a second, at
    /// least two seconds.
    fn patience(&self) -> Duration {
        let round_trip = self.round_trip.unwrap_or(Duration::from_secs(1));
        (round_trip * 3 / 2 + Duration::from_secs(1)).max(Duration::from_secs(2))
    }

    /// When to ask, and when to give up: after three and a half times the patience while something is under way.
    fn deadlines(&self) -> (Duration, Duration) {
        let patience = self.patience();
        let (pause, silence) = match self.waiting_since {
            Some(_) => (patience, patience * 7 / 2),
            None => (IDLE, IDLE_SILENCE),
        };
        // A silence during which nobody was asked anything tells nothing.
        let since = self
            .heard_at
            .max(self.waiting_since.unwrap_or(self.heard_at));
        // Every ping has the server close the connection 75 s later unless another comes, whatever else does.
        let ask = (since.max(self.last_sent_at) + pause).min(self.last_sent_at + IDLE);
        let bound = since + MOST_PATIENCE.max(silence);
        let give_up = (since.max(self.bytes_at) + silence).min(bound);
        (ask, give_up)
    }
}

impl ClientSession {
    /// An authenticated message came that had not come before.
    pub(super) fn heard(&mut self, now: Now) {
        self.ping.heard_at = now.monotonic;
    }

    pub(super) fn schedule_liveness(&mut self, now: Now) {
        if !self.connected {
            return;
        }
        let waiting = !self.calls.is_empty();
        if !waiting {
            self.ping.waiting_since = None;
        } else if self.ping.waiting_since.is_none() {
            self.ping.waiting_since = Some(now.monotonic);
        }
        let (ask, give_up) = self.ping.deadlines();
        self.timers.insert(Timer::Ping, ask.max(now.monotonic));
        self.timers.insert(Timer::Silence, give_up);
        if waiting {
            self.timers
                .entry(Timer::AskState)
                .or_insert(now.monotonic + LOOK);
        } else {
            self.timers.remove(&Timer::AskState);
        }
        if !self.to_acknowledge.is_empty() {
            self.timers
                .entry(Timer::Acknowledge)
                .or_insert(now.monotonic + ACKNOWLEDGE_AFTER);
        }
    }

    pub(super) fn send_ping(&mut self, now: Now) {
        let ping_id = random::i64(&mut self.random);
        self.ping.sent = Some((ping_id, now.monotonic));
        self.ping.last_sent_at = now.monotonic;
        let ping = functions::PingDelayDisconnect {
            ping_id,
            disconnect_delay: DISCONNECT_AFTER,
        };
        self.queue_service(ping.to_bytes(), Kind::Ping);
        self.schedule_liveness(now);
    }

    /// Only the answer to the last ping counts.
    pub(super) fn handle_pong(&mut self, now: Now, pong: &types::Pong) {
        match self
            .ping
            .sent
            .take_if(|(ping_id, _)| *ping_id == pong.ping_id)
        {
            Some((_, at)) => {
                self.count_success();
                let round_trip = now.monotonic.saturating_sub(at);
                self.ping.round_trip = Some(round_trip);
                self.events.push_back(Event::RoundTrip(round_trip));
            }
            None => self.ignored.unasked += 1,
        }
    }
}
