//! The actor that opens streams to a datacenter and keeps its auth key.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext as _, Handler, Message, SpawnHandle};
use actogram_mtproto::handshake::client::CreatedKey;
use actogram_runtime::SupervisedContext;
use actogram_store::{AuthKeyRecord, SaltRecord, Write};
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::{
    CreateKey, TemporaryKey, UseKey,
    dialer::{Dialer, Way},
};
use crate::{
    config::DatacenterAddress,
    connector::Io,
    events::{AccountEvent, StopReason},
    satellites::Purpose,
    shared::Shared,
};

/// So often in a row must a binding be refused before the permanent key is believed to be unknown, and so old must that be:
/// a new one takes a moment to be known everywhere (<https://core.telegram.org/method/auth.bindTempAuthKey>).
const BINDINGS_REFUSED: u32 = 3;
const KNOWN_EVERYWHERE: i64 = 60;

/// When it is asked for the first time where datacenters are, at the earliest; up to as much later.
const FIRST_REFRESH: Duration = Duration::from_secs(300);

/// A temporary key that was of use for less than this was of no use.
const SHORT_USE: Duration = Duration::from_secs(60);

/// How long a salt is good for (<https://core.telegram.org/mtproto/description#server-salt>).
const SALT_LIFETIME: i64 = 1800;

/// Opens streams to one datacenter, within limits, and keeps its auth key.
///
/// Everything that wants a stream asks it, so the limits hold for the account as a whole.
pub struct DatacenterActor {
    shared: Arc<Shared>,
    dc: i32,
    dialer: Dialer,
    waiting: VecDeque<oneshot::Sender<Dialed>>,
    dialing: bool,
    key: Key,
    /// A key that the datacenter does not take.
    useless: Option<i64>,
    /// While a key is made beside the account's own datacenter.
    making: Option<OwnedMutexGuard<()>>,
    /// How often in a row a temporary key could not be bound because of the permanent one.
    bindings_refused: u32,
    renewal: Option<SpawnHandle>,
    /// Asks where datacenters are, once something is there to ask.
    refresh: Option<SpawnHandle>,
    auth_key: actix::Addr<super::AuthKeyActor>,
}

/// What is known of the key.
///
/// ```text
/// Unread ── in the store ──► Known ◄── stored ── Wanted
///   ▲ └──── not there ────────────────────────────▲
///   └────── of no use, beside the account's own datacenter: another one is read or made
/// ```
#[derive(Debug)]
enum Key {
    Unread,
    Reading,
    Wanted,
    Known(Known),
}

/// A key that is in the store.
#[derive(Debug)]
struct Known {
    key: UseKey,
    /// In unix seconds of this machine.
    created: i64,
}

/// An open stream and where it leads.
pub(crate) struct Dialed {
    pub(crate) io: Box<dyn Io>,
    pub(crate) address: DatacenterAddress,
    pub(crate) way: Way,
}

impl DatacenterActor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        dc: i32,
        auth_key: actix::Addr<super::AuthKeyActor>,
    ) -> Self {
        // The account may have moved since it was put together.
        let dc = if shared.is_satellite() {
            dc
        } else {
            shared.dc()
        };
        Self {
            dialer: dialer(&shared, dc),
            dc,
            waiting: VecDeque::new(),
            dialing: false,
            key: Key::Unread,
            useless: None,
            making: None,
            bindings_refused: 0,
            renewal: None,
            refresh: None,
            auth_key,
            shared,
        }
    }

    fn dial(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.waiting.retain(|waiting| !waiting.is_closed());
        if self.dialing || self.waiting.is_empty() {
            return;
        }
        self.dialing = true;
        let ready_at = self.shared.instant(self.dialer.ready_at());
        let pause = async move { tokio::time::sleep_until(ready_at).await };
        ctx.spawn_body(pause, |actor, _, ctx| {
            actor.dialing = false;
            actor.waiting.retain(|waiting| !waiting.is_closed());
            if !actor.waiting.is_empty() {
                actor.attempt(ctx);
            }
        });
    }

    fn attempt(&mut self, ctx: &mut SupervisedContext<Self>) {
        let now = self.shared.monotonic();
        // A failure may have been reported while this attempt waited for its turn.
        if self.dialer.ready_at() > now {
            self.dial(ctx);
            return;
        }
        let Some((address, way)) = self.dialer.begin(now) else {
            self.shared.stop(StopReason::Failed(format!(
                "no address of datacenter {} is known",
                self.dc
            )));
            self.waiting.clear();
            return;
        };
        self.dialing = true;
        let connector = &self.shared.config.connector;
        let (connecting, patience) = (connector.connect(&address), connector.patience());
        let body = async move { tokio::time::timeout(patience, connecting).await };
        ctx.spawn_body(body, move |actor, ended, ctx| {
            actor.dialing = false;
            let why = match ended {
                Ok(Ok(Ok(io))) => {
                    actor.give(Dialed { io, address, way });
                    actor.dial(ctx);
                    return;
                }
                Ok(Ok(Err(error))) => error.to_string(),
                Ok(Err(_)) => format!("no answer within {patience:?}"),
                Err(error) => error.to_string(),
            };
            actor.failed(&address.to_string(), why);
            actor.dial(ctx);
        });
    }

    fn give(&mut self, mut dialed: Dialed) {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(dialed) {
                Ok(()) => return,
                Err(back) => dialed = back,
            }
        }
    }

    fn failed(&mut self, address: &str, why: String) {
        let now = self.shared.monotonic();
        self.dialer.failed(now, self.shared.jitter());
        self.shared.emit(AccountEvent::ConnectFailed {
            dc: self.dc,
            address: address.to_owned(),
            why,
            retry_in: self.dialer.ready_at().saturating_sub(now),
        });
    }

    fn hand_out_key(&mut self, ctx: &mut SupervisedContext<Self>) {
        match &self.key {
            Key::Known(known) if self.shared.has_forward_secrecy() => {
                let permanent = known.key.clone();
                self.hand_out_temporary_key(&permanent, ctx);
            }
            Key::Known(known) => {
                if let Some(addresses) = self.shared.addresses() {
                    addresses.connection.do_send(known.key.clone());
                }
            }
            Key::Wanted => self.create_key(None),
            Key::Reading => {}
            Key::Unread => self.read_key(ctx),
        }
    }

    fn create_key(&self, expires_in: Option<i32>) {
        let dc = self.dc;
        self.auth_key.do_send(CreateKey { dc, expires_in });
    }

    fn hand_out_temporary_key(&mut self, permanent: &UseKey, ctx: &mut SupervisedContext<Self>) {
        let server = self.server_second(permanent.time_offset);
        let keys = self.shared.temporary_keys();
        let found = keys.find(self.shared.site(), self.dc, permanent.key.id(), server);
        let Some(temporary) = found else {
            return self.create_key(Some(TemporaryKey::lifetime(self.shared.jitter())));
        };
        if let Some(addresses) = self.shared.addresses() {
            let key = temporary.instead_of(permanent);
            addresses.connection.do_send(key);
        }
        let renew = ctx.run_later(temporary.renewal_in(server), |actor, ctx| {
            actor.renewal = None;
            if let Key::Known(known) = &actor.key {
                let permanent = known.key.clone();
                actor.hand_out_temporary_key(&permanent, ctx);
            }
        });
        if let Some(former) = self.renewal.replace(renew) {
            ctx.cancel_future(former);
        }
    }

    fn server_second(&self, time_offset: i64) -> i64 {
        self.shared.now().unix_seconds().saturating_add(time_offset)
    }

    /// A temporary key is not used any more, before its time.
    fn drop_temporary_key(&mut self, id: i64) {
        let keys = self.shared.temporary_keys();
        let dropped = keys.drop_key(self.shared.site(), id);
        let now = self.shared.monotonic();
        if dropped.is_some_and(|key| now.saturating_sub(key.made_at) < SHORT_USE) {
            self.dialer.failed(now, self.shared.jitter());
        }
    }

    /// The key is of no use. Another satellite may have made a new one already.
    fn replace_key(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.bindings_refused = 0;
        if let Key::Known(known) = &self.key {
            self.useless = Some(known.key.key.id());
            self.key = Key::Unread;
        }
        self.hand_out_key(ctx);
    }

    /// Addresses change over the years. Whoever runs for long asks as often as it is told to.
    fn refresh_in(&mut self, pause: Duration, ctx: &mut SupervisedContext<Self>) {
        let refresh = ctx.run_later(pause, |actor, ctx| {
            let shared = actor.shared.clone();
            ctx.spawn_body(
                async move { shared.refresh_options().await },
                |actor, good_for, ctx| {
                    actor
                        .dialer
                        .set_addresses(addresses(&actor.shared, actor.dc));
                    actor.refresh_in(good_for.unwrap_or(FIRST_REFRESH), ctx);
                },
            );
        });
        self.refresh = Some(refresh);
    }

    fn read_key(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.key = Key::Reading;
        let (shared, maker) = (self.shared.clone(), self.shared.key_maker());
        let load = async move {
            let making = match maker {
                Some(maker) => Some(maker.lock_owned().await),
                None => None,
            };
            shared.store.load().await.map(|record| (record, making))
        };
        ctx.spawn_body(load, |actor, record, ctx| {
            let (record, making) = match record {
                Ok(Ok(record)) => record,
                Ok(Err(error)) => {
                    actor.shared.emit(AccountEvent::StoreFailed {
                        why: error.to_string(),
                    });
                    // The next life reads again, after its back-off.
                    ctx.fail(error);
                    return;
                }
                Err(error) => {
                    ctx.fail(error);
                    return;
                }
            };
            let (dc, kind) = (actor.dc, actor.shared.key_kind());
            let useful = |key: &&AuthKeyRecord| {
                key.dc == dc && key.kind == kind && Some(key.key.id()) != actor.useless
            };
            actor.key = match record.auth_keys.iter().find(useful) {
                None if actor.shared.has_accounts_key() => {
                    actor.shared.stop(StopReason::Failed(format!(
                        "datacenter {dc} says that it does not know the account's key"
                    )));
                    return;
                }
                None => {
                    actor.making = making;
                    Key::Wanted
                }
                Some(key) => Key::Known(Known {
                    created: key.created,
                    key: UseKey {
                        key: key.key.clone(),
                        salt: record
                            .salts
                            .get(&dc)
                            .and_then(|salts| salts.last())
                            .map_or(0, |salt| salt.salt),
                        time_offset: record.time_offsets.get(&dc).copied().unwrap_or(0),
                        forward_secrecy: None,
                    },
                }),
            };
            actor.hand_out_key(ctx);
        });
    }
}

fn addresses(shared: &Shared, dc: i32) -> Vec<DatacenterAddress> {
    // A satellite has nothing but its own addresses, whatever they are for.
    if shared.is_satellite() {
        shared.config.addresses.clone()
    } else {
        shared.candidates(dc, Purpose::Calls)
    }
}

fn dialer(shared: &Shared, dc: i32) -> Dialer {
    let config = &shared.config;
    let mut ways = Way::all(config.transport, config.obfuscated);
    if !config.other_transports {
        ways.truncate(1);
    }
    Dialer::new(addresses(shared, dc), ways, config.connect_limits.clone())
}

impl Actor for DatacenterActor {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // What a former life was about to do for the connection.
        if self.shared.addresses().is_some() && self.shared.stopped().is_none() {
            self.hand_out_key(ctx);
        }
    }
}

/// A wish for a stream. Dropping the receiver takes it back.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Dial(pub(crate) oneshot::Sender<Dialed>);

impl Handler<Dial> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, Dial(wish): Dial, ctx: &mut Self::Context) {
        self.waiting.push_back(wish);
        self.dial(ctx);
    }
}

/// The datacenter has proven over this connection that it knows the key.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ConnectionWorked;

impl Handler<ConnectionWorked> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, ConnectionWorked: ConnectionWorked, ctx: &mut Self::Context) {
        self.dialer.worked();
        if self.refresh.is_none() && !self.shared.is_satellite() {
            let jitter = FIRST_REFRESH.mul_f64(self.shared.jitter());
            self.refresh_in(FIRST_REFRESH + jitter, ctx);
        }
    }
}

/// A connection ended before anything was proven over it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ConnectionLost {
    pub(crate) address: String,
    pub(crate) why: String,
}

impl Handler<ConnectionLost> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, lost: ConnectionLost, _: &mut Self::Context) {
        self.dialer.was_mute();
        self.failed(&lost.address, lost.why);
    }
}

/// The connection has no key, or a new life.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WantKey;

impl Handler<WantKey> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, WantKey: WantKey, ctx: &mut Self::Context) {
        // The store knows salts and offsets that came since: it is asked again, unless there is no key at all.
        if matches!(self.key, Key::Known(_)) {
            self.key = Key::Unread;
        }
        self.hand_out_key(ctx);
    }
}

/// A key was agreed on.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct KeyCreated {
    pub(crate) dc: i32,
    pub(crate) created: CreatedKey,
}

impl Handler<KeyCreated> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, KeyCreated { dc, created }: KeyCreated, ctx: &mut Self::Context) {
        let permanent = created.expires_at.is_none();
        if let Key::Known(known) = &self.key
            && dc == self.dc
            && !permanent
        {
            self.dialer.worked();
            let made_at = self.shared.monotonic();
            let key = TemporaryKey::new(&created, dc, known.key.key.id(), made_at);
            if let Some(key) = key {
                self.shared.temporary_keys().put(self.shared.site(), key);
            }
            return self.hand_out_key(ctx);
        }
        if dc != self.dc || !permanent || !matches!(self.key, Key::Wanted) {
            // Not what is wanted any more; what is, had to wait for this.
            return self.hand_out_key(ctx);
        }
        self.dialer.worked();
        let now = self.shared.now().unix_seconds();
        let record = AuthKeyRecord {
            dc,
            kind: self.shared.key_kind(),
            key: created.key.clone(),
            created: now,
        };
        let valid_since = now.saturating_add(created.time_offset);
        let salt = SaltRecord {
            valid_since,
            valid_until: valid_since.saturating_add(SALT_LIFETIME),
            salt: created.salt,
        };
        let main = (!self.shared.is_satellite()).then_some(Write::MainDc(dc));
        // On the disk before it is used: a key that only the server remembers would be a session nobody can end.
        let writes = [
            Write::AuthKey(record),
            Write::Salts {
                dc,
                salts: vec![salt],
            },
            Write::TimeOffset {
                dc,
                seconds: created.time_offset,
            },
        ];
        let writes = writes.into_iter().chain(main).collect();
        let stored = self.shared.store.write_synced(writes);
        ctx.spawn_body(stored, move |actor, stored, ctx| match stored {
            Ok(Ok(())) => {
                actor.making = None;
                actor.key = Key::Known(Known {
                    created: now,
                    key: UseKey {
                        key: created.key,
                        salt: created.salt,
                        time_offset: created.time_offset,
                        forward_secrecy: None,
                    },
                });
                actor.hand_out_key(ctx);
            }
            Ok(Err(error)) => {
                actor.shared.emit(AccountEvent::StoreFailed {
                    why: error.to_string(),
                });
                ctx.fail(error);
            }
            Err(error) => ctx.fail(error),
        });
    }
}

/// The actor that makes keys has a new life.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct NoKeyIsMade;

impl Handler<NoKeyIsMade> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, NoKeyIsMade: NoKeyIsMade, ctx: &mut Self::Context) {
        if self.shared.stopped().is_none() {
            self.hand_out_key(ctx);
        }
    }
}

/// The datacenter does not know the temporary key with this id, or not whom it speaks for.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct TemporaryKeyUseless(pub(crate) i64);

impl Handler<TemporaryKeyUseless> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, useless: TemporaryKeyUseless, ctx: &mut Self::Context) {
        self.drop_temporary_key(useless.0);
        self.hand_out_key(ctx);
    }
}

/// The datacenter has let a temporary key speak for the permanent one, or has refused to, since it does not know that.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct BindingEnded {
    /// The temporary key's id.
    pub(crate) key: i64,
    pub(crate) refused: bool,
}

impl Handler<BindingEnded> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, BindingEnded { key, refused }: BindingEnded, ctx: &mut Self::Context) {
        if !refused {
            self.bindings_refused = 0;
            return;
        }
        self.bindings_refused += 1;
        self.drop_temporary_key(key);
        let now = self.shared.now().unix_seconds();
        // Beside the account's own datacenter another one costs little.
        let may_go = self.shared.is_satellite();
        let is_old =
            |known: &Known| may_go || known.created.saturating_add(KNOWN_EVERYWHERE) <= now;
        if self.bindings_refused >= BINDINGS_REFUSED
            && matches!(&self.key, Key::Known(known) if is_old(known))
        {
            return self.key_unknown(ctx);
        }
        self.hand_out_key(ctx);
    }
}

/// Transport error -404 on several connections in a row.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct KeyUnknown;

impl DatacenterActor {
    fn key_unknown(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.shared.is_satellite() {
            // Not for the account to stop at. The error is not authenticated: its own key is not replaced for it either.
            self.replace_key(ctx);
            return;
        }
        // The key stays in the store: the error is not authenticated.
        self.shared.stop(StopReason::AuthKeyUnknown { dc: self.dc });
    }
}

impl Handler<KeyUnknown> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, KeyUnknown: KeyUnknown, ctx: &mut Self::Context) {
        self.key_unknown(ctx);
    }
}

/// The key was forgotten on purpose, or is of no use: make another.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct NewKey;

impl Handler<NewKey> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, NewKey: NewKey, ctx: &mut Self::Context) {
        if self.shared.is_satellite() {
            self.replace_key(ctx);
            return;
        }
        self.shared.temporary_keys().clear();
        self.bindings_refused = 0;
        self.key = Key::Wanted;
        self.hand_out_key(ctx);
    }
}

/// The account lives in another datacenter now.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Moved(pub(crate) i32);

impl Handler<Moved> for DatacenterActor {
    type Result = ();

    fn handle(&mut self, Moved(dc): Moved, ctx: &mut Self::Context) {
        self.dc = dc;
        self.dialer = dialer(&self.shared, dc);
        // Who waits for a stream waits for one to the former datacenter.
        self.waiting.clear();
        self.useless = None;
        self.bindings_refused = 0;
        self.key = Key::Unread;
        self.hand_out_key(ctx);
    }
}
