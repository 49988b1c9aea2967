//! Decides what follows when one life of an actor ends.

use std::time::Duration;

use super::{
    link::Link,
    policy::{Backoff, Brake, ExitReason, RestartIntensity, SupervisionStrategy},
};

pub(super) enum Next {
    Finish(ExitReason),
    RestartIn(Duration),
    AskParent(ExitReason),
}

pub(super) struct Keeper {
    brake: Brake,
    /// Whether failures count here. Otherwise each one is reported to the group, which counts.
    own_intensity: bool,
    group: Option<SupervisionStrategy>,
}

impl Keeper {
    pub(super) fn new(
        intensity: Option<RestartIntensity>,
        backoff: Backoff,
        seed: Option<u64>,
        group: Option<SupervisionStrategy>,
    ) -> Self {
        Self {
            own_intensity: intensity.is_some() || group.is_none(),
            brake: Brake::new(intensity.unwrap_or_default(), backoff, seed),
            group,
        }
    }

    pub(super) fn alive(&mut self) {
        self.brake.alive();
    }

    pub(super) fn delay(&mut self) -> Duration {
        self.brake.delay()
    }

    pub(super) fn decide(&mut self, link: &Link, reason: ExitReason) -> Next {
        if !link.policy.restarts(&reason) {
            return Next::Finish(reason);
        }
        if self.own_intensity
            && let Err(exhausted) = self.brake.record(&link.name, &reason)
        {
            self.brake.reset();
            let reason = ExitReason::error(exhausted);
            link.escalated(&reason);
            return if self.group.is_some() {
                Next::AskParent(reason)
            } else {
                Next::Finish(reason)
            };
        }
        match self.group {
            None => Next::RestartIn(self.delay()),
            Some(SupervisionStrategy::OneForOne) if self.own_intensity => {
                Next::RestartIn(self.delay())
            }
            Some(_) => Next::AskParent(reason),
        }
    }
}
