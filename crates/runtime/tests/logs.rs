//! What loops log. A test program of its own: which log lines are wanted at all is a property of the whole process.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use actogram_runtime::*;
use common::{settle, virtual_time};

#[test]
fn s36_s40_logs_name_the_loop_at_start_failed_start_pause_and_exit() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    virtual_time(async {
        let l = loop_once(
            GenericLoop::new("My super loop", async |_: &mut LoopCx<bool>| Ok(2.0)),
            (),
        )
        .spawn();
        settle().await;
        assert_eq!(l.start().await, Ok(false));
        assert_eq!(l.stop().await, Ok(true));
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let wanted = [
        "loop started",
        "pausing loop for 2s",
        "loop not started: it runs already",
        "loop exited",
    ];
    let found: Vec<_> = text
        .lines()
        .filter(|line| line.contains("My super loop"))
        .filter_map(|line| wanted.iter().find(|w| line.contains(**w)))
        .collect();
    assert_eq!(found, wanted.iter().collect::<Vec<_>>(), "{text}");
}
