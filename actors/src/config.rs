//! What an account is opened with.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use actogram_crypto::rsa::PublicKey;
use actogram_mtproto::transport::{Kind, Secret};
use actogram_store::Store;

use crate::{
    api::Rates,
    clock::{Clock, SystemClock},
    connector::{Connector, NetworkConnector},
    init::InitConnection,
};

/// One address of a datacenter.
#[derive(Clone)]
pub struct DatacenterAddress {
    /// The datacenter's number.
    pub dc: i32,
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The secret of obfuscation, where the address has one.
    pub secret: Option<Secret>,
}

impl DatacenterAddress {
    /// An address without a secret.
    pub fn new(dc: i32, host: impl Into<String>, port: u16) -> Self {
        Self {
            dc,
            host: host.into(),
            port,
            secret: None,
        }
    }

    /// Reads `host:port`, with an IPv6 host in brackets.
    pub fn parse(dc: i32, text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        Some(Self::new(dc, host, port.parse().ok()?))
    }
}

impl From<(i32, SocketAddr)> for DatacenterAddress {
    fn from((dc, address): (i32, SocketAddr)) -> Self {
        Self::new(dc, address.ip().to_string(), address.port())
    }
}

impl fmt::Display for DatacenterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for DatacenterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatacenterAddress({} at {self})", self.dc)
    }
}

/// How many calls may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls in flight; further ones wait. Default 1024, as in TDLib.
    pub calls: usize,
    /// Bytes of calls in flight. Default 32 MiB. A call above it goes alone.
    pub bytes: usize,
    /// Calls in one [queue](crate::Account::place_in_queue), under way or waiting; further ones are refused. Default 1024.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 1024,
            bytes: 32 << 20,
            queue: 1024,
        }
    }
}

/// How often connections may be opened: at most `count` within each span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectLimits {
    /// While attempts fail. Default, as in TDLib: 1 in 1 s, 2 in 4 s, 3 in 8 s.
    pub failing: Vec<(usize, Duration)>,
    /// After a connection that worked was lost. Default, as in TDLib: 4 in 1 s, 5 in 5 s.
    pub working: Vec<(usize, Duration)>,
}

impl Default for ConnectLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            failing: vec![(1, seconds(1)), (2, seconds(4)), (3, seconds(8))],
            working: vec![(4, seconds(1)), (5, seconds(5))],
        }
    }
}

/// What becomes of updates that came while the account was not open.
///
/// It holds when the account is opened. Once it is, whatever comes while its connection is down is always asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatchUp {
    /// All of them are asked for and handed out, in order and before newer ones, as far back as the datacenter keeps them.
    #[default]
    Everything,
    /// None of them are: updates are followed from the moment they are started. What was with handlers when the account
    /// last ended, and is not known to have been handled, does not come again either. In channels time is counted in whole
    /// seconds: what came in the very second of the start may come.
    Skip,
}

/// What an account is opened with.
#[derive(Clone)]
#[non_exhaustive]
pub struct AccountConfig {
    /// Its name in the store.
    pub name: String,
    /// Where it is kept.
    pub store: Store,
    /// The datacenter to begin with; what the store says goes before it.
    pub main_dc: i32,
    /// Where datacenters are. Several addresses of one are tried in turn.
    pub addresses: Vec<DatacenterAddress>,
    /// Whether only this machine's own addresses are believed when a datacenter tells where others are: for local ones.
    /// Default: no.
    pub stays_on_this_machine: bool,
    /// The RSA keys those datacenters are trusted by.
    pub rsa_keys: Vec<PublicKey>,
    /// How payloads are framed.
    pub transport: Kind,
    /// Whether the stream is made to look random.
    pub obfuscated: bool,
    /// Whether other transports, obfuscated, are tried in turn when each address was reached three times in a row and nothing
    /// came of it with this one. Default: yes.
    pub other_transports: bool,
    /// Whether everything is encrypted with temporary keys that are made anew every day and kept nowhere, so that nobody who
    /// gets hold of the store can read what was recorded before (<https://core.telegram.org/api/pfs>). Default: yes.
    pub forward_secrecy: bool,
    /// What the datacenter is told about this program.
    pub init: InitConnection,
    /// How many calls may be under way.
    pub limits: Limits,
    /// How often messages are sent and methods are called. `None`: as often as the program does.
    pub rates: Option<Rates>,
    /// What becomes of updates that came while the account was not open.
    pub catch_up: CatchUp,
    /// How often connections may be opened.
    pub connect_limits: ConnectLimits,
    /// Opens streams.
    pub connector: Arc<dyn Connector>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl AccountConfig {
    /// An account with one address, everything else as usual: the intermediate transport, obfuscated, over TCP.
    pub fn new(
        name: impl Into<String>,
        store: Store,
        address: DatacenterAddress,
        rsa_key: PublicKey,
        init: InitConnection,
    ) -> Self {
        Self {
            name: name.into(),
            store,
            main_dc: address.dc,
            addresses: vec![address],
            stays_on_this_machine: false,
            rsa_keys: vec![rsa_key],
            transport: Kind::Intermediate,
            obfuscated: true,
            other_transports: true,
            forward_secrecy: true,
            init,
            limits: Limits::default(),
            rates: Some(Rates::default()),
            catch_up: CatchUp::default(),
            connect_limits: ConnectLimits::default(),
            connector: Arc::new(NetworkConnector::default()),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountConfig")
            .field("name", &self.name)
            .field("main_dc", &self.main_dc)
            .field("addresses", &self.addresses)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
