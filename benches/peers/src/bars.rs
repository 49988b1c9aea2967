//! What the figures are held to.

use std::collections::BTreeMap;

use crate::measure::Figure;

/// The figures of one kind of work, by peer, in the order of the rounds.
pub type Rounds = BTreeMap<&'static str, Vec<Figure>>;

/// A figure of a round that a bar is about, the smaller the better.
struct Bar {
    work: &'static str,
    title: &'static str,
    at_most: f64,
    of: fn(ours: &Figure, peer: &Figure) -> f64,
    peer: &'static str,
}

/// Throughput 1.3 times that of a peer is its time divided by 1.3.
const FASTER: f64 = 1.0 / 1.3;
const KIB_1_3: f64 = 1.3 * 1024.0;

const fn time(work: &'static str, title: &'static str, peer: &'static str, at_most: f64) -> Bar {
    Bar {
        work,
        title,
        at_most,
        of: |ours, peer| ours.ns / peer.ns,
        peer,
    }
}

const fn memory(
    title: &'static str,
    peer: &'static str,
    at_most: f64,
    of: fn(&Figure, &Figure) -> f64,
) -> Bar {
    Bar {
        work: "loops",
        title,
        at_most,
        of,
        peer,
    }
}

const BARS: [Bar; 11] = [
    memory(
        "a paused loop, bytes allocated",
        "actogram",
        KIB_1_3,
        |f, _| f.bytes,
    ),
    memory(
        "a paused loop, allocated, of tokio's",
        "tokio",
        1.0,
        |f, tokio| f.bytes / tokio.bytes,
    ),
    memory(
        "a paused loop, resident, of tokio's",
        "tokio",
        1.0,
        |f, tokio| f.rss / tokio.rss,
    ),
    time("ask", "request, time of ractor's", "ractor", FASTER),
    time("ask", "request, time of kameo's", "kameo", FASTER),
    time("ask64", "64 requests, time of ractor's", "ractor", FASTER),
    time("ask64", "64 requests, time of kameo's", "kameo", FASTER),
    time("signal", "signal, time of ractor's", "ractor", FASTER),
    time("signal", "signal, time of kameo's", "kameo", FASTER),
    time("ask", "request, time of plain actix's", "actix", 1.1),
    time("ask64", "64 requests, time of plain actix's", "actix", 1.1),
];

/// The middle one, and the ends of the middle half.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [last / 4, last / 2, last - last / 4].map(|n| values[n])
}

/// Prints how this work stands to its bars; how many are missed.
///
/// Each round gives one value, made of two children that ran next to each other. The median decides; where it misses the bar
/// but a quarter of the rounds do not, the machine is too restless to tell, and that is said instead.
pub fn judge(work: &str, rounds: &Rounds) -> usize {
    let mut missed = 0;
    for bar in BARS.iter().filter(|bar| bar.work == work) {
        let pairs = rounds["actogram"].iter().zip(&rounds[bar.peer]);
        let [low, middle, high] = quartiles(pairs.map(|(f, peer)| (bar.of)(f, peer)).collect());
        let verdict = if middle <= bar.at_most {
            "met"
        } else if low <= bar.at_most {
            "too restless to tell"
        } else {
            missed += 1;
            "MISSED"
        };
        println!(
            "  {:<36} {middle:>8.2} ({low:.2} to {high:.2}), at most {:.2}: {verdict}",
            bar.title, bar.at_most
        );
    }
    missed
}
