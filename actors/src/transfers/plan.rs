//! Which parts of a file are asked for, and in what order what came is written: without sockets, clocks or disks.
//!
//! See <https://core.telegram.org/api/files#downloading-files>.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;

/// The longest answer to `upload.getFile`, and the boundary that none may cross.
pub const LARGEST_PART: u32 = 1 << 20;

/// Parts begin at multiples of this, and their lengths divide [`LARGEST_PART`].
const SMALLEST_PART: u32 = 4 << 10;

/// What one hash is of, at the end of the file less.
const HASHED_PART: u32 = 128 << 10;

/// No file of Telegram is longer: 8,000 parts of 512 KiB, with premium.
pub const LARGEST_FILE: u64 = 8_000 * (512 << 10);

/// One part to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) offset: u64,
    pub(crate) limit: u32,
}

/// Why what came is no part of such a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartFault {
    /// Fewer bytes than the file has there.
    #[error("at {offset} the datacenter gave {got} bytes where the file has {expected}")]
    Short {
        /// Where.
        offset: u64,
        /// So many came.
        got: usize,
        /// So many there should be.
        expected: u64,
    },
    /// More bytes than were asked for, or than the file has.
    #[error("at {offset} the datacenter gave {got} bytes where there can be {expected} at most")]
    Long {
        /// Where.
        offset: u64,
        /// So many came.
        got: usize,
        /// So many there may be.
        expected: u64,
    },
    /// A file that goes on where none can.
    #[error("the file goes on behind {LARGEST_FILE} bytes, where no file of Telegram does")]
    Endless,
}

/// The way through a file: parts are asked for in order and several at once, arrive in any order, and are given out in order.
///
/// ```text
/// not asked for ─► in flight ─► arrived ─► given out
///       ▲              │
///       └── failed ────┘
/// ```
#[derive(Debug)]
pub(crate) struct DownloadPlan {
    wanted: Range<u64>,
    /// The length of the whole file, once it is known.
    size: Option<u64>,
    part: u32,
    next: u64,
    again: Vec<u64>,
    in_flight: BTreeMap<u64, u32>,
    arrived: BTreeMap<u64, Bytes>,
    /// Everything before it was given out.
    given: u64,
    budget: u64,
    window: Window,
}

impl DownloadPlan {
    /// A way through `wanted`, which may reach beyond a file whose length is not known. At most `budget` bytes are asked for
    /// or wait to be given out, but always one part. Parts that are `hashed` are no smaller than what has a hash.
    pub(crate) fn new(wanted: Range<u64>, size: Option<u64>, budget: u64, hashed: bool) -> Self {
        let smallest = if hashed { HASHED_PART } else { SMALLEST_PART };
        let end = size.map_or(wanted.end, |size| wanted.end.min(size));
        let length = end.saturating_sub(wanted.start);
        let part = match size {
            // What is asked for in one piece comes in one piece, where boundaries allow it.
            Some(_) if length < u64::from(LARGEST_PART) => {
                let length = u32::try_from(length).unwrap_or(LARGEST_PART);
                length.next_power_of_two().clamp(smallest, LARGEST_PART)
            }
            _ => LARGEST_PART,
        };
        let given = wanted.start.min(end);
        Self {
            wanted: given..end,
            size,
            part,
            next: given / u64::from(part) * u64::from(part),
            again: Vec::new(),
            in_flight: BTreeMap::new(),
            arrived: BTreeMap::new(),
            given,
            budget,
            window: Window::default(),
        }
    }

    /// The next part to ask for, if one may be asked for now.
    pub(crate) fn ask(&mut self) -> Option<Part> {
        let busy = u64::try_from(self.in_flight.len()).unwrap_or(u64::MAX);
        if busy > 0 && busy >= self.window.parts() {
            return None;
        }
        let held = self.given..self.next;
        let offset = match self.again.pop() {
            Some(offset) => offset,
            None => {
                let within =
                    held.end.saturating_sub(held.start) + u64::from(self.part) <= self.budget;
                let idle = self.in_flight.is_empty() && self.arrived.is_empty();
                if self.next >= self.wanted.end || !(within || idle) {
                    return None;
                }
                let offset = self.next;
                self.next += u64::from(self.part);
                offset
            }
        };
        self.in_flight.insert(offset, self.part);
        Some(Part {
            offset,
            limit: self.part,
        })
    }

    /// A part came.
    pub(crate) fn arrived(&mut self, part: Part, bytes: Bytes) -> Result<(), PartFault> {
        if self.in_flight.remove(&part.offset).is_none() {
            return Ok(());
        }
        let (offset, got) = (part.offset, bytes.len());
        let most = match self.size {
            Some(size) => size.saturating_sub(offset).min(u64::from(part.limit)),
            None => u64::from(part.limit),
        };
        if got as u64 > most {
            return Err(PartFault::Long {
                offset,
                got,
                expected: most,
            });
        }
        match self.size {
            Some(_) if (got as u64) < most => {
                return Err(PartFault::Short {
                    offset,
                    got,
                    expected: most,
                });
            }
            // Nothing there tells no more than that the end is not behind it.
            None if got == 0 => self.ends_before(offset)?,
            None if (got as u64) < most => {
                self.size = Some(offset + got as u64);
                self.ends_before(offset + got as u64)?;
            }
            // Whatever length was told: a disk is not to be filled by a lie.
            _ if offset + most > LARGEST_FILE => return Err(PartFault::Endless),
            _ => {}
        }
        self.window.came();
        if got > 0 {
            self.arrived.insert(offset, bytes);
        }
        Ok(())
    }

    /// The file turned out to have nothing from here on.
    fn ends_before(&mut self, end: u64) -> Result<(), PartFault> {
        if let Some((offset, bytes)) = self.arrived.range(end..).next_back() {
            return Err(PartFault::Long {
                offset: *offset,
                got: bytes.len(),
                expected: 0,
            });
        }
        self.wanted.end = self.wanted.end.min(end);
        self.wanted.start = self.wanted.start.min(self.wanted.end);
        self.again.retain(|offset| *offset < end);
        Ok(())
    }

    /// A part did not come, and is asked for again later.
    pub(crate) fn failed(&mut self, part: Part) {
        if self.in_flight.remove(&part.offset).is_some() {
            self.again.push(part.offset);
            self.again.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// The datacenter asked for patience: fewer parts at once from here on.
    pub(crate) fn slow_down(&mut self) {
        self.window.halve();
    }

    /// All that is in flight is lost, with those who waited for it.
    pub(crate) fn forget_in_flight(&mut self) {
        let parts: Vec<u64> = self.in_flight.keys().copied().collect();
        for offset in parts {
            self.failed(Part {
                offset,
                limit: self.part,
            });
        }
    }

    /// The bytes that follow those that were given out, if they are here.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let first = self.arrived.first_entry()?;
        let offset = *first.key();
        if offset > self.given {
            return None;
        }
        let bytes = first.remove();
        let end = (offset + bytes.len() as u64).min(self.wanted.end);
        let from = usize::try_from(self.given - offset).unwrap_or(usize::MAX);
        let to = usize::try_from(end - offset).unwrap_or(usize::MAX);
        self.given = end.max(self.given);
        (from < to && to <= bytes.len()).then(|| bytes.slice(from..to))
    }

    /// Whether everything that was wanted was given out.
    pub(crate) fn is_complete(&self) -> bool {
        self.given >= self.wanted.end && self.in_flight.is_empty() && self.arrived.is_empty()
    }

    /// The end of what is wanted, once it is known.
    pub(crate) fn end(&self) -> Option<u64> {
        self.size.map(|_| self.wanted.end)
    }
}

/// How many parts may be in flight: one more for each round that went well, half of them when the datacenter asks for
/// patience.
#[derive(Debug)]
struct Window {
    parts: u64,
    came: u64,
}

/// Parts in flight at the beginning.
const FIRST_PARTS: u64 = 2;

impl Default for Window {
    fn default() -> Self {
        Self {
            parts: FIRST_PARTS,
            came: 0,
        }
    }
}

impl Window {
    fn parts(&self) -> u64 {
        self.parts
    }

    fn came(&mut self) {
        self.came += 1;
        if self.came >= self.parts {
            self.came = 0;
            self.parts = self.parts.saturating_add(1);
        }
    }

    fn halve(&mut self) {
        self.came = 0;
        self.parts = (self.parts / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(size: u64) -> Bytes {
        (0..size).map(|at| (at * 31 / 7) as u8).collect()
    }

    /// What an honest datacenter answers.
    fn answer(file: &Bytes, part: Part) -> Bytes {
        let from = usize::try_from(part.offset)
            .unwrap_or(usize::MAX)
            .min(file.len());
        let to = (from + part.limit as usize).min(file.len());
        file.slice(from..to)
    }

    proptest! {
        /// Whatever order parts come in, and whatever fails on the way: the bytes that were wanted, once, in order; parts
        /// begin and end where they may; and no more is held than the budget allows.
        #[test]
        fn bytes_come_out_once_and_in_order(
            size in prop_oneof![0u64..10_000, 1_000_000u64..4_200_000],
            told in any::<bool>(),
            (from, length) in prop_oneof![Just((0, u64::MAX / 4)), (0u64..5_000_000, 0u64..3_000_000)],
            budget in prop_oneof![Just(0u64), 1_000_000u64..5_000_000],
            choices in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..40),
        ) {
            let file = content(size);
            let wanted = from..from + length;
            let mut plan = DownloadPlan::new(wanted.clone(), told.then_some(size), budget, false);
            let mut flying: Vec<Part> = Vec::new();
            let mut out = Vec::new();
            let mut turn = choices.iter().cycle();
            let mut steps = 0;
            while !plan.is_complete() {
                steps += 1;
                prop_assert!(steps < 10_000, "no end");
                while let Some(part) = plan.ask() {
                    prop_assert_eq!(LARGEST_PART % part.limit, 0);
                    prop_assert_eq!(part.offset % u64::from(part.limit), 0);
                    flying.push(part);
                }
                let held: u64 = flying.iter().map(|part| u64::from(part.limit)).sum::<u64>()
                    + plan.arrived.values().map(|bytes| bytes.len() as u64).sum::<u64>();
                prop_assert!(held <= budget.max(u64::from(LARGEST_PART)) + u64::from(LARGEST_PART));
                let (index, fate) = turn.next().unwrap_or(&choices[0]);
                if !flying.is_empty() {
                    let part = flying.remove(index.index(flying.len()));
                    // Not for ever.
                    match if steps < 500 { *fate } else { u8::MAX } {
                        0 => plan.failed(part),
                        1 => { plan.slow_down(); plan.failed(part) }
                        2 => { plan.forget_in_flight(); flying.clear() }
                        _ => plan.arrived(part, answer(&file, part)).map_err(|fault| TestCaseError::fail(fault.to_string()))?,
                    }
                }
                while let Some(bytes) = plan.take() {
                    out.extend_from_slice(&bytes);
                }
            }
            let end = wanted.end.min(size) as usize;
            let start = (wanted.start as usize).min(end);
            prop_assert!(out[..] == file[start..end]);
        }

        /// A datacenter that gives more or less than the file has is found out at once.
        #[test]
        fn parts_of_a_wrong_length_are_found_out(size in 1u64..3_000_000, wrong in 0usize..1_100_000) {
            let mut plan = DownloadPlan::new(0..u64::MAX, Some(size), 0, false);
            let part = plan.ask().ok_or_else(|| TestCaseError::fail("nothing to ask for"))?;
            let right = size.min(u64::from(part.limit)) as usize;
            let fault = plan.arrived(part, vec![0; wrong].into());
            prop_assert_eq!(fault.is_ok(), wrong == right);
        }
    }

    #[test]
    fn a7_a_file_without_an_end_is_given_up() {
        let part = Bytes::from(vec![0; LARGEST_PART as usize]);
        for told in [
            None,
            Some(u64::MAX / 4),
            Some(LARGEST_FILE + u64::from(LARGEST_PART)),
        ] {
            let mut plan = DownloadPlan::new(0..u64::MAX, told, 4 << 20, false);
            let mut bytes = 0;
            let fault = loop {
                let asked = plan.ask().expect("a part");
                match plan.arrived(asked, part.clone()) {
                    Ok(()) => {
                        bytes += std::iter::from_fn(|| plan.take())
                            .map(|it| it.len() as u64)
                            .sum::<u64>()
                    }
                    Err(fault) => break fault,
                }
            };
            assert_eq!(fault, PartFault::Endless, "{told:?}");
            assert!(bytes <= LARGEST_FILE, "{bytes}");
        }
    }

    #[test]
    fn patience_halves_what_is_in_flight_and_success_adds_to_it() {
        let mut plan = DownloadPlan::new(0..u64::MAX, None, 64 << 20, false);
        let mut flying: Vec<_> = std::iter::from_fn(|| plan.ask()).collect();
        assert_eq!(flying.len(), 2);
        for part in flying.drain(..) {
            plan.arrived(part, vec![0; LARGEST_PART as usize].into())
                .expect("fits");
        }
        flying.extend(std::iter::from_fn(|| plan.ask()));
        assert_eq!(flying.len(), 3);
        plan.slow_down();
        for part in flying.drain(..) {
            plan.failed(part);
        }
        flying.extend(std::iter::from_fn(|| plan.ask()));
        assert_eq!(
            flying,
            [Part {
                offset: 2 << 20,
                limit: LARGEST_PART
            }]
        );
    }
}
