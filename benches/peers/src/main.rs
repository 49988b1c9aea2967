//! The same work done by actogram-runtime, plain actix, raw tokio, ractor and kameo, side by side in one run:
//! `cargo run --release` here. Every figure is the median of several child processes, run in turn so that a noisy
//! moment of the machine hits all alike.
#![allow(clippy::unwrap_used)]

mod kameo_peer;
mod measure;
mod plain;
mod ractor_peer;
mod raw;
mod supervised;

use std::{collections::BTreeMap, env, process::Command};

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

fn main() {
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
        return;
    }
    let repeats: usize = args.first().map_or(5, |n| n.parse().unwrap());
    let wanted: Vec<_> = args.iter().skip(1).collect();
    for (work, title) in WORKS {
        if !wanted.is_empty() && !wanted.iter().any(|w| *w == work) {
            continue;
        }
        let mut figures = BTreeMap::<&str, Vec<Figure>>::new();
        for _ in 0..repeats {
            for (peer, _) in PEERS {
                figures.entry(peer).or_default().extend(child(peer, work));
            }
        }
        table(title, &figures);
    }
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

fn table(title: &str, figures: &BTreeMap<&str, Vec<Figure>>) {
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
