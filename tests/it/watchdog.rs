//! A loop that blocks its thread: everything else goes on, and the loop is named.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::{HANG, datacenter, until};
use actogram::{Engine, prelude::*, tl::functions::help::GetConfig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_blocks_its_thread_is_named_and_the_connection_stays_alive() {
    let datacenter = datacenter().await;
    let bot = datacenter
        .operator()
        .create_bot("stiff_bot", "Stiff")
        .unwrap();
    let engine = Engine::builder()
        .standstill(Duration::from_millis(200))
        .start()
        .unwrap();
    let mut blocked = engine.blocked();
    let client = Client::builder(":memory:")
        .local_datacenter(&datacenter)
        .bot_token(bot.token)
        .engine(engine)
        .connect()
        .await
        .unwrap();
    client.start().await.unwrap();
    let free = Arc::new(AtomicBool::new(false));
    let freed = free.clone();
    let stiff = client.generic_loop("stiff", async move |_: &mut LoopCx| {
        while !freed.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    // A busy machine may keep other threads waiting, too.
    let mut next = async |over: bool| {
        loop {
            let told = tokio::time::timeout(HANG, blocked.recv()).await;
            let told = told.expect("nothing is told").unwrap();
            let is_it = told
                .who
                .as_deref()
                .is_some_and(|who| who.ends_with("stiff"));
            if is_it && told.over == over {
                assert_eq!(told.thread, "handlers-0");
                return;
            }
        }
    };
    next(false).await;
    // It blocks still; calls have their answers.
    for _ in 0..100 {
        let answer = tokio::time::timeout(HANG, client.api().invoke(GetConfig {}));
        answer.await.expect("the connection stands still").unwrap();
    }
    let tree = client.snapshot().tree.root;
    assert!(tree.find("stiff").unwrap().blocks_thread);
    assert!(!tree.find("connection").unwrap().blocks_thread);
    free.store(true, Ordering::Relaxed);
    next(true).await;
    until("it rests", || stiff.is_paused()).await;
    client.shutdown(HANG).await;
}
