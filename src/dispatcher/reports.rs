//! Failures of handlers, told to people: not more often than they can read.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{Cx, Failure};
use crate::{PeerRef, Update};

/// The same failure is told once within this time.
const SPAN: Duration = Duration::from_secs(60);
/// So many reports are sent within [`SPAN`].
const MOST: usize = 10;
/// Characters of an error that are told; a message holds 4096.
const LENGTH: usize = 3000;

/// Whom to tell, and what they were told.
#[derive(Default)]
pub(super) struct Reports {
    peers: Vec<PeerRef>,
    told: Told,
}

impl Reports {
    pub(super) fn send_to(&mut self, peer: PeerRef) {
        self.peers.push(peer);
    }

    /// Never waits: a report is a call of its own.
    pub(super) fn report(&mut self, cx: &Cx, failure: &Failure) {
        if self.peers.is_empty() {
            return;
        }
        let error: String = failure.error().to_string().chars().take(LENGTH).collect();
        let Some(left_out) = self.told.admit(Instant::now(), &error) else {
            return;
        };
        let text = text(&error, failure.update(), left_out);
        for peer in &self.peers {
            cx.send_message(peer.clone(), text.clone()).detach();
        }
    }
}

fn text(error: &str, update: Option<&Update>, left_out: u64) -> String {
    let mut text = format!("A handler failed: {error}");
    match update {
        Some(update) => {
            let json = update.to_json();
            let kind = json["_"].as_str().unwrap_or("an update");
            text.push_str(&format!("\nAt {kind}, {}", update.dedupe_id()));
            if let Some(chat) = update.peer() {
                text.push_str(&format!(", chat {chat}"));
            }
        }
        None => text.push_str("\nIn on_start"),
    }
    if left_out > 0 {
        text.push_str(&format!(
            "\n{left_out} failures before it were not reported"
        ));
    }
    text
}

/// What was told lately.
#[derive(Default)]
struct Told {
    errors: VecDeque<(Instant, String)>,
    left_out: u64,
}

impl Told {
    /// Whether to tell of it, and then how many before were not told.
    fn admit(&mut self, now: Instant, error: &str) -> Option<u64> {
        while let Some((told, _)) = self.errors.front()
            && now.duration_since(*told) >= SPAN
        {
            self.errors.pop_front();
        }
        if self.errors.len() >= MOST || self.errors.iter().any(|(_, told)| told == error) {
            self.left_out += 1;
            return None;
        }
        self.errors.push_back((now, error.to_owned()));
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nobody_is_told_too_often_and_everything_is_counted(
            failures in prop::collection::vec((0..40_u64, 0..15_u8), 1..200),
        ) {
            let begun = Instant::now();
            let mut told = Told::default();
            let (mut now, mut reports, mut counted) = (begun, Vec::new(), 0);
            for (step, error) in &failures {
                now += Duration::from_secs(*step);
                if let Some(left_out) = told.admit(now, &error.to_string()) {
                    counted += left_out + 1;
                    reports.push((now, *error));
                }
            }
            prop_assert_eq!(counted + told.left_out, failures.len() as u64);
            for (index, (at, error)) in reports.iter().enumerate() {
                let lately: Vec<_> = reports[..index].iter().filter(|it| *at - it.0 < SPAN).collect();
                prop_assert!(lately.len() < MOST);
                prop_assert!(lately.iter().all(|it| it.1 != *error));
            }
        }
    }

    #[test]
    fn after_a_while_the_same_failure_is_told_again() {
        let now = Instant::now();
        let mut told = Told::default();
        assert_eq!(told.admit(now, "a"), Some(0));
        assert_eq!(told.admit(now + SPAN / 2, "a"), None);
        assert_eq!(told.admit(now + SPAN, "a"), Some(1));
    }
}
