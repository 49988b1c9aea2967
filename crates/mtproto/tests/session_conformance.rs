//! Whatever the network does, every call ends exactly once, nothing that must not be carried out twice is, and what was
//! answered was carried out (DESIGN §2, R2, R5, R6, R12, R13, R14).
#![allow(clippy::unwrap_used)]

mod session_support;

use std::time::Duration;

use actogram_crypto::random::{self, SeededRandom};
use actogram_mtproto::{
    pair::{Direction, Faults, Pair, PairConfig, Reply, yes},
    session::client::{CallFailure, CallRequest, Event},
    transport::Kind,
};
use bytes::Bytes;
use session_support::*;

struct Dice(SeededRandom);

impl Dice {
    fn below(&mut self, most: u32) -> u32 {
        random::u32(&mut self.0) % most
    }

    fn chance(&mut self, most: f64) -> f64 {
        most * f64::from(self.below(1000)) / 1000.0
    }

    fn milliseconds(&mut self, most: u32) -> Duration {
        Duration::from_millis(u64::from(self.below(most)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Once,
    RandomId,
    Read,
}

/// The faults of a run. Packets that vanish, or come twice or late, are the work of somebody on the way: a stream does none
/// of that by itself.
fn faults(dice: &mut Dice) -> Faults {
    let mut faults = Faults {
        latency: dice.milliseconds(200),
        jitter: dice.milliseconds(500),
        late: dice.milliseconds(20_000),
        pieces: dice.below(2) == 0,
        ..Faults::default()
    };
    let kinds = dice.below(64);
    if kinds & 1 != 0 {
        faults.lose = dice.chance(0.2);
    }
    if kinds & 2 != 0 {
        faults.duplicate = dice.chance(0.3);
    }
    if kinds & 4 != 0 {
        faults.reorder = dice.chance(0.3);
    }
    if kinds & 8 != 0 {
        faults.cut = dice.chance(0.1);
    }
    if kinds & 16 != 0 {
        faults.corrupt = dice.chance(0.05);
    }
    faults
}

fn transport(dice: &mut Dice) -> (Kind, bool) {
    let kind = Kind::ALL[dice.below(Kind::ALL.len() as u32) as usize];
    (kind, kind.supports_obfuscation() && dice.below(2) == 0)
}

fn run(seed: u64, calls: i64, server_forgets: bool) -> (u32, u32) {
    let dice = &mut Dice(SeededRandom::from_seed(seed ^ 0xd1ce));
    let mut config = PairConfig::seeded(seed);
    config.transport = transport(dice);
    config.faults = faults(dice);
    config.init = init();
    let mut pair = Pair::new(config);
    pair.server.wants_introduction = true;
    let mut slow = Dice(SeededRandom::from_seed(seed ^ 0x510));
    pair.server.serve(move |_| match slow.below(4) {
        0 => Reply::After(slow.milliseconds(30_000), yes()),
        1 => Reply::After(slow.milliseconds(500), Bytes::from(vec![7; 4 * 700])),
        _ => Reply::Now(yes()),
    });
    let mut made = Vec::new();
    for n in 0..calls {
        let (class, body) = match dice.below(3) {
            0 => (Class::Once, create(n)),
            1 => (Class::RandomId, send(n)),
            _ => (Class::Read, read(n)),
        };
        let id = pair.call(CallRequest::new(body.clone()));
        made.push((id, class, body));
        pair.run_for(dice.milliseconds(800));
        match dice.below(40) {
            0 => pair.cut(),
            1 => pair.cut_after(Direction::Up, dice.below(2000) as usize),
            2 => pair.cut_after(Direction::Down, dice.below(2000) as usize),
            3 => {
                let now = pair.server_now();
                pair.server.rotate_salts(now);
            }
            4 => pair.server.forget_salts(),
            5 if server_forgets => {
                pair.cut();
                pair.server.forget_sessions();
                // Else what was overheard could be said again to a server that no longer knows it.
                pair.server.forget_salts();
            }
            6 => pair.server.forget_introductions(),
            7 => pair.run_for(dice.milliseconds(400_000)),
            _ => {}
        }
    }
    *pair.faults() = Faults::default();
    let all = |pair: &mut Pair| made.iter().all(|(id, ..)| pair.is_over(*id));
    assert!(pair.run_until(LIMIT, all), "seed {seed}: a call hangs");
    pair.run_for(SECOND * 60);
    let (mut unknown, mut answered) = (0, 0);
    for (id, class, body) in &made {
        let executions = pair.server.ledger.executions(body);
        let effects = pair.server.ledger.effects.get(body).copied().unwrap_or(0);
        let outcome = pair.outcome(*id).unwrap();
        let what =
            format!("seed {seed}: {class:?} {id:?} carried out {executions} times: {outcome:?}");
        assert_eq!(pair.endings(*id), 1, "{what}");
        match class {
            Class::Once => assert!(executions <= 1, "{what}"),
            Class::RandomId => assert!(effects <= 1, "{what}"),
            Class::Read => {}
        }
        match outcome {
            Event::Answer { .. } => {
                assert!(executions >= 1, "{what}");
                answered += 1;
            }
            Event::UnknownOutcome { .. } => {
                assert_eq!(*class, Class::Once, "{what}");
                unknown += 1;
            }
            // A network that keeps packets back for minutes can have a message refused five times.
            Event::Failed {
                why: CallFailure::RefusedTooOften(..),
                ..
            } => {}
            _ => panic!("{what}"),
        }
    }
    let client = pair.client().unwrap();
    assert_eq!(client.calls_in_flight(), 0, "seed {seed}");
    (unknown, answered)
}

#[test]
fn r2_every_call_ends_once_and_is_carried_out_at_most_once() {
    let (mut unknown, mut answered) = (0, 0);
    for seed in 0..600 {
        let (open, over) = run(seed, 60, false);
        unknown += open;
        answered += over;
    }
    // Without a server that forgets, nothing need stay open for long: the share shows that the test tests something.
    assert!(answered > 32_000, "{answered} answered, {unknown} unknown");
}

#[test]
fn r5_the_same_with_a_server_that_forgets_its_sessions() {
    let (mut unknown, mut answered) = (0, 0);
    for seed in 1000..1400 {
        let (open, over) = run(seed, 60, true);
        unknown += open;
        answered += over;
    }
    assert!(answered > 19_000, "{answered} answered, {unknown} unknown");
    assert!(unknown > 0, "some outcome must be unknown to the client");
}

/// Same seed, same run: a failure can be looked at again.
#[test]
fn a_run_is_decided_by_its_seed() {
    let trace = |seed| {
        let mut config = PairConfig::seeded(seed);
        config.faults = faults(&mut Dice(SeededRandom::from_seed(seed)));
        let mut pair = Pair::new(config);
        for n in 0..20 {
            call(&mut pair, send(n));
            pair.run_for(SECOND);
        }
        (
            pair.passed(Direction::Up),
            pair.passed(Direction::Down),
            pair.connections(),
            pair.take_events(),
        )
    };
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}

/// R12, and the cuts of R2 at every byte: one call of each class, the connection cut after every possible byte, either way.
#[test]
fn r2_a_cut_at_every_byte_boundary_changes_no_outcome() {
    let bodies = [create(1), send(2), read(3)];
    let (up, down) = {
        let mut pair = settled(1);
        let before = (pair.passed(Direction::Up), pair.passed(Direction::Down));
        let calls: Vec<_> = bodies
            .iter()
            .map(|body| call(&mut pair, body.clone()))
            .collect();
        pair.run_for(SECOND);
        assert!(calls.iter().all(|call| pair.is_over(*call)));
        (
            pair.passed(Direction::Up) - before.0,
            pair.passed(Direction::Down) - before.1,
        )
    };
    assert!(up > 200 && down > 100, "{up} {down}");
    for (direction, bytes) in [(Direction::Up, up), (Direction::Down, down)] {
        for at in 0..=bytes {
            let mut pair = settled(1);
            let opened = pair.connections().opened;
            pair.cut_after(direction, at);
            let calls: Vec<_> = bodies
                .iter()
                .map(|body| call(&mut pair, body.clone()))
                .collect();
            for id in calls {
                finished(&mut pair, id);
            }
            pair.run_for(SECOND);
            for body in &bodies[..2] {
                let executions = pair.server.ledger.executions(body);
                assert_eq!(executions, 1, "cut {direction:?} after {at} bytes");
            }
            assert_eq!(
                pair.connections().opened > opened,
                at < bytes,
                "{direction:?} {at}"
            );
        }
    }
}

/// R12: all transports, in pieces.
#[test]
fn r12_every_transport_carries_sessions_in_pieces() {
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        for obfuscated in [false, true] {
            if obfuscated && !kind.supports_obfuscation() {
                continue;
            }
            let mut config = PairConfig::seeded(number as u64);
            config.transport = (kind, obfuscated);
            config.faults.pieces = true;
            let mut pair = Pair::new(config);
            for n in 0..20 {
                answered(&mut pair, create(n));
            }
            answered(&mut pair, large(21, 100_000));
            assert_eq!(pair.connections().lost, 0, "{kind:?}");
        }
    }
}

/// Makes a call that may happen twice and one that must not, from the first packet on. If the server says that it knows no
/// session, nobody can tell whether it ever did: the outcome of the second may be unknown.
fn both_calls(pair: &mut Pair, what: &str) {
    let (twice, once) = (call(pair, send(1)), call(pair, create(2)));
    finished(pair, twice);
    assert!(pair.run_until(LIMIT, |pair| pair.is_over(once)), "{what}");
    pair.run_for(SECOND);
    assert_eq!(pair.server.ledger.effects.get(&send(1)), Some(&1), "{what}");
    let executions = pair.server.ledger.executions(&create(2));
    match pair.outcome(once) {
        Some(Event::Answer { .. }) => assert_eq!(executions, 1, "{what}"),
        Some(Event::UnknownOutcome { .. }) => assert!(executions <= 1, "{what}"),
        outcome => panic!("{what}: {outcome:?}"),
    }
    assert_eq!((pair.endings(twice), pair.endings(once)), (1, 1), "{what}");
}

/// R12 over every transport, with and without obfuscation: a call cut at every byte, either way.
#[test]
fn r12_a_cut_at_every_byte_of_every_transport_changes_no_outcome() {
    for kind in Kind::ALL {
        for obfuscated in [false, true] {
            if obfuscated && !kind.supports_obfuscation() {
                continue;
            }
            let begin = || {
                let mut config = PairConfig::seeded(12);
                config.transport = (kind, obfuscated);
                Pair::new(config)
            };
            let passed = {
                let mut pair = begin();
                both_calls(&mut pair, "whole");
                [pair.passed(Direction::Up), pair.passed(Direction::Down)]
            };
            for direction in [Direction::Up, Direction::Down] {
                let bytes = passed[direction as usize];
                assert!(bytes > 100);
                for at in 0..=bytes {
                    // From the very first byte on: the header of the transport and the first packets.
                    let mut pair = begin();
                    pair.cut_after(direction, at);
                    let what = format!("{kind:?} {obfuscated} {direction:?} {at}");
                    both_calls(&mut pair, &what);
                    assert_eq!(pair.connections().lost, u64::from(at < bytes), "{what}");
                }
            }
        }
    }
}

/// The same for the exchange of keys, at a few bytes of each part of it: the exchange begins anew, and the call is made.
#[test]
fn r12_a_cut_during_the_exchange_of_keys_costs_that_exchange_only() {
    let mut random = SeededRandom::from_seed(12);
    let rsa = actogram_crypto::rsa::PrivateKey::generate(&mut random).unwrap();
    let rsa = std::sync::Arc::new(rsa);
    let begin = |kind, obfuscated| {
        let mut config = PairConfig::seeded(12);
        config.transport = (kind, obfuscated);
        config.rsa = Some(rsa.clone());
        Pair::new(config)
    };
    let (up, down) = {
        let mut pair = begin(Kind::Intermediate, false);
        both_calls(&mut pair, "whole");
        (pair.passed(Direction::Up), pair.passed(Direction::Down))
    };
    assert!(up > 600 && down > 700, "{up} {down}");
    let mut number = 0;
    for (direction, bytes) in [(Direction::Up, up), (Direction::Down, down)] {
        for at in (0..bytes - 100).step_by(23) {
            let kind = Kind::ALL[number % Kind::ALL.len()];
            number += 1;
            let mut pair = begin(kind, number % 3 == 0 && kind.supports_obfuscation());
            pair.cut_after(direction, at);
            let what = format!("{kind:?} {direction:?} {at}");
            both_calls(&mut pair, &what);
            assert_eq!(pair.connections().lost, 1, "{what}");
        }
    }
}
