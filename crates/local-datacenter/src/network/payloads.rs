//! Faults that befall whole payloads, below encryption and above framing.

use std::{collections::VecDeque, time::Duration};

use bytes::BytesMut;
use tokio::time::Instant;

use super::faults::{Direction, WireFault};

/// How long a payload waits for the one that shall overtake it.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(1);

/// What a frame of the transport carries.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) bytes: BytesMut,
    pub(crate) quick_ack: bool,
}

impl From<BytesMut> for Payload {
    fn from(bytes: BytesMut) -> Self {
        Self {
            bytes,
            quick_ack: false,
        }
    }
}

/// A connection's fault at work on its payloads.
#[derive(Debug)]
pub(crate) struct Payloads {
    fault: Option<WireFault>,
    to_server: Lane,
    to_client: Lane,
}

#[derive(Debug, Default)]
struct Lane {
    count: u64,
    /// In the order in which they are let go.
    waiting: VecDeque<(Instant, Payload)>,
    kept: Option<Payload>,
    cut: bool,
}

impl Payloads {
    pub(crate) fn new(fault: Option<WireFault>) -> Self {
        Self {
            fault,
            to_server: Lane::default(),
            to_client: Lane::default(),
        }
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Puts a payload on its way; [`Self::next`] lets it go.
    pub(crate) fn put(&mut self, direction: Direction, payload: Payload, now: Instant) {
        let fault = self.fault.clone();
        let lane = self.lane(direction);
        if lane.cut {
            return;
        }
        let place = lane.count;
        lane.count += 1;
        match fault {
            Some(WireFault::CutAfterPayloads {
                direction: d,
                payloads,
            }) if d == direction => {
                if place < payloads {
                    lane.waiting.push_back((now, payload));
                }
                lane.cut = place + 1 >= payloads;
            }
            Some(WireFault::Delay { direction: d, by }) if d == direction => {
                lane.waiting.push_back((now + by, payload));
            }
            Some(WireFault::Duplicate {
                direction: d,
                payload: which,
            }) if d == direction && which == place => {
                lane.waiting.push_back((now, payload.clone()));
                lane.waiting.push_back((now, payload));
            }
            Some(WireFault::Reorder {
                direction: d,
                payload: which,
            }) if d == direction && place == which => {
                lane.waiting.push_back((now + OVERTAKEN_WITHIN, payload));
            }
            Some(WireFault::Reorder {
                direction: d,
                payload: which,
            }) if d == direction && place == which + 1 => {
                lane.waiting.push_front((now, payload));
                for (due, _) in &mut lane.waiting {
                    *due = now;
                }
            }
            Some(WireFault::Replay {
                direction: d,
                payload: which,
                after,
            }) if d == direction => {
                if place == which {
                    lane.kept = Some(payload.clone());
                }
                lane.waiting.push_back((now, payload));
                if place == which + after {
                    lane.waiting
                        .extend(lane.kept.take().map(|kept| (now, kept)));
                }
            }
            _ => lane.waiting.push_back((now, payload)),
        }
    }

    /// The next payload that may pass now.
    pub(crate) fn next(&mut self, direction: Direction, now: Instant) -> Option<Payload> {
        let waiting = &mut self.lane(direction).waiting;
        if waiting.front().is_none_or(|(due, _)| *due > now) {
            return None;
        }
        waiting.pop_front().map(|(_, payload)| payload)
    }

    /// Whether the connection ends, once all that may pass has passed.
    pub(crate) fn is_cut(&self) -> bool {
        self.to_server.cut || self.to_client.cut
    }

    /// When the next payload may pass.
    pub(crate) fn due(&self) -> Option<Instant> {
        let due = |lane: &Lane| lane.waiting.front().map(|(due, _)| *due);
        due(&self.to_server)
            .into_iter()
            .chain(due(&self.to_client))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::ToClient;

    /// What arrives of four payloads, and whether the connection is cut.
    fn arriving(fault: WireFault, wait: Duration) -> (Vec<u8>, bool) {
        let mut payloads = Payloads::new(Some(fault));
        let mut arrived = Vec::new();
        let now = Instant::now();
        for payload in 0..4 {
            payloads.put(ToClient, BytesMut::from(&[payload][..]).into(), now);
            while let Some(payload) = payloads.next(ToClient, now + wait) {
                arrived.push(payload.bytes[0]);
            }
        }
        (arrived, payloads.is_cut())
    }

    #[test]
    fn each_fault_does_what_its_name_says_and_nothing_to_the_other_direction() {
        use WireFault::*;
        let (direction, at_once) = (ToClient, Duration::ZERO);
        let duplicate = Duplicate {
            direction,
            payload: 1,
        };
        assert_eq!(arriving(duplicate, at_once), (vec![0, 1, 1, 2, 3], false));
        let reorder = Reorder {
            direction,
            payload: 1,
        };
        assert_eq!(arriving(reorder, at_once), (vec![0, 2, 1, 3], false));
        let replay = Replay {
            direction,
            payload: 0,
            after: 2,
        };
        assert_eq!(arriving(replay, at_once), (vec![0, 1, 2, 0, 3], false));
        let cut = CutAfterPayloads {
            direction,
            payloads: 2,
        };
        assert_eq!(arriving(cut, at_once), (vec![0, 1], true));
        let cut = CutAfterPayloads {
            direction,
            payloads: 0,
        };
        assert_eq!(arriving(cut, at_once), (vec![], true));
        let delay = Delay {
            direction,
            by: Duration::from_millis(5),
        };
        assert_eq!(
            arriving(delay.clone(), Duration::from_millis(4)),
            (vec![], false)
        );
        assert_eq!(
            arriving(delay, Duration::from_millis(5)),
            (vec![0, 1, 2, 3], false)
        );
        let other = Duplicate {
            direction: Direction::ToServer,
            payload: 1,
        };
        assert_eq!(arriving(other, at_once), (vec![0, 1, 2, 3], false));
    }

    #[test]
    fn the_last_payload_is_late_but_not_lost_when_none_overtakes_it() {
        let fault = WireFault::Reorder {
            direction: ToClient,
            payload: 3,
        };
        assert_eq!(arriving(fault.clone(), Duration::ZERO).0, vec![0, 1, 2]);
        assert_eq!(arriving(fault, OVERTAKEN_WITHIN).0, vec![0, 1, 2, 3]);
    }
}
