//! What a client is doing at one moment.

use actogram_runtime::Snapshot;
use serde::Serialize;

use crate::Client;

/// What a client is doing at one moment: its actors, handlers and loops as one tree, its calls, its connection.
///
/// It serializes to JSON: times in milliseconds, or as their names say.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ClientSnapshot {
    /// The account's name in its session.
    pub account: String,
    /// The account's user id, if somebody is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
    /// Why the account cannot go on, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Calls that have not ended.
    pub calls_in_flight: usize,
    /// Errors that nobody awaited: of detached calls, strands and loops.
    pub unawaited_errors: u64,
    /// The actors: those of the account, the dispatcher that gives updates to handlers, those of event handlers, and the loops.
    ///
    /// Each says in `details` what its own figures are: the connection which datacenter it is connected to, the actor of
    /// calls how many sleep and in which flood waits, that of updates where it stands and how many are with handlers.
    pub tree: Snapshot,
}

impl Client {
    /// What the client is doing at this moment. Cheap enough to be asked for every second.
    ///
    /// ```no_run
    /// # use actogram::prelude::*;
    /// # fn look(client: &Client) {
    /// let now = client.snapshot();
    /// let hello = now.tree.root.find("My super loop");
    /// println!("{}", serde_json::to_string_pretty(&now).unwrap());
    /// # }
    /// ```
    pub fn snapshot(&self) -> ClientSnapshot {
        self.viewer().snapshot()
    }

    pub(crate) fn viewer(&self) -> Viewer {
        Viewer {
            api: self.api.clone(),
            dispatcher: self.dispatcher.handle(),
            event_actors: self.event_actors.clone(),
            loops: self.loops.clone(),
        }
    }
}

/// What it takes to look into a client, apart from the client.
#[derive(Clone)]
pub(crate) struct Viewer {
    api: crate::Api,
    dispatcher: actogram_runtime::ChildHandle,
    event_actors: crate::dispatcher::EventActors,
    loops: actogram_runtime::LoopRegistry,
}

impl Viewer {
    pub(crate) fn snapshot(&self) -> ClientSnapshot {
        let account = self.api.account();
        let mut parts = vec![account.snapshot(), self.dispatcher.snapshot()];
        parts.extend(self.event_actors.all().iter().map(|one| one.snapshot()));
        parts.extend(self.loops.all().iter().map(|one| one.actor().snapshot()));
        ClientSnapshot {
            account: account.name().to_owned(),
            user_id: account.me_id(),
            stopped: account.stopped().map(|reason| reason.to_string()),
            calls_in_flight: account.calls_in_flight(),
            unawaited_errors: self.api.failures().count(),
            tree: Snapshot::joined(account.name(), "Client", parts),
        }
    }
}
