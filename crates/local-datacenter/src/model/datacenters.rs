//! Which datacenters there are, what their listeners are for, and at which of them each account is at home.

use std::net::IpAddr;

use super::records::{AuthKeyId, UserId};
use super::world::World;

/// What a listener is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Everything.
    #[default]
    Main,
    /// Files: sessions whose calls come here get no updates, and keys are made here for the negated number only
    /// (<https://core.telegram.org/mtproto/auth_key>).
    MediaOnly,
    /// Copies of files, at a datacenter that is not trusted: it has RSA keys of its own, no accounts, and serves
    /// `upload.getCdnFile` alone (<https://core.telegram.org/cdn>).
    Cdn,
}

/// A listener of a datacenter, as `help.getConfig` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// Number of the datacenter. Listeners of the same number serve the same keys.
    pub dc_id: i32,
    /// What it is for.
    pub role: Role,
    /// It listens on the IPv6 address of the same reach: `::1` instead of `127.0.0.1`.
    pub ipv6: bool,
    /// Connections that are not obfuscated are closed without a word.
    pub tcpo_only: bool,
    /// Clients need not ask for it again, see `dcOption.static`.
    pub fixed: bool,
    /// Clients may try no other port of its address.
    pub this_port_only: bool,
}

impl Endpoint {
    fn new(dc_id: i32, role: Role) -> Self {
        Self {
            dc_id,
            role,
            ipv6: false,
            tcpo_only: false,
            fixed: true,
            this_port_only: true,
        }
    }

    /// A listener for everything.
    pub fn main(dc_id: i32) -> Self {
        Self::new(dc_id, Role::Main)
    }

    /// A listener for files.
    pub fn media_only(dc_id: i32) -> Self {
        Self::new(dc_id, Role::MediaOnly)
    }

    /// A listener of a CDN. Telegram numbers those from 201.
    pub fn cdn(dc_id: i32) -> Self {
        Self::new(dc_id, Role::Cdn)
    }

    /// Listens on IPv6.
    pub fn over_ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    /// Takes obfuscated connections alone.
    pub fn obfuscated_only(mut self) -> Self {
        self.tcpo_only = true;
        self
    }

    /// Tells clients that they may try other ports, and that the address may change.
    pub fn movable(mut self) -> Self {
        self.fixed = false;
        self.this_port_only = false;
        self
    }
}

/// Where a datacenter listens, as `help.getConfig` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatacenterAddress {
    /// What listens there.
    pub endpoint: Endpoint,
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
}

/// Numbers that every client may ask for.
pub(crate) const KNOWN_DATACENTERS: std::ops::RangeInclusive<i32> = 1..=5;

impl World {
    /// Tells the world where its datacenters listen. If only one of them has accounts, it stands for the numbers 1 to
    /// 5 that have no listener of their own.
    pub fn set_datacenters(&mut self, datacenters: Vec<DatacenterAddress>) {
        if !datacenters.is_empty() {
            self.datacenters = datacenters;
        }
    }

    /// The numbers of the datacenters that have accounts.
    fn with_accounts(&self) -> impl Iterator<Item = i32> {
        let main = self.datacenters.iter().map(|address| address.endpoint);
        main.filter(|endpoint| endpoint.role == Role::Main)
            .map(|endpoint| endpoint.dc_id)
    }

    /// The datacenter at which accounts are at home of which nothing else is said.
    pub(crate) fn first_datacenter(&self) -> i32 {
        let first = self.with_accounts().next();
        first.unwrap_or(2)
    }

    /// Which datacenter with accounts serves a number, if any.
    pub(crate) fn serving(&self, dc_id: i32) -> Option<i32> {
        let first = self.first_datacenter();
        if self.with_accounts().any(|id| id == dc_id) {
            return Some(dc_id);
        }
        let alone = self.with_accounts().all(|id| id == first);
        let known = KNOWN_DATACENTERS.contains(&dc_id);
        let taken = self
            .datacenters
            .iter()
            .any(|other| other.endpoint.dc_id == dc_id);
        (alone && known && !taken).then_some(first)
    }

    /// The datacenter at which an account is at home: its calls are answered there, its updates come from there.
    pub fn home(&self, user: UserId) -> i32 {
        let home = self.state.homes.get(&user).copied();
        home.unwrap_or_else(|| self.first_datacenter())
    }

    /// The datacenter at which a key is logged in.
    pub(crate) fn login_datacenter(&self, auth_key_id: AuthKeyId) -> Option<i32> {
        let login = self.state.authorizations.get(&auth_key_id)?;
        Some(login.dc_id.unwrap_or_else(|| self.first_datacenter()))
    }
}
