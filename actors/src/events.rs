//! What happens to an account itself.

use std::{fmt, time::Duration};

/// What happens to an account itself, as opposed to updates.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AccountEvent {
    /// A connection was opened, over which calls travel.
    Connected {
        /// The datacenter.
        dc: i32,
    },
    /// The connection was lost. Another one is opened; calls wait.
    Disconnected {
        /// The datacenter.
        dc: i32,
        /// Why, for people.
        why: String,
    },
    /// An attempt to connect, or to agree on a key, failed. There will be another.
    ConnectFailed {
        /// The datacenter.
        dc: i32,
        /// Where it was tried.
        address: String,
        /// Why, for people.
        why: String,
        /// When the next attempt begins.
        retry_in: Duration,
    },
    /// A call sleeps because the datacenter asked for it.
    FloodWait {
        /// The method.
        method: &'static str,
        /// For how long.
        wait: Duration,
    },
    /// Calls wait for their turn, because the account keeps within its [`Rates`](crate::Rates). Comes once for a chat, or a
    /// method, until a call of it goes without waiting.
    RateLimited {
        /// The method.
        method: &'static str,
        /// How long the first of them waits.
        wait: Duration,
    },
    /// The other side ended the login. Comes once; calls that need a login are refused until there is a new one.
    LoggedOut {
        /// The error's name, such as `SESSION_REVOKED`.
        why: String,
    },
    /// The account cannot go on. Comes once, and is the last event.
    Stopped(StopReason),
    /// Updates of this sequence were lost for good: the datacenter no longer has them.
    UpdatesLost {
        /// Which sequence, for people.
        stream: String,
    },
    /// A channel is no longer followed: the account left it, or may not see it any more.
    ChannelClosed {
        /// The channel's bare id.
        channel_id: i64,
        /// Why, for people.
        why: String,
    },
    /// Updates that stand in no sequence (typing, button presses) were dropped, because handlers did not keep up.
    UpdatesDropped {
        /// How many.
        count: u64,
    },
    /// The account is being shut down, and has come this far. Nothing of it is undone.
    ShuttingDown(ShutdownStep),
    /// The store could not be written. It is tried again.
    StoreFailed {
        /// Why, for people.
        why: String,
    },
}

/// How far a shutdown is. The steps come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ShutdownStep {
    /// No further update is given to handlers; those that are with them have until the deadline, and may call.
    Draining,
    /// New calls are refused and given back; those under way have until the deadline.
    Refusing,
    /// Every call has ended or was given back.
    CallsEnded,
    /// What was acknowledged, and whatever else was on its way, is written, and the connection is closed.
    ConnectionClosed,
    /// Positions, keys and peers are in the store.
    Stored,
}

/// What a shutdown left undone. Nothing is lost by it: updates come again at the next start, and every call was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Updates that were with handlers when the deadline passed. They are not counted as handled and come again.
    pub updates_unhandled: usize,
    /// Calls that had not ended when the deadline passed. Each was given back, or ended as
    /// [`CallError::UnknownOutcome`](crate::CallError::UnknownOutcome).
    pub calls_given_up: usize,
    /// Loops that had not ended when the deadline passed, by name.
    pub loops_left: Vec<String>,
    /// Why what was to be stored could not be.
    pub store_failed: Option<String>,
}

impl ShutdownReport {
    /// Whether everything ended by itself and in time.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Why an account cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The datacenter says again and again that it does not know the auth key. The key is still in the store: the
    /// answer is not authenticated, so somebody on the way may have made it up. If it is true, the account must
    /// `forget` itself and log in anew.
    AuthKeyUnknown {
        /// The datacenter.
        dc: i32,
    },
    /// The key was used from two places at once, and the datacenter has destroyed the session
    /// (`AUTH_KEY_DUPLICATED`). A new login is needed.
    AuthKeyDuplicated,
    /// The datacenter has none of the RSA keys this account trusts, so no auth key can be made.
    NoTrustedKey(String),
    /// It was shut down.
    ShutDown,
    /// Its actors failed too often.
    Failed(String),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthKeyUnknown { dc } => write!(
                f,
                "datacenter {dc} does not know this account's auth key; check the address, or forget the session and log in anew"
            ),
            Self::AuthKeyDuplicated => f.write_str(
                "the auth key was used from two places at once and was destroyed; log in anew",
            ),
            Self::NoTrustedKey(why) => f.write_str(why),
            Self::ShutDown => f.write_str("it was shut down"),
            Self::Failed(why) => write!(f, "its actors failed too often: {why}"),
        }
    }
}
