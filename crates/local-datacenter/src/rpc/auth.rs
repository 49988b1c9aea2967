//! `auth.*`: logins of people and bots, see <https://core.telegram.org/api/auth>.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::{RpcResult, bad, unauthorized};
use crate::model::{
    AuthKeyId, Authorization, CodeCheck, Event, IssuedCode, Revocation, SeqChange, User, UserId,
    World, normalize_phone, test_code,
};

/// Digits of a login code.
const CODE_LENGTH: i32 = 5;
/// The first person's id: beyond 32 bits, as today's are.
const FIRST_USER_ID: UserId = 5_000_000_001;
/// Names are cut off here.
const NAME_LENGTH: usize = 64;

fn phone(text: &str) -> RpcResult<String> {
    normalize_phone(text).ok_or(bad("PHONE_NUMBER_INVALID"))
}

fn application(api_id: i32, api_hash: &str) -> RpcResult<()> {
    if api_id > 0 && !api_hash.is_empty() {
        Ok(())
    } else {
        Err(bad("API_ID_INVALID"))
    }
}

/// A name as it is stored: trimmed and cut, or nothing if nothing remains.
pub(crate) fn clean_name(name: &str) -> Option<String> {
    let cut: String = name.trim().chars().take(NAME_LENGTH).collect();
    (!cut.is_empty()).then_some(cut)
}

impl World {
    /// `count` lower-case hexadecimal digits.
    pub(crate) fn random_token(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count.div_ceil(2)];
        self.random.fill(&mut bytes);
        let mut text = crate::model::hex::encode(&bytes);
        text.truncate(count);
        text
    }

    fn random_code(&mut self) -> String {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        format!("{:05}", u64::from_le_bytes(bytes) % 100_000)
    }

    /// An id for a new user or group, one above those in use.
    pub(crate) fn next_user_id(&self) -> UserId {
        self.state
            .users
            .range(FIRST_USER_ID..)
            .rfind(|(_, user)| user.bot.is_none())
            .map_or(FIRST_USER_ID, |(id, _)| id + 1)
    }

    /// Logs a key in.
    pub(crate) fn authorize(
        &mut self,
        now: std::time::Duration,
        dc_id: i32,
        auth_key_id: AuthKeyId,
        user: UserId,
    ) {
        self.logins.owe_password(auth_key_id, None);
        self.commit(Event::Authorized(Authorization {
            auth_key_id,
            user,
            created: crate::model::world::unix(now),
            dc_id: Some(dc_id),
            main: None,
        }));
        let is_only = self.main_logins(user) == [auth_key_id];
        if !is_only && self.state.users.get(&user).is_some_and(|u| u.bot.is_none()) {
            self.sequence(now, user, SeqChange::NewAuthorization { auth_key_id });
        }
    }
}

impl Call<'_> {
    fn logged_in(&mut self, user: UserId) -> enums::auth::Authorization {
        let (now, dc_id, identity) = (self.now, self.dc_id, self.identity);
        self.world.authorize(now, dc_id, identity, user);
        self.user = Some(user);
        types::auth::Authorization::new(self.user_object(user, user)).into()
    }

    fn issue_code(&mut self, phone: String) -> enums::auth::SentCode {
        let code = match test_code(&phone) {
            Some(code) => code,
            None => self.world.random_code(),
        };
        let hash = self.world.random_token(18);
        self.world
            .logins
            .issue(self.now, hash.clone(), phone.clone(), code.clone());
        self.world.announce_code(&IssuedCode { phone, code });
        types::auth::SentCode {
            type_: types::auth::SentCodeTypeSms {
                length: CODE_LENGTH,
            }
            .into(),
            phone_code_hash: hash,
            next_type: Some(enums::auth::CodeType::CodeTypeCall),
            timeout: Some(60),
        }
        .into()
    }
}

/// `auth.sendCode`.
pub(super) fn send_code(
    call: &mut Call<'_>,
    request: functions::auth::SendCode,
) -> RpcResult<enums::auth::SentCode> {
    application(request.api_id, &request.api_hash)?;
    let phone = phone(&request.phone_number)?;
    call.check_phone_here(&phone)?;
    Ok(call.issue_code(phone))
}

/// `auth.resendCode`: a new code; the old one is void.
pub(super) fn resend_code(
    call: &mut Call<'_>,
    request: functions::auth::ResendCode,
) -> RpcResult<enums::auth::SentCode> {
    if request.phone_code_hash.is_empty() {
        return Err(bad("PHONE_CODE_HASH_EMPTY"));
    }
    let phone = phone(&request.phone_number)?;
    if !call
        .world
        .logins
        .is_live(call.now, &request.phone_code_hash, &phone)
    {
        return Err(bad("PHONE_CODE_EXPIRED"));
    }
    call.world.logins.end(&request.phone_code_hash);
    Ok(call.issue_code(phone))
}

/// `auth.cancelCode`.
pub(super) fn cancel_code(
    call: &mut Call<'_>,
    request: functions::auth::CancelCode,
) -> RpcResult<bool> {
    let phone = phone(&request.phone_number)?;
    if !call
        .world
        .logins
        .is_live(call.now, &request.phone_code_hash, &phone)
    {
        return Err(bad("PHONE_CODE_EXPIRED"));
    }
    call.world.logins.end(&request.phone_code_hash);
    Ok(true)
}

/// `auth.signIn`.
pub(super) fn sign_in(
    call: &mut Call<'_>,
    request: functions::auth::SignIn,
) -> RpcResult<enums::auth::Authorization> {
    let phone = phone(&request.phone_number)?;
    call.check_phone_here(&phone)?;
    let code = request.phone_code.unwrap_or_default();
    if code.is_empty() {
        return Err(bad("PHONE_CODE_EMPTY"));
    }
    match call
        .world
        .logins
        .check(call.now, &request.phone_code_hash, &phone, &code)
    {
        CodeCheck::Expired => return Err(bad("PHONE_CODE_EXPIRED")),
        CodeCheck::Wrong => return Err(bad("PHONE_CODE_INVALID")),
        CodeCheck::Right => {}
    }
    let Some(user) = call.world.state.user_by_phone(&phone).map(|user| user.id) else {
        // The code stays good for auth.signUp.
        return Ok(types::auth::AuthorizationSignUpRequired {
            terms_of_service: None,
        }
        .into());
    };
    call.world.logins.end(&request.phone_code_hash);
    if call.world.state.passwords.contains_key(&user) {
        call.world.logins.owe_password(call.identity, Some(user));
        return Err(unauthorized("SESSION_PASSWORD_NEEDED"));
    }
    Ok(call.logged_in(user))
}

/// `auth.signUp`: after the right code for a number without an account.
pub(super) fn sign_up(
    call: &mut Call<'_>,
    request: functions::auth::SignUp,
) -> RpcResult<enums::auth::Authorization> {
    let phone = phone(&request.phone_number)?;
    if !call
        .world
        .logins
        .is_verified(call.now, &request.phone_code_hash, &phone)
    {
        return Err(bad("PHONE_CODE_EXPIRED"));
    }
    if call.world.state.user_by_phone(&phone).is_some() {
        return Err(bad("PHONE_NUMBER_OCCUPIED"));
    }
    let first_name = clean_name(&request.first_name).ok_or(bad("FIRSTNAME_INVALID"))?;
    call.world.logins.end(&request.phone_code_hash);
    let id = call.world.next_user_id();
    call.world.put_home(id, call.dc_id);
    let registered = call.date();
    call.world.commit(Event::UserPut(User {
        id,
        first_name,
        last_name: clean_name(&request.last_name),
        username: None,
        phone: Some(phone),
        about: String::new(),
        bot: None,
        deleted: false,
        registered,
        premium: false,
    }));
    Ok(call.logged_in(id))
}

/// `auth.importBotAuthorization`.
pub(super) fn import_bot_authorization(
    call: &mut Call<'_>,
    request: functions::auth::ImportBotAuthorization,
) -> RpcResult<enums::auth::Authorization> {
    application(request.api_id, &request.api_hash)?;
    let id = request
        .bot_auth_token
        .split_once(':')
        .and_then(|(id, _)| id.parse::<UserId>().ok());
    let token = request.bot_auth_token.as_bytes();
    let bot = id
        .and_then(|id| call.world.state.users.get(&id))
        .filter(|user| {
            user.bot.as_ref().is_some_and(|bot| {
                actogram_crypto::compare::constant_time_eq(bot.token.expose(), token)
            })
        })
        .ok_or(bad("ACCESS_TOKEN_INVALID"))?;
    let id = bot.id;
    call.check_login_here(id, "USER")?;
    Ok(call.logged_in(id))
}

/// `auth.checkPassword`.
pub(super) fn check_password(
    call: &mut Call<'_>,
    request: functions::auth::CheckPassword,
) -> RpcResult<enums::auth::Authorization> {
    let user = call
        .world
        .logins
        .password_owed_by(call.identity)
        .ok_or(unauthorized("AUTH_KEY_UNREGISTERED"))?;
    call.check_login_here(user, "USER")?;
    call.verify_password(user, &request.password)?;
    Ok(call.logged_in(user))
}

/// `auth.logOut`: the key stays, but no longer speaks for anybody; nor do those at other datacenters that its login was
/// brought to.
pub(super) fn log_out(
    call: &mut Call<'_>,
    _: functions::auth::LogOut,
) -> RpcResult<enums::auth::LoggedOut> {
    call.me()?;
    call.world.commit(Event::Deauthorized {
        auth_key_id: call.identity,
    });
    Ok(types::auth::LoggedOut {
        future_auth_token: None,
    }
    .into())
}

/// `auth.resetAuthorizations`: ends every other login of the account.
pub(super) fn reset_authorizations(
    call: &mut Call<'_>,
    _: functions::auth::ResetAuthorizations,
) -> RpcResult<bool> {
    let me = call.me()?;
    let own = call.world.main_login(call.identity);
    for id in call.world.main_logins(me) {
        if id != own {
            call.world.end_login(id);
        }
    }
    Ok(true)
}

impl World {
    /// Ends a login so that its calls are told why, and its copies; the keys stay.
    pub(crate) fn revoke_login(&mut self, auth_key_id: AuthKeyId, why: Revocation) {
        self.commit(Event::Revoked { auth_key_id, why });
    }

    /// Ends a login and its copies from outside: their keys are destroyed, their connections are closed.
    pub(crate) fn end_login(&mut self, auth_key_id: AuthKeyId) {
        let copies = self.state.copies_of(auth_key_id).into_iter();
        let copies: Vec<_> = copies.map(|login| login.auth_key_id).collect();
        self.commit(Event::Deauthorized { auth_key_id });
        for id in copies.into_iter().chain([auth_key_id]) {
            let temporary = self.state.temporary_keys(id);
            self.outcome.revoked_keys.extend(temporary);
            self.outcome.revoked_keys.push(id);
            self.drop_key(id);
        }
    }
}
