//! The table of what was measured, and how it stands to the bars.

use std::{collections::BTreeMap, path::Path};

use super::{ACCOUNTS, CALL_RUNS, Outcomes, Scenario, clients::Client, process::Outcome};

const GIB: f64 = 1_073_741_824.0;

/// A bar: what is measured, what it is measured by, and the most it may be of that.
struct Bar {
    what: String,
    measured: Option<f64>,
    most: f64,
}

impl Bar {
    fn met(&self) -> bool {
        self.measured.is_some_and(|it| it <= self.most)
    }

    fn line(&self) -> String {
        let verdict = if self.met() { "met" } else { "**not met**" };
        let measured = self
            .measured
            .map_or("not measured".to_owned(), |it| significant(it, 3));
        format!(
            "* {}: {measured}, at most {} wanted: {verdict}.\n",
            self.what,
            significant(self.most, 3)
        )
    }
}

/// What a client was called, and what came of it.
struct Row {
    name: &'static str,
    ours: bool,
    versions: String,
    remark: &'static str,
    outcomes: Outcomes,
}

/// Everything that was measured in one run.
pub(crate) struct Report {
    machine: String,
    /// The bare ciphers, over a GiB.
    pub(crate) bare: BTreeMap<Scenario, Outcome>,
    rows: Vec<Row>,
    /// Why something is missing.
    reasons: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            machine: machine(),
            bare: BTreeMap::new(),
            rows: Vec::new(),
            reasons: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, root: &Path, client: &Client, mut outcomes: Outcomes) {
        for why in outcomes
            .values_mut()
            .filter_map(|outcome| outcome.as_mut().err())
        {
            *why = format!("{}: {}", client.name, why.trim_end_matches('.'));
        }
        for why in outcomes
            .values()
            .filter_map(|outcome| outcome.as_ref().err())
        {
            if !self.reasons.contains(why) {
                self.reasons.push(why.clone());
            }
        }
        self.rows.push(Row {
            name: client.name,
            ours: client.ours,
            versions: (client.versions)(root),
            remark: client.remark,
            outcomes,
        });
    }

    /// The tables and the bars, in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "`cargo xtask peers --write` made this in one run, on {}. Each client is a process of its own, against the local datacenter \
             in another; the datacenter's CPU stands beside, so that its limit is not taken for a client's. Transport: intermediate, plain. \
             CPU of clients: user mode (in all).\n\n",
            self.machine
        );
        text += &self.table(
            &[
                "files, to and from nowhere",
                "download MB/s",
                "CPU s/GiB",
                "datacenter s/GiB",
                "upload MB/s",
                "CPU s/GiB",
                "datacenter s/GiB",
            ],
            |row| {
                [Scenario::Download, Scenario::Upload]
                    .into_iter()
                    .flat_map(|of| self.cells(row, of, file))
                    .collect()
            },
        );
        let bare = [Scenario::Download, Scenario::Upload].map(|of| {
            let cells = self.bare.get(&of).map(file);
            cells.map_or(String::new(), |[rate, cpu, _]| {
                format!(" {rate} | {cpu} | |")
            })
        });
        text += &format!("| `ige` and `sha2`, bare |{}\n\n", bare.concat());
        text += &self.table(
            &[
                "calls (`updates.getState`)",
                "one by one, /s",
                "CPU µs each",
                "datacenter µs",
                "1,000 in flight, /s",
                "CPU µs each",
                "datacenter µs",
            ],
            |row| {
                [Scenario::Calls, Scenario::InFlight]
                    .into_iter()
                    .flat_map(|of| self.cells(row, of, each))
                    .collect()
            },
        );
        text.push('\n');
        text += &self.table(
            &[
                "the rest",
                "updates to a handler, /s",
                "CPU µs each",
                "datacenter µs",
                "auth key and first call, ms",
                "CPU ms",
                "datacenter ms",
                "KiB for an idle account",
            ],
            |row| {
                let mut cells = self.cells(row, Scenario::Updates, each);
                cells.extend(self.cells(row, Scenario::Handshake, handshake));
                cells.extend(self.cells(row, Scenario::Idle, idle));
                cells
            },
        );
        text.push('\n');
        text += &format!(
            "Calls: the cheapest of {CALL_RUNS} runs; one by one, client and datacenter take turns on one core. An idle account is the mean of {} of {ACCOUNTS} in one process. ",
            ACCOUNTS - 1
        );
        let remarks = self
            .rows
            .iter()
            .map(|row| row.remark)
            .filter(|remark| !remark.is_empty());
        for remark in remarks {
            text += &sentence(remark);
        }
        text.push_str("\n\n");
        for (number, why) in self.reasons.iter().enumerate() {
            text += &format!("({}) {why}.\n\n", number + 1);
        }
        text += "Bars:\n\n";
        for bar in self.bars() {
            text += &bar.line();
        }
        text
    }

    fn table(&self, head: &[&str], cells: impl Fn(&Row) -> Vec<String>) -> String {
        let mut text = format!(
            "| {} |\n|{}\n",
            head.join(" | "),
            " --- |".repeat(head.len())
        );
        for row in &self.rows {
            text += &format!("| {} | {} |\n", row.versions, cells(row).join(" | "));
        }
        text
    }

    /// What is shown of an outcome; where there is none, the number of the reason.
    fn cells<const N: usize>(
        &self,
        row: &Row,
        of: Scenario,
        show: fn(&Outcome) -> [String; N],
    ) -> Vec<String> {
        match row.outcomes.get(&of) {
            Some(Ok(outcome)) => show(outcome).into(),
            Some(Err(why)) => {
                let number = self
                    .reasons
                    .iter()
                    .position(|reason| reason == why)
                    .map_or(0, |at| at + 1);
                vec![format!("({number})"); N]
            }
            None => vec![String::new(); N],
        }
    }

    fn bars(&self) -> Vec<Bar> {
        let user = |outcome: &Outcome| outcome.user * GIB / outcome.count;
        let call = |outcome: &Outcome| outcome.all / outcome.count;
        let (one_by_one, in_flight) = (
            "CPU of a call, one by one",
            "CPU of a call, 1,000 in flight",
        );
        let mut ours = self.rows.iter().filter(|row| row.ours);
        let mut bars = Vec::new();
        if let Some(own) = ours.next() {
            let bare = self.bare.get(&Scenario::Download).map(user);
            bars.push(Bar {
                what: "user CPU of a download, against `ige` and `sha2` over as many bytes"
                    .to_owned(),
                measured: own
                    .value(Scenario::Download, user)
                    .zip(bare)
                    .map(|(own, bare)| own / bare),
                most: 1.3,
            });
            bars.push(self.against_best(own, "user CPU of a download", Scenario::Download, user));
            bars.push(self.against_best(own, one_by_one, Scenario::Calls, call));
            bars.push(self.against_best(own, in_flight, Scenario::InFlight, call));
            let kib = |outcome: &Outcome| outcome.bytes.unwrap_or(f64::NAN) / 1024.0;
            bars.push(Bar {
                what: "KiB for an idle account".to_owned(),
                measured: own.value(Scenario::Idle, kib),
                most: 50.0,
            });
        }
        for other in ours {
            let named = |what| format!("{what}, {}", other.versions);
            bars.push(self.against_best(other, &named(one_by_one), Scenario::Calls, call));
            bars.push(self.against_best(other, &named(in_flight), Scenario::InFlight, call));
        }
        bars
    }

    /// At most half of what the best of the others takes.
    fn against_best(&self, own: &Row, what: &str, of: Scenario, value: fn(&Outcome) -> f64) -> Bar {
        let peers = self.rows.iter().filter(|row| !row.ours);
        let measured = peers.filter_map(|row| Some((row.value(of, value)?, row.name)));
        let best = measured.min_by(|(one, _), (other, _)| one.total_cmp(other));
        let found = own.value(of, value).zip(best);
        let (measured, name) = found.map_or((None, "any peer"), |(own, (best, name))| {
            (Some(own / best), name)
        });
        Bar {
            what: format!("{what}, against the best peer's ({name})"),
            measured,
            most: 0.5,
        }
    }
}

impl Row {
    fn value(&self, of: Scenario, value: impl Fn(&Outcome) -> f64) -> Option<f64> {
        self.outcomes.get(&of)?.as_ref().ok().map(value)
    }
}

/// Rate, CPU and the datacenter's CPU of moving a file.
fn file(outcome: &Outcome) -> [String; 3] {
    let gib = outcome.count / GIB;
    [
        significant(outcome.count / outcome.seconds / 1e6, 3),
        format!("{:.2} ({:.2})", outcome.user / gib, outcome.all / gib),
        format!("{:.2}", outcome.server / gib),
    ]
}

/// Rate, CPU and the datacenter's CPU of calls and updates.
fn each(outcome: &Outcome) -> [String; 3] {
    let micros = 1e6 / outcome.count;
    [
        significant(outcome.count / outcome.seconds, 3),
        format!(
            "{} ({})",
            significant(outcome.user * micros, 3),
            significant(outcome.all * micros, 3)
        ),
        significant(outcome.server * micros, 3),
    ]
}

fn handshake(outcome: &Outcome) -> [String; 3] {
    let millis = 1e3 / outcome.count;
    [
        outcome
            .median
            .map_or_else(String::new, |median| significant(median * 1e3, 3)),
        format!(
            "{} ({})",
            significant(outcome.user * millis, 3),
            significant(outcome.all * millis, 3)
        ),
        significant(outcome.server * millis, 3),
    ]
}

fn idle(outcome: &Outcome) -> [String; 1] {
    [outcome
        .bytes
        .map_or_else(String::new, |bytes| significant(bytes / 1024.0, 3))]
}

/// A number with so many digits that mean something, and thousands apart.
fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let before_point = value.abs().log10().floor() as i32 + 1;
    let unit = 10f64.powi(before_point - digits);
    let rounded = (value / unit).round() * unit;
    let decimals = usize::try_from(digits - before_point).unwrap_or(0);
    let text = format!("{rounded:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut apart = String::new();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 && digit.is_ascii_digit() && !apart.ends_with('-')
        {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart + rest
}

/// A remark with what parts it from the next.
fn sentence(remark: &str) -> String {
    let mut letters = remark.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    format!("{}{} ", first.unwrap_or_default(), letters.as_str())
}

/// What it ran on.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| Some(line.split_once(':')?.1.trim()))
        .collect();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let model = models.first().copied().unwrap_or("an unknown processor");
    format!(
        "{} cores of {model}, shared with others, Linux {kernel}",
        models.len()
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_precise_as_they_are() {
        assert_eq!(significant(1_234_567.0, 3), "1,230,000");
        assert_eq!(significant(999.6, 3), "1,000");
        assert_eq!(significant(45.678, 3), "45.7");
        assert_eq!(significant(0.012_345, 3), "0.0123");
        assert_eq!(significant(0.0, 3), "0");
        assert_eq!(significant(f64::NAN, 3), "unknown");
    }

    fn row(name: &'static str, outcomes: Outcomes) -> Row {
        Row {
            name,
            ours: name == "own",
            versions: name.to_owned(),
            remark: "",
            outcomes,
        }
    }

    fn outcome(user: f64) -> Result<Outcome, String> {
        Ok(Outcome {
            count: GIB,
            seconds: 1.0,
            user,
            all: user + 0.1,
            bytes: Some(51_300.0),
            ..Outcome::default()
        })
    }

    fn report(own: f64, peers: &[(&'static str, Result<Outcome, String>)]) -> Report {
        let mut report = Report::new();
        report.machine = "a machine".to_owned();
        report
            .bare
            .insert(Scenario::Download, outcome(1.0).unwrap());
        let all = |of: &Result<Outcome, String>| {
            Scenario::ALL.map(|scenario| (scenario, of.clone())).into()
        };
        report.rows.push(row("own", all(&outcome(own))));
        for (name, outcome) in peers {
            report.reasons.extend(outcome.as_ref().err().cloned());
            report.rows.push(row(name, all(outcome)));
        }
        report
    }

    #[test]
    fn a_bar_is_against_the_best_of_those_that_were_measured() {
        let broken = ("broken", Err("no such program".to_owned()));
        let peers = [("slow", outcome(9.0)), broken, ("fast", outcome(2.2))];
        let met: Vec<bool> = report(1.1, &peers).bars().iter().map(Bar::met).collect();
        assert_eq!(met, [true, true, false, false, false]);
        let lines: Vec<String> = report(1.1, &peers).bars().iter().map(Bar::line).collect();
        assert!(
            lines[1].contains("(fast): 0.500, at most 0.500 wanted: met"),
            "{}",
            lines[1]
        );
        assert!(
            lines[4].contains("50.1, at most 50.0 wanted: **not met**"),
            "{}",
            lines[4]
        );
        let met: Vec<bool> = report(1.4, &peers[1..2])
            .bars()
            .iter()
            .map(Bar::met)
            .collect();
        assert_eq!(met, [false; 5], "what was not measured is not met");
    }

    #[test]
    fn what_could_not_be_measured_stands_in_the_table_with_its_reason() {
        let text = report(1.0, &[("broken", Err("no such program".to_owned()))]).markdown();
        assert!(
            text.contains("| broken | (1) | (1) | (1) | (1) | (1) | (1) |\n"),
            "{text}"
        );
        assert!(text.contains("(1) no such program.\n"), "{text}");
        assert!(
            text.contains("| own | 1,070 | 1.00 (1.10) | 0.00 |"),
            "{text}"
        );
    }
}
