//! Datacenters beside the account's own: each with a key, a connection and, where it needs one, a login of its own.
//!
//! A satellite is made when something is to be called there, and ends when nothing was for a while. It has the actors an
//! account has for its calls ([`ApiActor`], [`ConnectionActor`], [`DatacenterActor`], [`AuthKeyActor`]), under the account's
//! supervisor, but follows no updates. A login is carried over by `auth.exportAuthorization` and `auth.importAuthorization`
//! when the datacenter says that it knows of none (<https://core.telegram.org/api/datacenter>).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, AsyncContext as _, Handler, Message};
use actogram_runtime::{SupervisedContext, Supervisor, supervise};
use actogram_store::AccountRecord;
use actogram_tl::{Decode as _, Encode as _, enums, functions};
use bytes::Bytes;
use tokio::{
    sync::{Mutex as AsyncMutex, oneshot},
    time::Instant,
};

use crate::{
    api::{ApiActor, CallPolicy},
    channels::Channels,
    datacenter::{AuthKeyActor, ConnectionActor, DatacenterActor, LeaveSession, NewKey},
    error::CallError,
    shared::{Addresses, Shared},
};

/// A satellite that nobody has called for so long ends.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is looked for those.
const LOOK: Duration = Duration::from_secs(15);

/// A call is sent from datacenter to datacenter so often at most.
const MOST_HOPS: u32 = 3;

/// An export is good for one try and a short time: so many are made.
const LOGIN_TRIES: u32 = 2;

/// Where something is called, and over which of the connections there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Site {
    pub(crate) dc: i32,
    pub(crate) purpose: Purpose,
}

/// What a connection is for: files do not stand in the way of other calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Purpose {
    /// Calls that the account's own datacenter has sent there.
    Calls,
    /// Parts of files, over one of several connections.
    Files(u8),
    /// Parts of files that a CDN has.
    Cdn,
}

/// A datacenter beside the account's own.
pub(crate) struct Satellite {
    pub(crate) shared: Arc<Shared>,
    group: Supervisor,
    busy: AtomicUsize,
    used: Mutex<Instant>,
    /// How often a login was carried over.
    logins: AtomicU64,
    login: AsyncMutex<()>,
}

impl Satellite {
    /// Begins a call.
    fn enter(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(self.clone())
    }

    fn is_idle(&self, now: Instant) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.busy.load(Ordering::Acquire) == 0 && now.duration_since(used) >= IDLE
    }

    /// The key itself is no good there any more.
    fn renew_key(&self) {
        if let Some(addresses) = self.shared.addresses() {
            addresses.connection.do_send(LeaveSession);
            addresses.datacenter.do_send(NewKey);
        }
    }

    fn end(&self) {
        self.shared.close();
        self.group.stop();
    }

    /// Carries the account's login over, unless somebody did since `seen`.
    async fn log_in(&self, main: &Arc<Shared>, seen: u64) -> Result<(), CallError> {
        let _alone = self.login.lock().await;
        if self.logins.load(Ordering::Acquire) != seen {
            return Ok(());
        }
        let dc_id = self.shared.dc();
        let mut last = CallError::Retry("no login was carried over".to_owned());
        for _ in 0..LOGIN_TRIES {
            let export = functions::auth::ExportAuthorization { dc_id };
            let exported = call(main, &export).await?;
            let enums::auth::ExportedAuthorization::ExportedAuthorization(exported) = exported;
            let import = functions::auth::ImportAuthorization {
                id: exported.id,
                bytes: exported.bytes,
            };
            match call(&self.shared, &import).await {
                Ok(_) => {
                    self.logins.fetch_add(1, Ordering::AcqRel);
                    return Ok(());
                }
                Err(error @ CallError::Rpc { code: 401, .. }) => {
                    self.renew_key();
                    last = error;
                }
                Err(error @ CallError::Rpc { .. }) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

/// What has to be made anew before a call can be made again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    Login,
    Key,
}

impl Gone {
    fn of(error: &CallError) -> Option<Self> {
        match error {
            CallError::Rpc { code: 401, .. } => Some(Self::Login),
            CallError::Rpc { code: 406, message } if message == "AUTH_KEY_DUPLICATED" => {
                Some(Self::Key)
            }
            _ => None,
        }
    }
}

async fn call<F: actogram_tl::Function>(
    shared: &Arc<Shared>,
    function: &F,
) -> Result<F::Response, CallError> {
    let answer = shared.invoke(function.to_bytes(), CallPolicy::default(), None);
    F::Response::from_bytes(answer.await?).map_err(|error| {
        let why = format!("{} was answered by something else: {error}", F::NAME);
        CallError::Bug(why)
    })
}

/// A call under way: while there is one, the satellite stays.
struct Busy(Arc<Satellite>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    /// Calls a method at another datacenter, or over another connection, with the account's login there.
    pub(crate) async fn call_at(
        self: &Arc<Self>,
        mut site: Site,
        body: Bytes,
        policy: CallPolicy,
    ) -> Result<Bytes, CallError> {
        let mut hops = 0;
        loop {
            let busy = self.reach(site).await?;
            let satellite = &busy.0;
            let seen = satellite.logins.load(Ordering::Acquire);
            let mut answer = satellite
                .shared
                .invoke(body.clone(), policy.clone(), None)
                .await;
            // At the account's own datacenter it is the same key: then the account is logged out.
            if let Err(error) = &answer
                && let Some(gone) = Gone::of(error)
                && site.dc != self.dc()
                && site.purpose != Purpose::Cdn
            {
                if gone == Gone::Key {
                    satellite.renew_key();
                }
                satellite.log_in(self, seen).await?;
                let again = satellite.shared.invoke(body.clone(), policy.clone(), None);
                answer = again.await;
            }
            match answer {
                Err(CallError::Migration { dc, .. })
                    if hops < MOST_HOPS && site.purpose == Purpose::Calls =>
                {
                    hops += 1;
                    site.dc = dc;
                }
                // That one alone: another is made for the next call.
                Err(CallError::Stopped(why)) if self.stopped().is_none() => {
                    return Err(CallError::Retry(why.to_string()));
                }
                answer => return answer,
            }
        }
    }

    /// Sees to it that there is a key at this datacenter, in the store, under which the account is logged in: by a call that
    /// needs a login, which may be there from before.
    pub(crate) async fn log_in_at(self: &Arc<Self>, dc: i32) -> Result<(), CallError> {
        let purpose = Purpose::Calls;
        let id = vec![enums::InputUser::InputUserSelf];
        let body = functions::users::GetUsers { id }.to_bytes();
        let told = self.call_at(Site { dc, purpose }, body, CallPolicy::default());
        told.await.map(drop)
    }

    /// The satellite there, which is made if there is none.
    async fn reach(self: &Arc<Self>, site: Site) -> Result<Busy, CallError> {
        self.locate(site.dc, site.purpose).await?;
        let Some(addresses) = self.addresses() else {
            return Err(CallError::Retry(
                "the account is being put together".to_owned(),
            ));
        };
        let (told, found) = oneshot::channel();
        addresses.satellites.do_send(Reach { site, told });
        let lost = |_| CallError::Retry("the actor of other datacenters failed".to_owned());
        found.await.map_err(lost)
    }
}

/// The satellites of an account.
pub(crate) type Table = Arc<Mutex<BTreeMap<Site, Arc<Satellite>>>>;

/// Makes satellites on the account's thread, and ends those that nobody uses.
pub(crate) struct SatellitesActor {
    main: Arc<Shared>,
    root: Supervisor,
    /// Made with the first satellite: most accounts have none.
    group: Option<Supervisor>,
    table: Table,
}

impl SatellitesActor {
    pub(crate) fn new(main: Arc<Shared>, root: Supervisor) -> Self {
        let table = main.satellites.clone();
        Self {
            main,
            root,
            group: None,
            table,
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<Site, Arc<Satellite>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&mut self, site: Site) -> Option<Arc<Satellite>> {
        let main = self.main.addresses()?;
        let name = match site.purpose {
            Purpose::Calls => format!("datacenter {}", site.dc),
            Purpose::Files(lane) => format!("files at {}, {lane}", site.dc),
            Purpose::Cdn => format!("cdn {}", site.dc),
        };
        let root = &self.root;
        let group = self
            .group
            .get_or_insert_with(|| root.group("datacenters").start());
        let group = group.group(name).start();
        let channels = Channels::new(group.clone(), &AccountRecord::default().channels);
        let shared = Arc::new(Shared::satellite(&self.main, site, channels));
        let auth_key = {
            let shared = shared.clone();
            supervise(move |_| AuthKeyActor::new(shared.clone()))
                .name("auth key")
                .under(&group)
                .start()
        };
        let datacenter = {
            let (shared, dc) = (shared.clone(), site.dc);
            let make = move |_: &mut _| DatacenterActor::new(shared.clone(), dc, auth_key.clone());
            supervise(make).name("datacenter").under(&group).start()
        };
        let connection = {
            let shared = shared.clone();
            supervise(move |_| ConnectionActor::new(shared.clone()))
                .name("connection")
                .under(&group)
                .start()
        };
        let api = {
            let shared = shared.clone();
            supervise(move |_| ApiActor::new(shared.clone()))
                .name("api")
                .under(&group)
                .start()
        };
        shared.introduce(Addresses {
            api,
            datacenter,
            connection,
            updates: main.updates.clone(),
            transfers: main.transfers.clone(),
            satellites: main.satellites.clone(),
        });
        Some(Arc::new(Satellite {
            shared,
            group,
            busy: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
            logins: AtomicU64::new(0),
            login: AsyncMutex::new(()),
        }))
    }

    fn look(&self, ctx: &mut SupervisedContext<Self>) {
        let now = Instant::now();
        let mut table = self.table();
        table.retain(|_, satellite| {
            let idle = satellite.is_idle(now);
            if idle {
                satellite.end();
            }
            !idle
        });
        if !table.is_empty() {
            ctx.run_later(LOOK, |actor, ctx| actor.look(ctx));
        }
    }
}

impl Actor for SatellitesActor {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // A former life may have left some.
        self.look(ctx);
    }
}

/// Asks for a satellite.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Reach {
    site: Site,
    told: oneshot::Sender<Busy>,
}

impl Handler<Reach> for SatellitesActor {
    type Result = ();

    fn handle(&mut self, Reach { site, told }: Reach, ctx: &mut Self::Context) {
        let present = self.table().get(&site).cloned();
        let present = present.filter(|satellite| {
            let usable = satellite.shared.stopped().is_none();
            if !usable {
                satellite.end();
            }
            usable
        });
        let satellite = match present {
            Some(satellite) => satellite,
            None => {
                let Some(satellite) = self.make(site) else {
                    return;
                };
                let first = self.table().is_empty();
                self.table().insert(site, satellite.clone());
                if first {
                    ctx.run_later(LOOK, |actor, ctx| actor.look(ctx));
                }
                satellite
            }
        };
        // Whoever asked may be gone.
        drop(told.send(satellite.enter()));
    }
}
