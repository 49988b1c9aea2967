//! What outlives a process, keyed by account: auth keys, peers, update states.
