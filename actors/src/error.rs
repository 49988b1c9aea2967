//! Why a call has no result, classed by what the caller may do about it.

use bytes::Bytes;

use crate::events::StopReason;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The datacenter refused the call (<https://core.telegram.org/api/errors>).
    #[error("the datacenter refused the call: {code} {message}")]
    Rpc {
        /// The class of the error.
        code: i32,
        /// Its name; text from outside.
        message: String,
    },
    /// The call was on its way when the session was lost. It may or may not have been carried out, and making it again
    /// might carry it out twice.
    #[error(
        "the session was lost while the call was under way; it may or may not have been carried out: look before calling again"
    )]
    UnknownOutcome,
    /// The call was not carried out; it may be made again.
    #[error("the call was not carried out: {0}; it may be made again")]
    Retry(String),
    /// The caller cancelled the call. It may have been carried out by then.
    #[error("the call was cancelled")]
    Cancelled,
    /// Too many calls, or bytes of calls, are in flight. Nothing was sent, and the call is given back.
    #[error("too many calls are in flight; wait for some to end")]
    Overloaded {
        /// The encoded call.
        body: Bytes,
    },
    /// As many calls wait in this queue as may. Nothing was sent.
    #[error(
        "the call queue {queue:?} is full: {limit} calls are in it; await some of them, or raise the limit"
    )]
    QueueFull {
        /// The queue's name.
        queue: String,
        /// How many calls it takes.
        limit: usize,
    },
    /// The account is shutting down or has ended. Nothing was sent, and the call is given back.
    #[error("the account is shut down")]
    ShutDown {
        /// The encoded call.
        body: Bytes,
    },
    /// The account cannot go on with the key it has.
    #[error("the account has stopped: {0}")]
    Stopped(StopReason),
    /// The datacenter sends the caller to another one, and that one sent it here, or on and on.
    #[error("{message}: datacenters send the call to and fro, last to {dc}; try again later")]
    Migration {
        /// The datacenter to go to.
        dc: i32,
        /// The error's name.
        message: String,
    },
    /// Nobody knows where that datacenter is.
    #[error("no address of datacenter {dc} is known; add one to the settings")]
    NoAddress {
        /// The datacenter.
        dc: i32,
    },
    /// No packet carries a call of this size. Nothing was sent.
    #[error("the call takes {length} bytes, at most {most} can be sent; cut it into parts")]
    TooLarge {
        /// Bytes of the call with what must stand around it.
        length: usize,
        /// The most there may be.
        most: usize,
    },
    /// The store could not be read or written.
    #[error("the session store: {0}")]
    Store(String),
    /// This program is at fault.
    #[error("a bug: {0}; please report it")]
    Bug(String),
}

/// What the caller may do about a [`CallError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallErrorClass {
    /// Make the call again.
    Retry,
    /// Find out whether it was carried out.
    UnknownOutcome,
    /// Change something, according to the error's name.
    Rpc,
    /// Nothing: it is what the caller wanted.
    Cancelled,
    /// Wait until other calls have ended.
    Overloaded,
    /// Nothing, with this account as it is.
    ShutDown,
    /// Report it.
    Bug,
}

impl CallError {
    /// What the caller may do.
    pub fn class(&self) -> CallErrorClass {
        match self {
            Self::Rpc { .. }
            | Self::Migration { .. }
            | Self::NoAddress { .. }
            | Self::TooLarge { .. } => CallErrorClass::Rpc,
            Self::UnknownOutcome => CallErrorClass::UnknownOutcome,
            Self::Retry(_) | Self::Store(_) => CallErrorClass::Retry,
            Self::Cancelled => CallErrorClass::Cancelled,
            Self::Overloaded { .. } | Self::QueueFull { .. } => CallErrorClass::Overloaded,
            Self::ShutDown { .. } | Self::Stopped(_) => CallErrorClass::ShutDown,
            Self::Bug(_) => CallErrorClass::Bug,
        }
    }
}
