//! Clients and the datacenter as processes that take and give a line of JSON at a time. What they are told and tell is described
//! in `benches/clients/measure`.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    path::Path,
    process::Stdio,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::clients;

/// What one answer may take. Nothing is measured by it: what hangs shall end.
const PATIENCE: Duration = Duration::from_secs(180);

/// A process that answers lines by lines. It ends with this value.
pub(crate) struct Answering {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// What it says to its terminal.
    errors: File,
    /// What it said first.
    pub(crate) told: Value,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) count: f64,
    pub(crate) seconds: f64,
    /// CPU seconds of the client in user mode.
    pub(crate) user: f64,
    /// CPU seconds of the client.
    pub(crate) all: f64,
    /// CPU seconds of the datacenter.
    pub(crate) server: f64,
    /// Seconds that the middle one of many took.
    pub(crate) median: Option<f64>,
    /// Bytes for each account but the first.
    pub(crate) bytes: Option<f64>,
}

impl Outcome {
    fn of(told: &Value, server: f64) -> Option<Self> {
        Some(Self {
            count: told["count"].as_f64()?,
            seconds: told["seconds"].as_f64()?,
            user: told["user"].as_f64()?,
            all: told["all"].as_f64()?,
            server,
            median: told["median"].as_f64(),
            bytes: told["bytes"].as_f64(),
        })
    }

    /// Of two runs of the same, the one that cost the client less; one that failed only if both did.
    pub(crate) fn cheaper(
        one: Result<Self, String>,
        other: Result<Self, String>,
    ) -> Result<Self, String> {
        match (one, other) {
            (Ok(one), Ok(other)) if one.all <= other.all => Ok(one),
            (Ok(one), Err(_)) => Ok(one),
            (_, other) => other,
        }
    }

    /// For whoever watches the run.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} in {:.2} s, CPU {:.2} s in user mode, {:.2} s in all; the datacenter's {:.2} s",
            self.count, self.seconds, self.user, self.all, self.server
        )
    }
}

impl Answering {
    /// Starts a program that says something, `first` being what it is told before that.
    async fn start(mut command: Command, first: Option<&Value>) -> Result<Self, String> {
        let program = command.as_std().get_program().display().to_string();
        let failed = |error: std::io::Error| format!("{program}: {error}");
        // Not a pipe: what nobody reads would hold it up.
        let errors = tempfile::tempfile().map_err(failed)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().map_err(failed)?)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{program} has no input or output"));
        };
        let mut started = Self {
            child,
            input,
            output: BufReader::new(output).lines(),
            errors,
            told: Value::Null,
        };
        if let Some(first) = first {
            started.tell(&first.to_string()).await?;
        }
        started.told = started.hear().await?;
        Ok(started)
    }

    async fn tell(&mut self, line: &str) -> Result<(), String> {
        let line = format!("{line}\n");
        match self.input.write_all(line.as_bytes()).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.why(error.to_string()).await),
        }
    }

    async fn hear(&mut self) -> Result<Value, String> {
        match timeout(PATIENCE, self.output.next_line()).await {
            Ok(Ok(Some(line))) => {
                serde_json::from_str(&line).map_err(|error| format!("{line:?}: {error}"))
            }
            Ok(Ok(None)) => Err(self.why("it ended without a word".to_owned()).await),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// The last that it said to its terminal, or what is known otherwise.
    async fn why(&mut self, otherwise: String) -> String {
        // It has closed its output, and is about to end.
        let _ = timeout(Duration::from_secs(5), self.child.wait()).await;
        let mut text = String::new();
        let read = self
            .errors
            .rewind()
            .and_then(|()| self.errors.read_to_string(&mut text));
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        match (read, last) {
            (Ok(_), Some(line)) => line.trim().to_owned(),
            _ => otherwise,
        }
    }

    /// Gives an order and waits for the answer.
    pub(crate) async fn order(&mut self, order: &Value) -> Result<Value, String> {
        self.tell(&order.to_string()).await?;
        self.hear().await
    }

    /// Whether it still runs; why not, otherwise.
    pub(crate) fn alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Ends it by the end of its input.
    pub(crate) async fn end(self) -> Result<(), String> {
        let Self {
            mut child, input, ..
        } = self;
        drop(input);
        match timeout(PATIENCE, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the datacenter ended with {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the datacenter does not end".to_owned()),
        }
    }

    /// Lets the process run on this core only, or on all.
    fn run_on(&self, core: Option<usize>) -> Result<(), String> {
        let mut cores = CpuSet::new();
        match core {
            Some(core) => cores.set(core),
            None => (0..CpuSet::MAX_CPU).for_each(|core| cores.set(core)),
        }
        let process = self.child.id().unwrap_or_default();
        let threads = std::fs::read_dir(format!("/proc/{process}/task"));
        let threads = threads.map_err(|error| format!("threads of {process}: {error}"))?;
        for thread in threads.flatten() {
            let number = thread.file_name().to_string_lossy().parse().ok();
            // One that has ended meanwhile needs no core.
            if let Some(thread) = number.and_then(Pid::from_raw)
                && let Err(error) = sched_setaffinity(Some(thread), &cores)
                && error != Errno::SRCH
            {
                return Err(format!("a core for {process}: {error}"));
            }
        }
        Ok(())
    }

    /// CPU seconds of the process so far.
    fn cpu(&self) -> f64 {
        let process = self.child.id().unwrap_or_default();
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        cpu_of(&text)
    }
}

/// CPU seconds, of what Linux says of a process in `stat`.
fn cpu_of(stat: &str) -> f64 {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let times = after_name.split_whitespace().skip(11).take(2);
    let ticks: Option<Vec<f64>> = times.map(|field| field.parse().ok()).collect();
    match ticks.as_deref() {
        // Ticks of a hundredth of a second, on every Linux there is.
        Some([user, system]) => (user + system) / 100.0,
        _ => f64::NAN,
    }
}

/// The datacenter, which has said where it is.
pub(crate) async fn datacenter(root: &Path) -> Result<Answering, String> {
    Answering::start(clients::datacenter(root), None).await
}

/// Keys that the datacenter knows.
pub(crate) async fn auth_keys(command: Command, task: &Value) -> Result<Value, String> {
    let made = Answering::start(command, Some(task)).await?;
    Ok(made.told)
}

/// As [`measure`], client and server having one core for both: for work at which they take turns. On two, what one wakes the
/// other up by may cost more than the work, or not, as the scheduler likes.
pub(crate) async fn measure_on_one_core(
    command: Command,
    task: &Value,
    server: &mut Answering,
) -> Result<Outcome, String> {
    let client = Answering::start(command, Some(task)).await?;
    client.run_on(Some(0))?;
    server.run_on(Some(0))?;
    let outcome = run(client, Some((&mut *server, None))).await;
    server.run_on(None)?;
    outcome
}

/// Has a client do a task, against a server that gets an order when the client is ready.
pub(crate) async fn measure(
    command: Command,
    task: &Value,
    server: Option<(&mut Answering, Option<Value>)>,
) -> Result<Outcome, String> {
    run(Answering::start(command, Some(task)).await?, server).await
}

async fn run(
    mut client: Answering,
    mut server: Option<(&mut Answering, Option<Value>)>,
) -> Result<Outcome, String> {
    if client.told != json!({"ready": true}) {
        return Err(format!("it said {} instead of being ready", client.told));
    }
    let cpu = |server: &Option<(&mut Answering, Option<Value>)>| {
        server.as_ref().map_or(0.0, |(server, _)| server.cpu())
    };
    let before = cpu(&server);
    client.tell("go").await?;
    if let Some((server, Some(order))) = &mut server {
        server.order(order).await?;
    }
    let told = client.hear().await?;
    let spent = cpu(&server) - before;
    Outcome::of(&told, spent).ok_or_else(|| format!("it said {told} instead of what was measured"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheaper_run_counts_and_a_failed_one_only_if_there_is_no_other() {
        let run = |all| {
            Ok(Outcome {
                all,
                ..Outcome::default()
            })
        };
        let failed = || Err("failed".to_owned());
        let cheaper = |one, other| Outcome::cheaper(one, other).map(|outcome| outcome.all);
        assert_eq!(cheaper(run(1.0), run(2.0)), Ok(1.0));
        assert_eq!(cheaper(run(2.0), run(1.0)), Ok(1.0));
        assert_eq!(cheaper(failed(), run(2.0)), Ok(2.0));
        assert_eq!(cheaper(run(2.0), failed()), Ok(2.0));
        assert_eq!(cheaper(failed(), failed()), Err("failed".to_owned()));
    }

    #[test]
    fn the_times_of_a_process_are_found_whatever_its_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1";
        assert_eq!(cpu_of(stat), 3.0);
        assert!(cpu_of("nothing").is_nan());
    }
}
