//! `actogram top`: what a running client is doing.

use std::path::PathBuf;

use actogram::Settings;
use clap::Args;

use super::{Outcome, account::Source};

#[derive(Args)]
pub(crate) struct Top {
    /// Prints one snapshot as JSON, and ends.
    #[arg(long)]
    json: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    every: f64,
    /// The client's socket. Without it: the setting `inspect`, else the session file's name with `.sock` behind it.
    #[arg(long)]
    socket: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected 0.1 to 3600".to_owned()),
    }
}

/// Where a client with these settings can be looked into; nowhere if its session is no file and `inspect` says nothing.
pub(crate) fn socket(settings: &Settings) -> Option<PathBuf> {
    if !settings.inspect.as_os_str().is_empty() {
        return Some(settings.inspect.clone());
    }
    let session = &settings.session;
    (session.as_os_str() != ":memory:").then(|| {
        let mut name = session.as_os_str().to_owned();
        name.push(".sock");
        PathBuf::from(name)
    })
}

/// Shows it live in a terminal, or once as JSON.
pub(crate) async fn run(arguments: Top) -> Outcome {
    let path = match arguments.socket.clone() {
        Some(path) => path,
        None => socket(&arguments.source.settings()?).ok_or(
            "the session is kept in memory only, so no client of another process has it; name the socket with --socket",
        )?,
    };
    #[cfg(unix)]
    return live::run(
        &path,
        arguments.json,
        std::time::Duration::from_secs_f64(arguments.every),
    );
    #[cfg(not(unix))]
    Err(format!("{}: clients offer no socket on this system", path.display()).into())
}

#[cfg(unix)]
mod live {
    use std::{
        io::{BufRead, BufReader, IsTerminal, Write},
        os::unix::net::UnixStream,
        path::Path,
        time::Duration,
    };

    use ratatui::{
        DefaultTerminal,
        crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    };
    use serde_json::Value;

    use super::super::{Outcome, tree};

    /// How long a client may take to answer.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A client that can be looked into.
    struct Client {
        write: UnixStream,
        read: BufReader<UnixStream>,
        asked: bool,
    }

    impl Client {
        fn connect(path: &Path) -> Result<Self, String> {
            let failed = |error: std::io::Error| {
                format!(
                    "no client answers at {}: {error}; `actogram run` offers this socket, other programs do when their setting `inspect` names it",
                    path.display()
                )
            };
            let write = UnixStream::connect(path).map_err(failed)?;
            write.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
            let read = BufReader::new(write.try_clone().map_err(failed)?);
            Ok(Self {
                write,
                read,
                asked: true,
            })
        }

        /// `None` when the client has ended.
        fn look(&mut self) -> Result<Option<Value>, Box<dyn std::error::Error>> {
            if !std::mem::replace(&mut self.asked, false) && self.write.write_all(b"\n").is_err() {
                return Ok(None);
            }
            let mut line = String::new();
            let read = self.read.read_line(&mut line);
            match read {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some(serde_json::from_str(&line)?)),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(None),
                Err(error) => Err(format!("the client does not answer: {error}").into()),
            }
        }
    }

    pub(super) fn run(path: &Path, json: bool, every: Duration) -> Outcome {
        let mut client = Client::connect(path)?;
        if json {
            let seen = client.look()?.ok_or("the client has just ended")?;
            println!("{seen:#}");
            return Ok(());
        }
        if !std::io::stdout().is_terminal() {
            return Err("standard output is no terminal; use --json".into());
        }
        let mut terminal = ratatui::init();
        let outcome = watch(&mut terminal, &mut client, every);
        ratatui::restore();
        if !outcome? {
            println!("the client has ended");
        }
        Ok(())
    }

    /// Whether the client is still there.
    fn watch(
        terminal: &mut DefaultTerminal,
        client: &mut Client,
        every: Duration,
    ) -> Result<bool, Box<dyn std::error::Error>> {
        let mut from = 0;
        loop {
            let Some(seen) = client.look()? else {
                return Ok(false);
            };
            let lines = tree::lines(&seen);
            from = from.min(lines.len().saturating_sub(1));
            terminal.draw(|frame| tree::draw(frame, &seen, &lines, from))?;
            if !event::poll(every)? {
                continue;
            }
            let Event::Key(key) = event::read()? else {
                continue;
            };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(true),
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    return Ok(true);
                }
                KeyCode::Down | KeyCode::Char('j') => from += 1,
                KeyCode::Up | KeyCode::Char('k') => from = from.saturating_sub(1),
                KeyCode::PageDown => from += 10,
                KeyCode::PageUp => from = from.saturating_sub(10),
                _ => {}
            }
        }
    }
}
