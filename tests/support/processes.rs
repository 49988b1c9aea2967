//! Examples run as processes of their own.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
};

use super::HANG;

/// The path of an example's program, which cargo builds along with the tests.
pub fn path_of_example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    path.set_extension(std::env::consts::EXE_EXTENSION);
    let built = path.exists();
    let shown = path.display();
    assert!(built, "{shown} is not built: run the tests with cargo test");
    path
}

/// A process that does not outlive its test.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Option<ChildStderr>,
}

impl Running {
    pub fn example(name: &str) -> Self {
        Self::start(&mut Command::new(path_of_example(name)))
    }

    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let errors = child.stderr.take();
        Self {
            child,
            lines,
            errors,
        }
    }

    /// The next line that it prints, or none if it has ended.
    pub fn line(&self) -> Option<String> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.lines.recv_timeout(HANG) {
            Ok(line) => Some(line),
            Err(Disconnected) => None,
            Err(Timeout) => panic!("the process prints nothing and does not end"),
        }
    }

    #[cfg(unix)]
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end: what it still printed, how it ended, what it complained of.
    pub fn end(mut self) -> (Vec<String>, ExitStatus, String) {
        let rest: Vec<_> = std::iter::from_fn(|| self.line()).collect();
        let status = self.child.wait().unwrap();
        let mut errors = String::new();
        if let Some(mut pipe) = self.errors.take() {
            pipe.read_to_string(&mut errors).unwrap();
        }
        (rest, status, errors)
    }
}

fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone after `end`; otherwise the test failed on the way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
