//! `account.*`: one's own profile, logins and settings.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::auth::clean_name;
use super::call::Call;
use super::contacts::is_username;
use super::errors::{RpcResult, bad};
use super::view;
use crate::model::{AuthKeyId, Event, PeerKey, SeqChange, User, UserId};

/// How long a client counts as online after saying so.
const ONLINE_SECONDS: i32 = 300;
/// The profile text is cut off here.
const ABOUT_LENGTH: usize = 70;

impl Call<'_> {
    /// People who have a private chat with the caller, and the caller's contacts.
    fn acquaintances(&self, me: UserId) -> Vec<UserId> {
        let state = &self.world.state;
        let mut found: Vec<UserId> = state
            .mailbox(me)
            .into_iter()
            .flat_map(|mailbox| mailbox.dialogs.keys())
            .filter_map(|peer| match peer {
                PeerKey::User(id) if *id != me => Some(*id),
                _ => None,
            })
            .collect();
        found.extend(
            state
                .contacts
                .iter()
                .filter(|(_, book)| book.contains_key(&me))
                .map(|(owner, _)| *owner),
        );
        found.sort_unstable();
        found.dedup();
        found.retain(|id| !self.is_bot(*id));
        found
    }

    /// Stores new values of the caller's profile and tells everybody who knows it.
    pub(crate) fn change_profile(&mut self, me: UserId, user: User) {
        self.world.commit(Event::UserPut(user));
        let now = self.now;
        let mut told = self.acquaintances(me);
        told.push(me);
        for account in told {
            self.world
                .sequence(now, account, SeqChange::UserName { user: me });
        }
    }

    fn own_record(&self, me: UserId) -> RpcResult<User> {
        self.world
            .state
            .users
            .get(&me)
            .cloned()
            .ok_or(bad("USER_ID_INVALID"))
    }
}

/// `account.updateStatus`.
pub(super) fn update_status(
    call: &mut Call<'_>,
    request: functions::account::UpdateStatus,
) -> RpcResult<bool> {
    let me = call.me()?;
    let date = call.date();
    let value = if request.offline {
        date.saturating_neg()
    } else {
        date.saturating_add(ONLINE_SECONDS)
    };
    call.world.online.insert(me, value);
    let now = call.now;
    for other in call.acquaintances(me) {
        let status = call.view(other, |view| view.status(me));
        let update = types::UpdateUserStatus {
            user_id: me,
            status,
        };
        call.world.push_short(now, other, update.into());
    }
    Ok(true)
}

/// `account.updateProfile`.
pub(super) fn update_profile(
    call: &mut Call<'_>,
    request: functions::account::UpdateProfile,
) -> RpcResult<enums::User> {
    let me = call.me()?;
    let mut user = call.own_record(me)?;
    if let Some(name) = &request.first_name {
        user.first_name = clean_name(name).ok_or(bad("FIRSTNAME_INVALID"))?;
    }
    if let Some(name) = &request.last_name {
        user.last_name = clean_name(name);
    }
    if let Some(about) = request.about {
        if about.chars().count() > ABOUT_LENGTH {
            return Err(bad("ABOUT_TOO_LONG"));
        }
        user.about = about;
    }
    call.change_profile(me, user);
    Ok(call.user_object(me, me))
}

/// `account.checkUsername`.
pub(super) fn check_username(
    call: &mut Call<'_>,
    request: functions::account::CheckUsername,
) -> RpcResult<bool> {
    call.me()?;
    if !is_username(&request.username) {
        return Err(bad("USERNAME_INVALID"));
    }
    Ok(!call.world.state.username_taken(&request.username))
}

/// `account.updateUsername`: an empty one removes it.
pub(super) fn update_username(
    call: &mut Call<'_>,
    request: functions::account::UpdateUsername,
) -> RpcResult<enums::User> {
    let me = call.me()?;
    let mut user = call.own_record(me)?;
    let wanted = (!request.username.is_empty()).then_some(request.username);
    if user.username == wanted {
        return Err(bad("USERNAME_NOT_MODIFIED"));
    }
    if let Some(name) = &wanted {
        if !is_username(name) {
            return Err(bad("USERNAME_INVALID"));
        }
        let owner = call.world.state.user_by_username(name).map(|user| user.id);
        let taken = call.world.state.channel_by_username(name).is_some();
        if taken || owner.is_some_and(|owner| owner != me) {
            return Err(bad("USERNAME_OCCUPIED"));
        }
    }
    user.username = wanted;
    call.change_profile(me, user);
    Ok(call.user_object(me, me))
}

/// `account.getAuthorizations`.
pub(super) fn get_authorizations(
    call: &mut Call<'_>,
    _: functions::account::GetAuthorizations,
) -> RpcResult<enums::account::Authorizations> {
    let me = call.me()?;
    let own = call.world.main_login(call.identity);
    let state = &call.world.state;
    let authorizations = state
        .authorizations
        .values()
        // A login that was brought to other datacenters is one all the same.
        .filter(|authorization| authorization.user == me && authorization.main.is_none())
        .map(|authorization| {
            let key = authorization.auth_key_id;
            let current = key == own;
            let temporary = state.temporary_keys(key).iter().rev();
            let mut speaking = temporary.chain([&key]);
            let info = speaking.find_map(|key| state.clients.get(key));
            let text = |f: fn(&crate::model::ClientInfo) -> &String| {
                info.map(|info| f(info).clone()).unwrap_or_default()
            };
            types::Authorization {
                current,
                official_app: false,
                password_pending: false,
                encrypted_requests_disabled: false,
                call_requests_disabled: false,
                unconfirmed: false,
                // Telegram shows the current login under 0.
                hash: if current {
                    0
                } else {
                    view::authorization_hash(key)
                },
                device_model: text(|info| &info.device_model),
                platform: String::new(),
                system_version: text(|info| &info.system_version),
                api_id: info.map_or(0, |info| info.api_id),
                app_name: String::new(),
                app_version: text(|info| &info.app_version),
                date_created: authorization.created,
                date_active: authorization.created,
                ip: String::new(),
                country: String::new(),
                region: String::new(),
            }
            .into()
        })
        .collect();
    Ok(types::account::Authorizations {
        authorization_ttl_days: 180,
        authorizations,
    }
    .into())
}

/// `account.resetAuthorization`: ends another login.
pub(super) fn reset_authorization(
    call: &mut Call<'_>,
    request: functions::account::ResetAuthorization,
) -> RpcResult<bool> {
    let me = call.me()?;
    let own = call.world.main_login(call.identity);
    let key: AuthKeyId = call
        .world
        .main_logins(me)
        .into_iter()
        .find(|key| *key != own && view::authorization_hash(*key) == request.hash)
        .ok_or(bad("HASH_INVALID"))?;
    call.world.end_login(key);
    Ok(true)
}

/// `account.getNotifySettings`: nothing was ever muted here.
pub(super) fn get_notify_settings(
    call: &mut Call<'_>,
    _: functions::account::GetNotifySettings,
) -> RpcResult<enums::PeerNotifySettings> {
    call.me()?;
    Ok(types::PeerNotifySettings::new().into())
}

/// `account.getContentSettings`.
pub(super) fn get_content_settings(
    call: &mut Call<'_>,
    _: functions::account::GetContentSettings,
) -> RpcResult<enums::account::ContentSettings> {
    call.me()?;
    Ok(types::account::ContentSettings {
        sensitive_enabled: false,
        sensitive_can_change: false,
    }
    .into())
}
