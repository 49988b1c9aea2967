//! What the two web services share: an account at a local datacenter, and its loops.

use std::{future::pending, sync::Arc, time::Duration};

use actix::Addr;
use actogram::{
    LocalPerson, LoopActor,
    prelude::*,
    runtime::{AnyLoop, LoopError, LoopRegistry, LoopStatus, RegistryError, Signal, SignalOutcome},
};
use actogram_local_datacenter::LocalDatacenter;

/// Writes what it is signalled into Saved Messages.
#[derive(Clone)]
pub(crate) struct Diary;

impl SignalLoop for Diary {
    type Signal = String;

    fn name(&self) -> String {
        "diary".to_owned()
    }

    async fn run(&mut self, cx: &mut LoopCx<String>) -> std::result::Result<(), LoopError> {
        use actogram::runtime::Waited::{Done, Signal};
        loop {
            match cx.wait_signal(pending()).await? {
                Signal(entry) => drop(cx.api().send_message("me", entry).await?),
                Done(never) => return never,
            }
            cx.turn();
        }
    }
}

/// The loops of an account, for whoever serves requests: by name, and the diary by its address.
#[derive(Clone)]
pub(crate) struct Loops {
    by_name: LoopRegistry,
    pub(crate) diary: Addr<LoopActor<Diary>>,
}

impl Loops {
    pub(crate) fn start(client: &Client) -> Self {
        client.periodic_loop(
            "ticker",
            Duration::from_millis(20),
            async |_: &mut LoopCx| {
                tracing::debug!("tick");
            },
        );
        let diary = client.spawn_loop(Diary).addr();
        Self {
            by_name: client.loops().clone(),
            diary,
        }
    }

    pub(crate) fn statuses(&self) -> Vec<LoopStatus> {
        self.by_name.statuses()
    }

    pub(crate) fn get(&self, name: &str) -> Result<Arc<dyn AnyLoop>, RegistryError> {
        self.by_name.get(name)
    }

    /// Does to a loop what the last part of the path says. `None`: there is no such thing.
    pub(crate) async fn order(
        &self,
        name: &str,
        order: &str,
    ) -> Result<Option<bool>, RegistryError> {
        let target = self.get(name)?;
        let done = match order {
            "start" => target.start(),
            "stop" => target.stop(),
            "pause" => target.pause(),
            "resume" => target.resume(),
            _ => return Ok(None),
        };
        // A loop whose actor has ended does nothing more.
        Ok(Some(done.await.unwrap_or(false)))
    }

    /// Signals a loop whose signals are texts.
    pub(crate) async fn signal(
        &self,
        name: &str,
        text: String,
    ) -> Result<SignalOutcome, RegistryError> {
        let recipient = self.by_name.signals::<String>(name)?;
        let outcome = recipient.send(Signal(text)).await;
        Ok(outcome.unwrap_or(SignalOutcome::Stopped))
    }
}

/// The HTTP status of a signal's fate.
pub(crate) fn status_of(outcome: SignalOutcome) -> u16 {
    match outcome {
        SignalOutcome::Delivered | SignalOutcome::Queued => 202,
        SignalOutcome::Full => 503,
        SignalOutcome::Stopped => 409,
    }
}

/// The HTTP status of a loop that could not be reached by its name.
pub(crate) fn status_of_error(error: &RegistryError) -> u16 {
    match error {
        RegistryError::OtherSignal { .. } => 422,
        _ => 404,
    }
}

/// A datacenter in this process, and a person who has signed up at it. A program for Telegram has
/// `Client::from_env()?.connect().await?` here.
pub(crate) async fn local_account() -> Result<(LocalDatacenter, Client)> {
    let datacenter = LocalDatacenter::builder()
        .start()
        .await
        .map_err(Error::user)?;
    let client = Client::builder(":memory:")
        .local_datacenter(&datacenter)
        .connect()
        .await?;
    client
        .log_in(&mut LocalPerson::new(&datacenter, "9996621111"))
        .await?;
    Ok((datacenter, client))
}
