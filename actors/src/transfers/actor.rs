//! The actor that carries a transfer out.

use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Handler, Message, MessageResult};
use actogram_runtime::{RestartPolicy, SupervisedContext, Supervisor, try_supervise};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::{oneshot, watch};

use super::{Job, Progress, SharedJob, Transfer, TransferError, TransferHandle, TransferState};

/// Asks a transfer to ask for no further parts.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct PauseTransfer;

/// Asks a paused transfer to go on.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ResumeTransfer;

/// Ends a transfer, and removes what it has written.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CancelTransfer;

/// Asks a transfer how far it is.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Progress")]
pub struct GetProgress;

/// What its actor tells whoever carries the parts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Run,
    Pause,
    Cancel,
}

/// How often parts are carried out anew after a panic among them.
const MOST_PANICS: u32 = 3;

/// Carries one transfer out. What it does next is decided by its job, which outlives panics of the parts: those in flight
/// are carried out again.
pub(crate) struct TransferActor<J: Job> {
    job: SharedJob<J>,
    order: watch::Sender<Order>,
    progress: watch::Sender<Progress>,
    told: Option<oneshot::Sender<Result<J::Output, TransferError>>>,
    panics: u32,
}

impl<J: Job> TransferActor<J> {
    fn begin(&mut self, ctx: &mut SupervisedContext<Self>) {
        let drive = drive(
            self.job.clone(),
            self.order.subscribe(),
            self.progress.clone(),
        );
        ctx.spawn_body(drive, |actor, ended, ctx| {
            let ended = match ended {
                Ok(ended) => ended,
                Err(error) => {
                    actor.panics += 1;
                    tracing::warn!(%error, "a part of a transfer panicked");
                    if actor.panics < MOST_PANICS {
                        lock(&actor.job).revive();
                        actor.begin(ctx);
                        return;
                    }
                    Err(TransferError::Lost(error.to_string()))
                }
            };
            let state = match &ended {
                Ok(()) => TransferState::Done,
                Err(TransferError::Cancelled) => TransferState::Cancelled,
                Err(_) => TransferState::Failed,
            };
            let mut job = lock(&actor.job);
            report(&actor.progress, &*job, state);
            let lost = || TransferError::Lost("nothing came of it".to_owned());
            let ended = ended.and_then(|()| job.output().ok_or_else(lost));
            job.close();
            drop(job);
            if let Some(told) = actor.told.take() {
                // Whoever waited may be gone.
                drop(told.send(ended));
            }
            actix::ActorContext::stop(ctx);
        });
    }

    fn order(&mut self, order: Order) {
        self.order.send_if_modified(|present| {
            // What is cancelled stays so.
            let changes = *present != order && *present != Order::Cancel;
            if changes {
                *present = order;
            }
            changes
        });
    }
}

fn lock<J>(job: &Mutex<J>) -> std::sync::MutexGuard<'_, J> {
    job.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report<J: Job>(progress: &watch::Sender<Progress>, job: &J, state: TransferState) {
    let (done, total) = job.progress();
    let now = Progress { done, total, state };
    progress.send_if_modified(|before| {
        let changed = *before != now;
        *before = now;
        changed
    });
}

/// Carries parts out until nothing is left to do. No lock is held while one is polled.
async fn drive<J: Job>(
    job: SharedJob<J>,
    mut orders: watch::Receiver<Order>,
    progress: watch::Sender<Progress>,
) -> Result<(), TransferError> {
    let mut flying = FuturesUnordered::new();
    loop {
        let order = *orders.borrow_and_update();
        if order == Order::Cancel {
            lock(&job).cancel();
            flying.clear();
            return Err(TransferError::Cancelled);
        }
        let paused = order == Order::Pause;
        loop {
            let next = lock(&job).next(paused);
            match next {
                Some(flight) => flying.push(flight),
                None => break,
            }
        }
        let state = match paused {
            true => TransferState::Paused,
            false => TransferState::Running,
        };
        report(&progress, &*lock(&job), state);
        if flying.is_empty() && !paused {
            return Ok(());
        }
        tokio::select! {
            // The sender is with the actor, which outlives this.
            _ = orders.changed() => {}
            Some(event) = flying.next() => {
                let settled = lock(&job).settle(event);
                if settled.is_err() {
                    // Whoever hears of the end finds the file closed.
                    while !lock(&job).is_home()
                        && let Some(event) = flying.next().await
                    {
                        // One error is told, the first.
                        let _ = lock(&job).settle(event);
                    }
                    return settled;
                }
            }
        }
    }
}

impl<J: Job> Actor for TransferActor<J> {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let progress = self.progress.subscribe();
        ctx.report_details(move || {
            let Progress { done, total, state } = *progress.borrow();
            [
                ("bytes", done.to_string()),
                (
                    "of",
                    total.map_or_else(|| "?".to_owned(), |it| it.to_string()),
                ),
                ("state", format!("{state:?}")),
            ]
            .into()
        });
        self.begin(ctx);
    }
}

impl<J: Job> Handler<PauseTransfer> for TransferActor<J> {
    type Result = ();

    fn handle(&mut self, PauseTransfer: PauseTransfer, _: &mut Self::Context) {
        self.order(Order::Pause);
    }
}

impl<J: Job> Handler<ResumeTransfer> for TransferActor<J> {
    type Result = ();

    fn handle(&mut self, ResumeTransfer: ResumeTransfer, _: &mut Self::Context) {
        self.order(Order::Run);
    }
}

impl<J: Job> Handler<CancelTransfer> for TransferActor<J> {
    type Result = ();

    fn handle(&mut self, CancelTransfer: CancelTransfer, _: &mut Self::Context) {
        self.order(Order::Cancel);
    }
}

impl<J: Job> Handler<GetProgress> for TransferActor<J> {
    type Result = MessageResult<GetProgress>;

    fn handle(&mut self, GetProgress: GetProgress, _: &mut Self::Context) -> Self::Result {
        MessageResult(*self.progress.borrow())
    }
}

/// Starts transfers on the account's thread.
pub(crate) struct TransfersActor {
    root: Supervisor,
    /// Made with the first transfer: most accounts have none.
    group: Option<Supervisor>,
    number: u64,
}

impl TransfersActor {
    pub(crate) fn new(root: Supervisor) -> Self {
        Self {
            root,
            group: None,
            number: 0,
        }
    }

    /// Starts the actor of a job.
    pub(crate) fn start<J: Job>(&mut self, what: &str, job: J) -> Transfer<J::Output> {
        self.number += 1;
        let root = &self.root;
        let group = self
            .group
            .get_or_insert_with(|| root.group("transfers").start());
        let (done, total) = job.progress();
        let (order, _) = watch::channel(Order::Run);
        let (progress, seen) = watch::channel(Progress {
            done,
            total,
            state: TransferState::Running,
        });
        let (told, outcome) = oneshot::channel();
        let mut actor = Some(TransferActor {
            job: Arc::new(Mutex::new(job)),
            order,
            progress,
            told: Some(told),
            panics: 0,
        });
        let addr = try_supervise(move |_: &mut _| actor.take().ok_or("a transfer has one life"))
            .name(format!("{what} {}", self.number))
            .policy(RestartPolicy::Temporary)
            .under(group)
            .start();
        let handle = TransferHandle {
            pause: addr.clone().recipient(),
            resume: addr.clone().recipient(),
            cancel: addr.clone().recipient(),
            ask: addr.recipient(),
            progress: seen,
        };
        Transfer { handle, outcome }
    }
}

impl Actor for TransfersActor {
    type Context = SupervisedContext<Self>;
}

/// Something to be started on the account's thread.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct BeginTransfer(pub(crate) Box<dyn FnOnce(&mut TransfersActor) + Send>);

impl Handler<BeginTransfer> for TransfersActor {
    type Result = ();

    fn handle(&mut self, BeginTransfer(begin): BeginTransfer, _: &mut Self::Context) {
        begin(self);
    }
}
