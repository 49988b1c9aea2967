//! Is the server still there? `ping_delay_disconnect`
//! (<https://core.telegram.org/mtproto/service_messages#deferred-connection-closure--ping>).

use std::time::Duration;

use actogram_crypto::random;
use actogram_tl::{
    Encode,
    mtproto::{functions, types},
};

use super::{CallState, ClientSession, Event, Timer};
use crate::Now;

/// Pings while nothing is under way, and what the server is told to wait for the next one, in seconds.
const IDLE: Duration = Duration::from_secs(60);
const DISCONNECT_AFTER: i32 = 75;

/// Silence after which an idle connection counts as dead.
const IDLE_SILENCE: Duration = Duration::from_secs(135);

/// How often calls without an answer are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// The measured state of the connection at hand.
#[derive(Debug, Default)]
pub(super) struct Ping {
    heard_at: Duration,
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

    /// How long to wait before asking, while something is under way: once and a half the round trip and a second, at
    /// least two seconds.
    fn patience(&self) -> Duration {
        let round_trip = self.round_trip.unwrap_or(Duration::from_secs(1));
        (round_trip * 3 / 2 + Duration::from_secs(1)).max(Duration::from_secs(2))
    }
}

impl ClientSession {
    pub(super) fn heard(&mut self, now: Now) {
        self.ping.heard_at = now.monotonic;
    }

    fn is_waiting(&self) -> bool {
        self.calls
            .values()
            .any(|call| call.state != CallState::Queued)
    }

    pub(super) fn schedule_liveness(&mut self, now: Now) {
        if !self.connected {
            return;
        }
        let waiting = !self.calls.is_empty();
        let patience = self.ping.patience();
        let (pause, silence) = if waiting {
            (patience, patience * 7 / 2)
        } else {
            (IDLE, IDLE_SILENCE)
        };
        let ping_at = (self.ping.heard_at.max(self.ping.last_sent_at) + pause).max(now.monotonic);
        self.timers.insert(Timer::Ping, ping_at);
        self.timers.insert(
            Timer::Silence,
            self.ping.heard_at + silence.max(pause + patience),
        );
        if waiting {
            self.timers
                .entry(Timer::AskState)
                .or_insert(now.monotonic + LOOK);
        } else {
            self.timers.remove(&Timer::AskState);
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
        self.services.push_back((ping.to_bytes(), None));
        self.schedule_liveness(now);
        tracing::trace!(waiting = self.is_waiting(), "pinging");
    }

    /// Only the answer to the last ping counts.
    pub(super) fn handle_pong(&mut self, now: Now, pong: &types::Pong) {
        match self
            .ping
            .sent
            .take_if(|(ping_id, _)| *ping_id == pong.ping_id)
        {
            Some((_, at)) => {
                let round_trip = now.monotonic.saturating_sub(at);
                self.ping.round_trip = Some(round_trip);
                self.events.push_back(Event::RoundTrip(round_trip));
            }
            None => self.ignored.unasked += 1,
        }
    }
}
