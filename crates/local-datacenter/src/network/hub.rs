//! Where connections, sessions and the world meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actogram_crypto::{Side, random::Random};
use actogram_mtproto::{
    handshake::{HandshakeSlots, server::NewKey},
    session::{
        Opened, ServerSalts, ToSeal,
        server::{Event, ServerSession, Strictness},
    },
    transport::{SeenHeaders, error_code},
};
use actogram_tl::{Encode, enums};
use bytes::BytesMut;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Attacks, Clock, KeySharing, RandomSource, WireFaults,
    attack::Sent,
    sessions::{ConnectionId, SessionId, Sessions},
};
use crate::{
    model::{Endpoint, KeyEntry, KeyRecord, Outcome, Revocation, Role, World},
    rpc::CallContext,
};

/// What all connections of a datacenter share.
pub(crate) struct HubConfig {
    pub(crate) clock: Clock,
    pub(crate) random: RandomSource,
    pub(crate) inline_crypto: bool,
}

pub(crate) struct Hub {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) clock: Clock,
    pub(crate) slots: HandshakeSlots,
    pub(crate) seen_headers: Arc<Mutex<SeenHeaders>>,
    pub(crate) faults: WireFaults,
    pub(crate) attacks: Attacks,
    pub(crate) inline_crypto: bool,
    /// The world's deadlines may have changed.
    pub(crate) rescheduled: Notify,
    state: Mutex<State>,
}

pub(super) struct State {
    sessions: Sessions,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) sharing: KeySharing,
    next_connection: ConnectionId,
    random: RandomSource,
    strictness: Strictness,
    /// Keys that are gone. Their connections end as soon as what they still have to say is said.
    doomed: BTreeSet<i64>,
}

pub(super) struct Connection {
    /// Something is to be sent.
    wake: Arc<Notify>,
    pub(super) cancel: CancellationToken,
    pub(super) address: IpAddr,
    pub(super) role: Role,
    pub(super) sessions: BTreeSet<SessionId>,
    /// Not of a session.
    forged: Vec<Sent>,
    disconnect_at: Option<Duration>,
}

/// What a connection is handed when it opens.
pub(crate) struct Opening {
    pub(crate) id: ConnectionId,
    pub(crate) wake: Arc<Notify>,
    pub(crate) cancel: CancellationToken,
    pub(crate) random: Box<dyn Random>,
    pub(crate) transport_random: Box<dyn Random>,
}

/// Why a payload ends its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// With this transport error.
    Error(i32),
    /// Without a word.
    Silently,
}

/// Half-open key exchanges, of one address and of all (<https://core.telegram.org/mtproto/auth_key>).
const EXCHANGES_PER_PEER: usize = 256;
const EXCHANGES: usize = 4096;

/// How many obfuscation headers are remembered against replays.
const HEADERS: usize = 65_536;

impl Hub {
    pub(crate) fn new(world: Arc<Mutex<World>>, mut config: HubConfig) -> Arc<Self> {
        Arc::new(Self {
            world,
            clock: config.clock.clone(),
            slots: HandshakeSlots::new(EXCHANGES_PER_PEER, EXCHANGES),
            seen_headers: Arc::new(Mutex::new(SeenHeaders::new(HEADERS))),
            faults: WireFaults::default(),
            attacks: Attacks::new((config.random)()),
            inline_crypto: config.inline_crypto,
            rescheduled: Notify::new(),
            state: Mutex::new(State {
                sessions: Sessions::new(config.clock.clone()),
                connections: BTreeMap::new(),
                sharing: KeySharing::default(),
                next_connection: 0,
                random: config.random,
                strictness: Strictness::default(),
                doomed: BTreeSet::new(),
            }),
        })
    }

    // Neither lock is held over an await. Where both are needed, the state's comes first.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, address: IpAddr, role: Role) -> Opening {
        let mut state = self.state();
        let id = state.next_connection;
        state.next_connection += 1;
        let (wake, cancel) = (Arc::new(Notify::new()), CancellationToken::new());
        let (random, transport_random) = ((state.random)(), (state.random)());
        state.connections.insert(
            id,
            Connection {
                wake: wake.clone(),
                cancel: cancel.clone(),
                address,
                role,
                sessions: BTreeSet::new(),
                forged: Vec::new(),
                disconnect_at: None,
            },
        );
        Opening {
            id,
            wake,
            cancel,
            random,
            transport_random,
        }
    }

    pub(crate) fn close(&self, id: ConnectionId) {
        let now = self.clock.now().monotonic;
        let mut state = self.state();
        let Some(connection) = state.connections.remove(&id) else {
            return;
        };
        for session in connection.sessions {
            if let Some((entry, _)) = state.sessions.both(session)
                && entry.connection == Some(id)
            {
                entry.connection = None;
                entry.away_since = Some(now);
                entry.session.detached();
            }
            if state.doomed.contains(&session.0) {
                state.bury(session.0);
            }
        }
        drop(state);
        self.rescheduled.notify_one();
    }

    pub(crate) fn key_exists(&self, id: i64) -> bool {
        self.world().key(id).is_some()
    }

    /// Keeps a new key of this datacenter. Only then may its client be told.
    pub(crate) fn add_key(&self, dc_id: i32, new: &NewKey) -> bool {
        let now = self.clock.unix();
        self.state().sessions.new_key(
            new.key.id(),
            ServerSalts::new(now.as_secs() as i64, new.salt),
        );
        match self
            .world()
            .add_key(now, dc_id, new.key.clone(), new.temporary)
        {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "a new auth key could not be stored");
                false
            }
        }
    }

    /// A key that is good at this datacenter, and still is.
    fn usable_key(&self, id: i64, dc_id: i32) -> Option<KeyRecord> {
        let now = self.clock.unix().as_secs() as i64;
        let record = self.world().key(id)?;
        let is_of_here = record.dc_id.is_none_or(|made_at| made_at == dc_id);
        let is_alive = record.expires_at.is_none_or(|at| i64::from(at) > now);
        (is_of_here && is_alive).then_some(record)
    }

    /// Takes an encrypted payload. Gives the token of its quick acknowledgement.
    pub(crate) fn handle_payload(
        self: &Arc<Self>,
        connection: ConnectionId,
        endpoint: Endpoint,
        address: IpAddr,
        payload: BytesMut,
    ) -> Result<Option<u32>, Close> {
        let key_id = payload
            .first_chunk()
            .map(|id| i64::from_le_bytes(*id))
            .ok_or(Close::Silently)?;
        let KeyRecord {
            key, expires_at, ..
        } = self
            .usable_key(key_id, endpoint.dc_id)
            .ok_or(Close::Error(error_code::AUTH_KEY_NOT_FOUND))?;
        if let Some(refusal) = self.attacks.refusal(&key, &payload, self.clock.unix()) {
            if let Some(connection) = self.state().connections.get_mut(&connection) {
                connection.forged.push(refusal);
            }
            return Ok(None);
        }
        let opened = Opened::open(&key, Side::Client, payload)
            .map_err(|_| Close::Error(error_code::AUTH_KEY_NOT_FOUND))?;
        let token = opened.quick_ack();
        let id = (key_id, opened.session_id());
        let now = self.clock.now();

        let mut guard = self.state();
        let state = &mut *guard;
        if !state.connections.contains_key(&connection) {
            return Err(Close::Silently);
        }
        let (random, strictness) = (&mut state.random, state.strictness);
        let (entry, salts, gone) = state.sessions.enter(id, || {
            let mut session = ServerSession::new(key, id.1, random());
            session.set_strictness(strictness);
            session
        });
        // A copy of an earlier packet says nothing about where the client is: it must not draw the session away.
        let previous = entry.connection;
        let moves = previous != Some(connection)
            && (previous.is_none() || !entry.session.is_replay(&opened));
        if moves {
            entry.connection = Some(connection);
            entry.session.attached();
        }
        entry.expires_at = expires_at;
        entry.session.handle_input(now, opened, salts);
        let events: Vec<_> = std::iter::from_fn(|| entry.session.poll_event()).collect();
        if moves {
            if let Some(other) = previous.and_then(|other| state.connections.get_mut(&other)) {
                other.sessions.remove(&id);
            }
            if let Some(this) = state.connections.get_mut(&connection) {
                this.sessions.insert(id);
            }
        } else if let Some(other) = previous.filter(|other| *other != connection)
            && let Some(other) = state.connections.get(&other)
        {
            // The answer that is asked for once more goes where the session is.
            other.wake.notify_one();
        }
        drop(guard);
        if let Some((key, session)) = gone {
            self.world().session_closed(key, session);
        }
        for event in events {
            self.handle_event(id, connection, endpoint, address, event);
        }
        Ok(Some(token))
    }

    fn handle_event(
        &self,
        id: SessionId,
        connection: ConnectionId,
        endpoint: Endpoint,
        address: IpAddr,
        event: Event,
    ) {
        match event {
            Event::Call { msg_id, body } => {
                let context = CallContext {
                    now: self.clock.unix(),
                    dc_id: endpoint.dc_id,
                    role: endpoint.role,
                    address,
                    auth_key_id: id.0,
                    session_id: id.1,
                    msg_id,
                };
                // The order of answers and updates is the order in which the world made them.
                let mut state = self.state();
                let mut world = self.world();
                if state.find_shared(&world, id, connection) {
                    let permanent = world.state().identity(id.0);
                    world.revoke_login(permanent, Revocation::AuthKeyDuplicated);
                }
                let outcome = world.handle(&context, body);
                drop(world);
                state.deliver(&self.clock, outcome);
                drop(state);
                self.rescheduled.notify_one();
            }
            Event::DestroySession { session_id } => {
                let mut state = self.state();
                let existed = session_id != id.1 && state.sessions.remove((id.0, session_id));
                if let Some((entry, _)) = state.sessions.both(id) {
                    entry.session.session_destroyed(session_id, existed);
                }
                drop(state);
                if existed {
                    self.world().session_closed(id.0, session_id);
                }
            }
            Event::DestroyKey { msg_id } => {
                let existed = self.world().remove_key(id.0).unwrap_or(false);
                let mut state = self.state();
                if let Some((entry, _)) = state.sessions.both(id) {
                    entry
                        .session
                        .key_destroyed(self.clock.now(), msg_id, existed);
                }
                if existed {
                    state.doom(id.0);
                }
            }
            Event::PushesLost => {
                // Now that the client speaks, it listens: behind what is left of the pushes this is not given up itself.
                if let Some((entry, _)) = self.state().sessions.both(id) {
                    let told = enums::Updates::UpdatesTooLong.to_bytes();
                    entry.session.push(self.clock.now(), &told);
                }
            }
            Event::DisconnectAfter(delay) => {
                let at = self.clock.now().monotonic + delay;
                if let Some(connection) = self.state().connections.get_mut(&connection) {
                    connection.disconnect_at = Some(at);
                }
            }
            _ => {}
        }
    }

    /// Hands answers and updates to their sessions.
    pub(crate) fn deliver(&self, outcome: Outcome) {
        self.state().deliver(&self.clock, outcome);
    }

    /// What is to go over a connection, up to about this many bytes, and whether it ends with that.
    pub(crate) fn transmit(&self, connection: ConnectionId, budget: usize) -> (Vec<Sent>, bool) {
        let now = self.clock.now();
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(at_hand) = state.connections.get_mut(&connection) else {
            return (Vec::new(), true);
        };
        let mut sent = std::mem::take(&mut at_hand.forged);
        let (mut bytes, mut last) = (0, false);
        let (mut sessions, mut packets) = (Vec::new(), Vec::new());
        for id in &at_hand.sessions {
            let Some((entry, salts)) = state.sessions.both(*id) else {
                continue;
            };
            if entry.connection != Some(connection) {
                continue;
            }
            if (entry.expires_at).is_some_and(|at| i64::from(at) <= now.unix.as_secs() as i64) {
                sent.push(Sent::Error(error_code::AUTH_KEY_NOT_FOUND));
                last = true;
                continue;
            }
            entry.session.handle_timeout(now);
            while bytes < budget
                && let Some(packet) = entry.session.poll_unsealed(now, salts)
            {
                bytes += packet.size();
                sessions.push(*id);
                packets.push(packet);
            }
            last |= bytes < budget && state.doomed.contains(&id.0);
        }
        drop(guard);
        // Side by side, and nobody else waits for it.
        for (id, packet) in sessions.into_iter().zip(ToSeal::seal_all(packets)) {
            let record = self.attacks.are_ordered().then(|| self.world().key(id.0));
            match record.flatten() {
                None => sent.push(Sent::Packet(packet)),
                Some(record) => {
                    sent.extend(self.attacks.accompany(id, &record.key, packet, now.unix));
                }
            }
        }
        (sent, last)
    }

    /// When a connection wants to be looked at again, and whether it is to be closed by then.
    pub(crate) fn deadline(
        &self,
        connection: ConnectionId,
    ) -> (Option<Duration>, Option<Duration>) {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(at_hand) = state.connections.get(&connection) else {
            return (None, None);
        };
        let disconnect = at_hand.disconnect_at;
        let sessions: Vec<_> = at_hand.sessions.iter().copied().collect();
        let look = sessions
            .into_iter()
            .filter_map(|id| {
                state
                    .sessions
                    .both(id)
                    .and_then(|(entry, _)| entry.session.poll_timeout())
            })
            .min();
        (look, disconnect)
    }

    /// Cuts every connection at hand. Sessions stay.
    pub(crate) fn cut_all(&self) -> usize {
        let state = self.state();
        for connection in state.connections.values() {
            connection.cancel.cancel();
        }
        state.connections.len()
    }

    /// Cuts the connections that carry sessions of this key.
    pub(crate) fn cut_key(&self, key: i64) -> usize {
        let state = self.state();
        let of_key = state
            .connections
            .values()
            .filter(|connection| connection.sessions.iter().any(|(of, _)| *of == key));
        of_key.map(|connection| connection.cancel.cancel()).count()
    }

    /// When a session has waited long enough for its client.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.state().sessions.next_expiry()
    }

    /// Forgets sessions whose clients stayed away.
    pub(crate) fn expire_sessions(&self) {
        let now = self.clock.now().monotonic;
        let gone = self.state().sessions.expire(now);
        let mut world = self.world();
        for (key, session) in gone {
            world.session_closed(key, session);
        }
    }

    pub(crate) fn forget_sessions(&self) {
        let gone = self.state().sessions.clear();
        let mut world = self.world();
        for (key, session) in gone {
            world.session_closed(key, session);
        }
    }

    pub(crate) fn forget_salts(&self) {
        self.state().sessions.forget_salts();
    }

    pub(crate) fn rotate_salts(&self) {
        let second = self.clock.unix().as_secs() as i64;
        let mut state = self.state();
        let mut random = (state.random)();
        for salts in state.sessions.salts_mut() {
            salts.rotate(second, &mut *random);
        }
    }

    /// Destroys a key, as if the datacenter had lost it.
    pub(crate) fn lose_key(&self, key: i64) -> bool {
        let existed = self.world().remove_key(key).unwrap_or(false);
        self.state().sessions.remove_key(key);
        self.cut_key(key);
        existed
    }

    /// Loses the keys that are to be lost.
    pub(crate) fn lose_keys_where(&self, wanted: impl Fn(&KeyEntry) -> bool) -> usize {
        let world = self.world();
        let keys = world.state().keys.iter();
        let keys: Vec<_> = keys
            .filter(|(_, entry)| wanted(entry))
            .map(|(id, _)| *id)
            .collect();
        drop(world);
        keys.iter().filter(|key| self.lose_key(**key)).count()
    }

    pub(crate) fn set_key_sharing(&self, sharing: KeySharing) {
        self.state().sharing = sharing;
    }

    pub(crate) fn set_strictness(&self, strictness: Strictness) {
        self.state().strictness = strictness;
    }

    /// Connections and sessions at hand.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.connections.len(), state.sessions.len())
    }
}

impl State {
    fn deliver(&mut self, clock: &Clock, outcome: Outcome) {
        let now = clock.now();
        let mut touched = BTreeSet::new();
        for answer in outcome.answers {
            let id = (answer.auth_key_id, answer.session_id);
            if let Some((entry, _)) = self.sessions.both(id) {
                entry.session.answer(now, answer.msg_id, &answer.body);
                touched.extend(entry.connection);
            }
        }
        for push in outcome.pushes {
            if let Some((entry, _)) = self.sessions.both((push.auth_key_id, push.session_id)) {
                entry.session.push(now, &push.body);
                touched.extend(entry.connection);
            }
        }
        for connection in touched.iter().filter_map(|id| self.connections.get(id)) {
            connection.wake.notify_one();
        }
        for key in outcome.revoked_keys {
            self.doom(key);
        }
    }

    /// Ends what belongs to a key that is gone. An answer that tells of it goes out first.
    fn doom(&mut self, key: i64) {
        self.doomed.insert(key);
        for connection in self.connections.values() {
            if connection.sessions.iter().any(|(of, _)| *of == key) {
                connection.wake.notify_one();
            }
        }
        self.bury(key);
    }

    /// Forgets the sessions of a doomed key once no connection carries any.
    fn bury(&mut self, key: i64) {
        let carried =
            |connection: &Connection| connection.sessions.iter().any(|(of, _)| *of == key);
        if !self.connections.values().any(carried) {
            self.sessions.remove_key(key);
            self.doomed.remove(&key);
        }
    }
}
