//! The same work done by actogram-runtime, plain actix, raw tokio, ractor and kameo, side by side in one run:
//! `cargo run --release` here. Every figure is the median of several child processes, run in turn so that a noisy
//! moment of the machine hits all alike. Below each table stands how it meets its bars; with `--check` a bar that is missed
//! is an error. A number is how many rounds there are (9 unless told), words are the kinds of work that are wanted.
#![allow(clippy::unwrap_used)]

mod bars;
mod kameo_peer;
mod measure;
mod plain;
mod ractor_peer;
mod raw;
mod supervised;

use std::{
    env,
    process::{Command, ExitCode},
};

use bars::Rounds;
use measure::Figure;

/// One kind of work; a peer that cannot do it has no figure.
const WORKS: [(&str, &str); 7] = [
    ("loops", "100,000 paused loops with a timer"),
    ("ask", "request and response, one at a time"),
    ("ask64", "request and response, 64 in flight"),
    ("tell", "messages without reply, a barrier each 1,024"),
    (
        "signal",
        "signals into a waiting loop, a barrier each 1,024",
    ),
    ("cycle", "pause, signal and resume, each acknowledged"),
    ("restart", "panic until the next life answers"),
];

type Measure = fn(&str) -> Option<Figure>;
const PEERS: [(&str, Measure); 5] = [
    ("actogram", supervised::measure),
    ("actix", plain::measure),
    ("tokio", raw::measure),
    ("ractor", ractor_peer::measure),
    ("kameo", kameo_peer::measure),
];

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let deliberate = info.payload().downcast_ref::<&str>() == Some(&"deliberate");
        if !deliberate {
            eprintln!("{info}");
        }
    }));
    let args: Vec<_> = env::args().skip(1).collect();
    if let [flag, peer, work] = &args[..]
        && flag == "--child"
    {
        let (_, measure) = PEERS.iter().find(|(name, _)| name == peer).unwrap();
        println!("{}", serde_json::to_string(&measure(work)).unwrap());
        return ExitCode::SUCCESS;
    }
    let (mut rounds, mut check, mut wanted) = (9, false, Vec::new());
    for arg in &args {
        if arg == "--check" {
            check = true;
        } else if let Ok(n) = arg.parse::<usize>() {
            rounds = n.max(1);
        } else if WORKS.iter().any(|(work, _)| work == arg) {
            wanted.push(arg);
        } else {
            eprintln!("usage: peers [--check] [ROUNDS] [WORK ...]; no work is called `{arg}`");
            return ExitCode::FAILURE;
        }
    }
    let mut missed = 0;
    for (work, title) in WORKS {
        if !wanted.is_empty() && !wanted.iter().any(|w| *w == work) {
            continue;
        }
        let mut figures = Rounds::new();
        for _ in 0..rounds {
            for (peer, _) in PEERS {
                figures.entry(peer).or_default().extend(child(peer, work));
            }
        }
        table(title, &figures);
        missed += bars::judge(work, &figures);
    }
    println!("\nbars missed: {missed}");
    if check && missed > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn child(peer: &str, work: &str) -> Option<Figure> {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--child", peer, work])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{peer} {work}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn table(title: &str, figures: &Rounds) {
    println!("\n{title}");
    println!(
        "  {:<10} {:>12} {:>8} {:>10} {:>10} {:>8}",
        "", "ns each", "x ours", "bytes", "RSS", "x ours"
    );
    let mid = |peer: &str, field: fn(&Figure) -> f64| {
        let values: Vec<f64> = figures[peer].iter().map(field).collect();
        (!values.is_empty()).then(|| median(values))
    };
    let ours = ["actogram"].map(|peer| (mid(peer, |f| f.ns), mid(peer, |f| f.bytes)))[0];
    for (peer, _) in PEERS {
        let Some(ns) = mid(peer, |f| f.ns) else {
            println!("  {peer:<10} {:>12}", "cannot");
            continue;
        };
        let times = ns / ours.0.unwrap();
        let bytes = mid(peer, |f| f.bytes).unwrap();
        if bytes > 0.0 {
            let rss = mid(peer, |f| f.rss).unwrap();
            let share = bytes / ours.1.unwrap();
            println!("  {peer:<10} {ns:>12.1} {times:>8.2} {bytes:>10.0} {rss:>10.0} {share:>8.2}");
        } else {
            println!("  {peer:<10} {ns:>12.1} {times:>8.2}");
        }
    }
}
