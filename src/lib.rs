//! Telegram as an actor system.
