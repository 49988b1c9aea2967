//! The actor that agrees on an auth key with a datacenter (<https://core.telegram.org/mtproto/auth_key>).

use std::{io, sync::Arc, time::Duration};

use actix::{Actor, Handler, Message};
use actogram_mtproto::{
    handshake::{
        HandshakeError,
        client::{ClientHandshake, ClientHandshakeConfig, CreatedKey},
    },
    transport::{ClientTransport, Frame, FrameError, Obfuscation},
};
use actogram_runtime::SupervisedContext;
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
};

use super::{
    ConnectionLost, Dial, KeyCreated,
    actor::{Dialed, NoKeyIsMade},
    dialer::Way,
};
use crate::{config::DatacenterAddress, connector::Io, events::StopReason, shared::Shared};

/// Agrees on auth keys, each over a connection of its own. What costs milliseconds of CPU runs in the crypto pool.
pub struct AuthKeyActor {
    shared: Arc<Shared>,
    busy: bool,
}

impl AuthKeyActor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            busy: false,
        }
    }
}

impl Actor for AuthKeyActor {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // A former life may have left an exchange unfinished.
        if let Some(addresses) = self.shared.addresses() {
            addresses.datacenter.do_send(NoKeyIsMade);
        }
    }
}

/// Agree on a key with this datacenter; the answer is [`KeyCreated`]. While one is being made, nothing happens.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CreateKey {
    pub(crate) dc: i32,
    /// For how many seconds; `None`: for good.
    pub(crate) expires_in: Option<i32>,
}

impl Handler<CreateKey> for AuthKeyActor {
    type Result = ();

    fn handle(&mut self, CreateKey { dc, expires_in }: CreateKey, ctx: &mut Self::Context) {
        if self.busy {
            return;
        }
        self.busy = true;
        let shared = self.shared.clone();
        ctx.spawn_body(
            create(shared, dc, expires_in),
            move |actor, created, ctx| {
                actor.busy = false;
                match created {
                    Ok(Some(created)) => {
                        if let Some(addresses) = actor.shared.addresses() {
                            addresses.datacenter.do_send(KeyCreated { dc, created });
                        }
                    }
                    // The account has stopped.
                    Ok(None) => {}
                    Err(error) => ctx.fail(error),
                }
            },
        );
    }
}

/// How long to wait for the datacenter's actor to come back.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Answers without a key of ours, in a row, after which it is believed that the datacenter has none. One alone may be a
/// corrupt byte.
const NO_KNOWN_KEY: u32 = 3;

/// Tries until there is a key, or the account cannot go on.
async fn create(shared: Arc<Shared>, dc: i32, expires_in: Option<i32>) -> Option<CreatedKey> {
    let mut strangers = 0;
    loop {
        if shared.stopped().is_some() {
            return None;
        }
        let datacenter = &shared.addresses()?.datacenter;
        let (wish, dialed) = oneshot::channel();
        datacenter.do_send(Dial(wish));
        let Ok(Dialed { io, address, way }) = dialed.await else {
            // The datacenter's actor has a new life, or the account has stopped.
            tokio::time::sleep(ASK_AGAIN).await;
            continue;
        };
        match exchange(&shared, dc, expires_in, io, (&address, way)).await {
            Ok(created) => return Some(created),
            Err(error) => {
                let stranger = matches!(
                    &error,
                    ExchangeError::Handshake(HandshakeError::NoKnownKey { .. })
                );
                strangers = if stranger { strangers + 1 } else { 0 };
                if strangers == NO_KNOWN_KEY {
                    shared.stop(StopReason::NoTrustedKey(error.to_string()));
                    return None;
                }
                datacenter.do_send(ConnectionLost {
                    address: address.to_string(),
                    why: error.to_string(),
                });
            }
        }
    }
}

/// Why an exchange led to no key. Another may.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("key exchange: {0}")]
    Io(#[from] io::Error),
    #[error("key exchange: the connection was closed")]
    Closed,
    #[error("key exchange: the crypto pool has ended")]
    Pool,
}

/// The transport of a new connection.
pub(super) fn transport(
    way: Way,
    address: &DatacenterAddress,
    random: Box<dyn actogram_crypto::random::Random>,
) -> Result<ClientTransport, FrameError> {
    let obfuscated =
        (way.obfuscated || address.secret.is_some()) && way.transport.supports_obfuscation();
    let obfuscation = obfuscated.then(|| Obfuscation {
        dc_id: i16::try_from(address.dc).unwrap_or(0),
        secret: address.secret.clone(),
    });
    ClientTransport::new(way.transport, obfuscation, random)
}

async fn exchange(
    shared: &Shared,
    dc: i32,
    expires_in: Option<i32>,
    mut io: Box<dyn Io>,
    (address, way): (&DatacenterAddress, Way),
) -> Result<CreatedKey, ExchangeError> {
    let mut transport = transport(way, address, shared.random())?;
    let keys = shared.config.rsa_keys.clone();
    let config = match expires_in {
        Some(expires_in) => ClientHandshakeConfig::temporary(keys, dc, expires_in),
        None => ClientHandshakeConfig::permanent(keys, dc),
    };
    let mut handshake = ClientHandshake::new(config, shared.random());
    handshake.start(shared.now());
    let mut buffer = BytesMut::new();
    loop {
        while let Some(job) = handshake.poll_job() {
            let result = shared
                .crypto
                .run(move || job.run())
                .await
                .ok_or(ExchangeError::Pool)?;
            handshake.handle_job(shared.now(), result)?;
        }
        let mut out = BytesMut::new();
        while let Some(payload) = handshake.poll_transmit() {
            transport.encode(&payload, false, &mut out)?;
        }
        if !out.is_empty() {
            io.write_all(&out).await?;
            io.flush().await?;
        }
        if let Some(created) = handshake.poll_output() {
            return Ok(created);
        }
        let deadline = handshake.poll_timeout().map(|at| shared.instant(at));
        let read = async {
            match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, io.read_buf(&mut buffer))
                    .await
                    .ok(),
                None => Some(io.read_buf(&mut buffer).await),
            }
        };
        match read.await {
            None => handshake.handle_timeout(shared.now())?,
            Some(Ok(0)) => return Err(ExchangeError::Closed),
            Some(Ok(_)) => {
                while let Some(frame) = transport.decode(&mut buffer)? {
                    match frame {
                        Frame::Payload { bytes, .. } => {
                            handshake.handle_input(shared.now(), bytes.freeze())?
                        }
                        Frame::Error(code) => {
                            return Err(handshake.handle_transport_error(code).into());
                        }
                        _ => {}
                    }
                    // What follows belongs to the next step, which a job may have to prepare.
                    while let Some(job) = handshake.poll_job() {
                        let result = shared
                            .crypto
                            .run(move || job.run())
                            .await
                            .ok_or(ExchangeError::Pool)?;
                        handshake.handle_job(shared.now(), result)?;
                    }
                }
            }
            Some(Err(error)) => return Err(error.into()),
        }
    }
}
