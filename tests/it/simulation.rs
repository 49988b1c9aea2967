//! A day in the life of an account under virtual time: loops, signals, cuts, errors and panics. The same seed gives the same
//! day, to the millisecond, and nothing is lost in it.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::support::{
    accounts::received,
    virtual_time::{Dice, Stage, run},
};
use actogram::{
    prelude::*,
    runtime::{LoopError, Signal, SignalOutcome, Waited},
};
use actogram_local_datacenter::model::PeerKey;
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What happened, and when.
#[derive(Clone)]
struct Trace {
    begun: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Trace {
    fn note(&self, what: impl std::fmt::Display) {
        let at = self.begun.elapsed().as_millis();
        self.lines.lock().unwrap().push(format!("{at} {what}"));
    }

    fn all(&self, kind: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let all = lines
            .iter()
            .filter_map(|line| line.split_once(' ')?.1.strip_prefix(kind));
        all.map(str::to_owned).collect()
    }
}

/// Notes each signal, and fails at some of them in one way or the other.
struct Listener(Trace);

impl SignalLoop for Listener {
    type Signal = u64;

    fn name(&self) -> String {
        "listener".to_owned()
    }

    async fn run(&mut self, cx: &mut LoopCx<u64>) -> std::result::Result<(), LoopError> {
        loop {
            let nap = cx.pause(Some(Duration::from_secs(300)));
            match cx.wait_signal(nap).await? {
                Waited::Signal(number) => {
                    self.0.note(format_args!("signal {number}"));
                    assert!(number % 40 != 13, "signal {number} panics");
                    if number % 40 == 31 {
                        return Err(LoopError::msg(format!("signal {number} fails")));
                    }
                }
                Waited::Done(()) => self.0.note("rested"),
            }
        }
    }
}

async fn day(seed: u64) -> Vec<String> {
    let trace = Trace {
        begun: Instant::now(),
        lines: Arc::default(),
    };
    let (stage, client) = Stage::new(seed).await;
    let Stage {
        datacenter,
        bot,
        ann,
        ..
    } = stage;
    let operator = datacenter.operator();

    let notes = trace.clone();
    client.on_message(async move |_cx: Cx, message: Msg| {
        notes.note(format_args!("handled {}", message.text()));
        assert!(!message.text().ends_with("77"), "this one panics");
        message.reply(message.text()).await.map(drop)
    });
    client.start().await.unwrap();

    let (notes, beats) = (trace.clone(), Arc::new(AtomicU64::new(0)));
    let beat = client.generic_loop("beat", async move |cx: &mut LoopCx| {
        let number = beats.fetch_add(1, Ordering::Relaxed);
        assert!(number % 90 != 50, "beat {number} panics");
        cx.api().send_message(ann, format!("beat {number}")).await?;
        notes.note(format_args!("beat {number}"));
        Ok(60.0)
    });
    let notes = trace.clone();
    let listener = client.spawn_loop_with(move || Listener(notes.clone()));

    let end = tokio::time::timeout(DAY, async {
        let network = async {
            let dice = Dice::of(seed, 3);
            loop {
                dice.nap(30..1200).await;
                trace.note("cut");
                datacenter.cut_connections();
            }
        };
        let person = async {
            let dice = Dice::of(seed, 4);
            for number in 0.. {
                dice.nap(20..200).await;
                let text = format!("text {number}");
                operator
                    .send_message(ann, PeerKey::User(bot.id), &text)
                    .unwrap();
                trace.note(format_args!("said {text}"));
            }
        };
        let signals = async {
            let dice = Dice::of(seed, 5);
            let mut number = 0;
            loop {
                dice.nap(2..180).await;
                // Some come while the loop is busy, or starts again.
                for _ in 0..=dice.below(4) {
                    let told = listener.addr().send(Signal(number)).await.unwrap();
                    trace.note(format_args!("told {number} {told:?}"));
                    assert!(!matches!(told, SignalOutcome::Stopped), "it never ends");
                    number += 1;
                }
            }
        };
        let commands = async {
            let dice = Dice::of(seed, 6);
            loop {
                dice.nap(60..900).await;
                let paused = beat.pause().await.unwrap();
                trace.note(format_args!("paused {paused}"));
                dice.nap(1..300).await;
                let resumed = beat.resume().await.unwrap();
                trace.note(format_args!("resumed {resumed}"));
            }
        };
        tokio::join!(network, person, signals, commands)
    });
    assert!(end.await.is_err(), "the day has 24 hours");
    beat.resume().await.unwrap();
    sleep(Duration::from_secs(600)).await;

    // Every message was handled once, in order; every one that did not panic was answered once.
    let said: Vec<String> = trace.all("said ");
    assert_eq!(trace.all("handled "), said);
    let answers: Vec<_> = received(&datacenter, ann, bot.id);
    let (beats, echoes): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|text| text.starts_with("beat "));
    let expected: Vec<_> = said
        .iter()
        .filter(|text| !text.ends_with("77"))
        .cloned()
        .collect();
    assert_eq!(echoes, expected);
    // Every beat that says it was sent was stored, and no other.
    let sent: Vec<_> = trace
        .all("beat ")
        .iter()
        .map(|number| format!("beat {number}"))
        .collect();
    assert_eq!(beats, sent);
    assert!(beats.len() > 700, "{}", beats.len());
    // Every signal that was taken was seen once, in order; nothing else was.
    let told = trace.all("told ");
    let taken: Vec<&str> = told
        .iter()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, outcome)| ["Delivered", "Queued"].contains(outcome))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(trace.all("signal "), taken);
    assert_eq!(taken.len(), told.len(), "none was refused");
    let outcomes: BTreeSet<&str> = told
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(outcomes, BTreeSet::from(["Delivered", "Queued"]));
    assert!(listener.status().restarts > 40, "{:?}", listener.status());
    assert!(beat.status().restarts > 7, "{:?}", beat.status());
    client.shutdown(Duration::from_secs(10)).await;
    datacenter.shutdown().await;
    let lines = trace.lines.lock().unwrap();
    lines.clone()
}

#[test]
fn a_day_of_loops_signals_cuts_and_panics_loses_nothing_and_repeats_itself() {
    let first = run(day(1));
    let again = run(day(1));
    for (number, (one, other)) in first.iter().zip(&again).enumerate() {
        assert_eq!(one, other, "line {number} of the same day");
    }
    assert_eq!(first.len(), again.len());
    assert_ne!(run(day(2)), first, "another seed, another day");
}
