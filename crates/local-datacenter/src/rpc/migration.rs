//! Calls that come to the wrong datacenter, and logins that are brought from one to another.
//!
//! See <https://core.telegram.org/api/datacenter> and <https://core.telegram.org/api/errors#303-see-other>.

use std::{collections::BTreeMap, time::Duration};

use actogram_tl as tl;
use tl::{Function as _, enums, functions, types};

use super::call::{Call, CallContext};
use super::dispatch::BEFORE_LOGIN;
use super::errors::{RpcError, RpcResult, bad};
use crate::model::{AuthKeyId, Authorization, ChannelId, Event, UserId, World};

/// How long a ticket of `auth.exportAuthorization` is good for.
const TICKET_LIFETIME: Duration = Duration::from_secs(60);

/// What may be asked about another account than those at home: files, and what is the same everywhere.
const SERVED_EVERYWHERE: &[&str] = &["upload.", "help.", "langpack.", "stats."];

/// A login on its way to another datacenter.
#[derive(Debug)]
pub(crate) struct Ticket {
    issued: Duration,
    /// Where alone it is taken.
    dc_id: i32,
    /// The login it is a copy of.
    from: AuthKeyId,
}

/// Tickets that nobody used yet.
pub(crate) type Tickets = BTreeMap<(UserId, Vec<u8>), Ticket>;

fn see_other(what: &str, dc_id: i32) -> RpcError {
    RpcError::new(303, format!("{what}_MIGRATE_{dc_id}"))
}

/// Whether the bytes of a file of this datacenter are where the call came to: `FILE_MIGRATE_X`.
pub(super) fn files_home(call: &Call<'_>, dc_id: i32) -> RpcResult<()> {
    let world = &call.world;
    // A file of a datacenter that no longer exists is at the first one.
    let serving = world
        .serving(dc_id)
        .unwrap_or_else(|| world.first_datacenter());
    if serving == call.dc_id {
        Ok(())
    } else {
        Err(see_other("FILE", serving))
    }
}

/// Whether a channel's statistics are where the call came to: `STATS_MIGRATE_X`.
pub(super) fn stats_home(call: &Call<'_>, channel: ChannelId) -> RpcResult<()> {
    let dc_id = call.world.stats_datacenter(channel);
    if dc_id == call.dc_id {
        Ok(())
    } else {
        Err(see_other("STATS", dc_id))
    }
}

impl World {
    /// The datacenter that has a channel's statistics.
    pub(crate) fn stats_datacenter(&self, channel: ChannelId) -> i32 {
        let kept = self.state.stats_at.get(&channel).copied();
        kept.unwrap_or_else(|| self.first_datacenter())
    }

    /// Whether an account's call may be answered where it came to: `USER_MIGRATE_X`.
    pub(super) fn check_home(
        &self,
        context: &CallContext,
        id: u32,
        method: &str,
        user: UserId,
    ) -> RpcResult<()> {
        let home = self.home(user);
        if home == context.dc_id || BEFORE_LOGIN.contains(&id) {
            return Ok(());
        }
        let login = self.state.identity(context.auth_key_id);
        let is_main = (self.state.authorizations.get(&login)).is_some_and(|it| it.main.is_none());
        // A login whose account moved away can be brought after it.
        let allowed = match id {
            functions::auth::LogOut::ID => true,
            functions::auth::ExportAuthorization::ID => is_main,
            _ => SERVED_EVERYWHERE.iter().any(|ns| method.starts_with(ns)),
        };
        if allowed {
            Ok(())
        } else {
            Err(see_other("USER", home))
        }
    }

    /// The login that a key's own login is a copy of: itself, unless it was imported.
    pub(crate) fn main_login(&self, auth_key_id: AuthKeyId) -> AuthKeyId {
        let login = self.state.authorizations.get(&auth_key_id);
        login.and_then(|login| login.main).unwrap_or(auth_key_id)
    }

    /// The logins of an account that are no copies of others.
    pub(crate) fn main_logins(&self, user: UserId) -> Vec<AuthKeyId> {
        let keys = self.state.keys_of.get(&user).into_iter().flatten().copied();
        keys.filter(|key| self.main_login(*key) == *key).collect()
    }

    /// Keeps where an account is at home.
    pub(crate) fn put_home(&mut self, user: UserId, dc_id: i32) {
        if self.home(user) != dc_id {
            self.commit(Event::HomeMoved { user, dc_id });
        }
    }
}

impl Call<'_> {
    /// Whether this is where the account logs in; `what` names the error otherwise.
    pub(super) fn check_login_here(&self, user: UserId, what: &str) -> RpcResult<()> {
        let home = self.world.home(user);
        if home == self.dc_id {
            Ok(())
        } else {
            Err(see_other(what, home))
        }
    }

    /// Whether this is where a number logs in or is registered: `PHONE_MIGRATE_X`, `NETWORK_MIGRATE_X`.
    pub(super) fn check_phone_here(&self, phone: &str) -> RpcResult<()> {
        if let Some(user) = self.world.state.user_by_phone(phone) {
            return self.check_login_here(user.id, "PHONE");
        }
        match self.world.new_phones_at {
            Some(dc_id) if dc_id != self.dc_id => Err(see_other("NETWORK", dc_id)),
            _ => Ok(()),
        }
    }
}

/// `auth.exportAuthorization`: a one-time ticket for the same account at another datacenter.
pub(super) fn export_authorization(
    call: &mut Call<'_>,
    request: functions::auth::ExportAuthorization,
) -> RpcResult<enums::auth::ExportedAuthorization> {
    let me = call.me()?;
    let target = call.world.serving(request.dc_id);
    let dc_id = target
        .filter(|_| request.dc_id != call.dc_id)
        .ok_or(bad("DC_ID_INVALID"))?;
    let mut ticket = vec![0; 64];
    call.world.random.fill(&mut ticket);
    let (now, from) = (call.now, call.world.main_login(call.identity));
    let exported = &mut call.world.exported;
    exported.retain(|_, ticket| now.saturating_sub(ticket.issued) < TICKET_LIFETIME);
    let issued = Ticket {
        issued: now,
        dc_id,
        from,
    };
    exported.insert((me, ticket.clone()), issued);
    Ok(types::auth::ExportedAuthorization {
        id: me,
        bytes: ticket.into(),
    }
    .into())
}

/// `auth.importAuthorization`: the key speaks for the account as long as the login it was exported from. At the datacenter
/// the account moved to it takes that login's place.
pub(super) fn import_authorization(
    call: &mut Call<'_>,
    request: functions::auth::ImportAuthorization,
) -> RpcResult<enums::auth::Authorization> {
    let (user, identity) = (request.id, call.identity);
    // Whether it is taken or not, it was used.
    let ticket = call
        .world
        .exported
        .remove(&(user, request.bytes.to_vec()))
        .filter(|ticket| call.now.saturating_sub(ticket.issued) < TICKET_LIFETIME)
        .filter(|ticket| ticket.dc_id == call.dc_id && ticket.from != identity)
        .ok_or(bad("AUTH_BYTES_INVALID"))?;
    let from = ticket.from;
    let origin = call.world.state.authorizations.get(&from).cloned();
    let origin = origin
        .filter(|login| login.user == user)
        .ok_or(bad("AUTH_BYTES_INVALID"))?;
    let home = call.world.home(user);
    let moves = call.dc_id == home && call.world.login_datacenter(from) != Some(home);
    let created = call.date();
    call.world.logins.owe_password(identity, None);
    call.world.commit(Event::Authorized(Authorization {
        auth_key_id: identity,
        user,
        created,
        dc_id: Some(call.dc_id),
        main: (!moves).then_some(from),
    }));
    if moves {
        call.world.commit(Event::Authorized(Authorization {
            main: Some(identity),
            ..origin
        }));
    }
    call.user = Some(user);
    Ok(types::auth::Authorization::new(call.user_object(user, user)).into())
}
