//! From the bytes of a call to its answer: wrappers, gates, the method, faults.

use std::time::Duration;

use actogram_tl as tl;
use bytes::Bytes;
use tl::{
    Constructor as _, Decode, DecodeError, DecodeErrorKind, Encode, Function, Reader, functions,
    types,
};

use super::call::{Call, CallContext};
use super::cdn;
use super::errors::{RpcError, RpcResult, bad, internal, unauthorized};
use super::faults::When;
use super::routes;
use crate::model::{Answer, ClientInfo, Event, Outcome, Role, SessionKey, World};

/// Layers that clients in use speak.
pub const OLDEST_LAYER: i32 = 227;
/// A predecessor of `invokeAfterMsg` is waited for so long.
pub const PREDECESSOR_PATIENCE: Duration = Duration::from_millis(500);
/// Wrappers around one query.
const MAX_WRAPPERS: usize = 8;

/// Methods that need no login, see <https://core.telegram.org/api/auth>.
pub(super) const BEFORE_LOGIN: &[u32] = &[
    functions::auth::SendCode::ID,
    functions::auth::ResendCode::ID,
    functions::auth::CancelCode::ID,
    functions::auth::SignIn::ID,
    functions::auth::SignUp::ID,
    functions::auth::CheckPassword::ID,
    functions::auth::BindTempAuthKey::ID,
    functions::auth::ImportAuthorization::ID,
    functions::auth::ImportBotAuthorization::ID,
    functions::auth::ExportLoginToken::ID,
    functions::auth::ImportLoginToken::ID,
    functions::auth::ImportWebTokenAuthorization::ID,
    functions::auth::ReportMissingCode::ID,
    functions::auth::RequestFirebaseSms::ID,
    functions::auth::ResetLoginEmail::ID,
    functions::account::GetPassword::ID,
    functions::account::DeleteAccount::ID,
    functions::account::SendVerifyEmailCode::ID,
    functions::account::VerifyEmail::ID,
    functions::help::GetConfig::ID,
    functions::help::GetAppConfig::ID,
    functions::help::GetNearestDc::ID,
    functions::help::GetCountriesList::ID,
    functions::help::GetDeepLinkInfo::ID,
    functions::help::SaveAppLog::ID,
    functions::langpack::GetLangPack::ID,
    functions::langpack::GetDifference::ID,
    functions::langpack::GetLanguage::ID,
    functions::langpack::GetLanguages::ID,
    functions::langpack::GetStrings::ID,
];

/// Methods an unbound temporary key may call.
const BEFORE_BINDING: &[u32] = &[
    functions::auth::BindTempAuthKey::ID,
    functions::help::GetConfig::ID,
    functions::help::GetNearestDc::ID,
];

/// A call that waits for its predecessors.
#[derive(Debug)]
pub(crate) struct Waiting {
    context: CallContext,
    after: Vec<i64>,
    query: Bytes,
    deadline: Duration,
    without_updates: bool,
}

enum Step {
    Answered(RpcResult<Bytes>, String),
    Wait(Vec<i64>, Bytes),
    /// A bot answers, or nobody does.
    Asked,
}

impl World {
    /// Executes one decrypted call and returns what is to be sent. The same message must be handed in once only:
    /// recognising repetitions is the session's work.
    pub fn handle(&mut self, context: &CallContext, body: Bytes) -> Outcome {
        self.run(context, body, false, false);
        self.wake(context.session(), context.now);
        self.take_outcome()
    }

    /// When [`World::handle_timeout`] wants to be called next, in unix time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let delayed = self.delayed.keys().next().map(|(at, _)| *at);
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline).min();
        let pushes = self.delayed_pushes.keys().next().map(|(at, _)| *at);
        let bots = self.queries.next_deadline();
        [delayed, waiting, pushes, bots].into_iter().flatten().min()
    }

    /// Sends late answers and updates and gives up on predecessors that did not come.
    pub fn handle_timeout(&mut self, now: Duration) -> Outcome {
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let answer = entry.remove();
            self.outcome.answers.push(answer);
        }
        while let Some(entry) = self.delayed_pushes.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let push = entry.remove();
            self.counters.count_push();
            self.outcome.pushes.push(push);
        }
        let (due, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.deadline <= now);
        self.waiting = kept;
        for waiting in due {
            let result = Err(bad("MSG_WAIT_TIMEOUT"));
            self.finish(&waiting.context, "invokeAfterMsg", result, now);
        }
        for asker in self.queries.expire(now) {
            let result = Err(bad("BOT_RESPONSE_TIMEOUT"));
            self.finish(&asker.context, asker.method, result, now);
        }
        self.take_outcome()
    }

    fn run(&mut self, context: &CallContext, body: Bytes, without_updates: bool, waited: bool) {
        let session = context.session();
        self.sessions.entry(session);
        let mut without_updates = without_updates;
        match self.step(context, body, &mut without_updates, waited) {
            Step::Answered(result, method) => {
                self.listen(context, without_updates);
                self.finish(context, &method, result, context.now);
            }
            Step::Asked => self.listen(context, without_updates),
            Step::Wait(after, query) => self.waiting.push(Waiting {
                context: *context,
                after,
                query,
                deadline: context.now + PREDECESSOR_PATIENCE,
                without_updates,
            }),
        }
    }

    /// A session takes updates once it made a call that does not forbid it, where updates come from.
    fn listen(&mut self, context: &CallContext, without_updates: bool) {
        if !without_updates && context.role == Role::Main {
            self.sessions.entry(context.session()).wants_updates = true;
        }
    }

    /// Runs calls of this session whose predecessors are done now.
    fn wake(&mut self, session: SessionKey, now: Duration) {
        loop {
            let ready = self.waiting.iter().position(|waiting| {
                waiting.context.session() == session
                    && self.predecessors(session, &waiting.after).is_some()
            });
            let Some(index) = ready else { return };
            let mut waiting = self.waiting.remove(index);
            waiting.context.now = now;
            if self.predecessors(session, &waiting.after) == Some(true) {
                self.run(
                    &waiting.context,
                    waiting.query,
                    waiting.without_updates,
                    true,
                );
            } else {
                let result = Err(bad("MSG_WAIT_FAILED"));
                self.finish(&waiting.context, "invokeAfterMsg", result, now);
            }
        }
    }

    /// Nothing while some have not ended; then whether all succeeded.
    fn predecessors(&self, session: SessionKey, after: &[i64]) -> Option<bool> {
        let entry = self.sessions.get(session)?;
        let outcomes: Vec<Option<bool>> = after.iter().map(|id| entry.outcome(*id)).collect();
        if outcomes.contains(&Some(false)) {
            return Some(false);
        }
        outcomes.iter().all(Option::is_some).then_some(true)
    }

    pub(super) fn finish(
        &mut self,
        context: &CallContext,
        method: &str,
        result: RpcResult<Bytes>,
        now: Duration,
    ) {
        let result = match self.flush() {
            Ok(()) => result,
            Err(_) => {
                // Nobody may hear of what a restart takes back.
                self.outcome.pushes.clear();
                Err(internal("STORAGE_FAILED"))
            }
        };
        self.sessions
            .entry(context.session())
            .finish(context.msg_id, result.is_ok());
        if let Err(error) = &result {
            tracing::debug!(method, %error, "call refused");
            self.counters.count_refused(method);
        }
        let body = result.unwrap_or_else(|error| error.to_bytes());
        let body = self.faults.rewritten(method, body);
        let answer = Answer {
            auth_key_id: context.auth_key_id,
            session_id: context.session_id,
            msg_id: context.msg_id,
            body,
        };
        match self.faults.take_delay(method) {
            Some(by) => {
                let number = self.delayed.len() as u64;
                let mut at = (now + by, number);
                while self.delayed.contains_key(&at) {
                    at.1 += 1;
                }
                self.delayed.insert(at, answer);
            }
            None => self.outcome.answers.push(answer),
        }
    }

    fn step(
        &mut self,
        context: &CallContext,
        body: Bytes,
        without_updates: &mut bool,
        waited: bool,
    ) -> Step {
        if self.is_broken() {
            return Step::Answered(Err(internal("STORAGE_FAILED")), "any".to_owned());
        }
        let (query, takeout) = match self.unwrap_query(context, body, without_updates, waited) {
            Ok(Unwrapped::Query(query, takeout)) => (query, takeout),
            Ok(Unwrapped::Wait(after, query)) => return Step::Wait(after, query),
            Err(error) => return Step::Answered(Err(error), "wrapper".to_owned()),
        };
        let id = Reader::new(query.clone()).peek_u32().unwrap_or(0);
        let Some(info) = tl::tables::function_by_id(id) else {
            let error = RpcError::new(400, format!("INPUT_METHOD_INVALID_{id:08x}"));
            tracing::warn!(id = format_args!("{id:08x}"), "unknown method");
            return Step::Answered(Err(error), format!("{id:08x}"));
        };
        let method = info.name;
        if info.id == functions::account::FinishTakeoutSession::ID && !takeout {
            let error = RpcError::new(403, "TAKEOUT_REQUIRED");
            return Step::Answered(Err(error), method.to_owned());
        }
        match self.execute(context, info.id, method, query) {
            Some(result) => Step::Answered(result, method.to_owned()),
            None => Step::Asked,
        }
    }

    /// Nothing if the answer comes later.
    fn execute(
        &mut self,
        context: &CallContext,
        id: u32,
        method: &str,
        query: Bytes,
    ) -> Option<RpcResult<Bytes>> {
        let mut asked = false;
        let result = self.execute_now(context, id, method, query, &mut asked);
        (!asked).then_some(result)
    }

    fn execute_now(
        &mut self,
        context: &CallContext,
        id: u32,
        method: &str,
        query: Bytes,
        asked: &mut bool,
    ) -> RpcResult<Bytes> {
        let identity = self.state.identity(context.auth_key_id);
        let user = self.state.account_of(identity);
        if let Some(why) = self.state.revoked.get(&identity)
            && (why.is_final() || !BEFORE_LOGIN.contains(&id))
        {
            let (code, message) = why.error();
            return Err(RpcError::new(code, message));
        }
        if let Some(error) = self.faults.take_error(When::Before, method, user) {
            return Err(error);
        }
        self.gate(context, id, method, user)?;
        let layer = self
            .session_layer(context.auth_key_id, context.session_id)
            .unwrap_or(tl::LAYER);
        let mut call = Call {
            now: context.now,
            dc_id: context.dc_id,
            identity,
            origin: Some(context.session()),
            msg_id: context.msg_id,
            user,
            later: Some((*context, layer)),
            asked: None,
            world: self,
        };
        let routed = routes::route(&mut call, id, query, layer);
        *asked = call.asked.is_some();
        let answer = match routed {
            Some(result) => result?,
            None => {
                tracing::warn!(method, "a method that is not built was called");
                self.counters.count_not_built(method);
                return Err(RpcError::new(400, format!("METHOD_NOT_BUILT ({method})")));
            }
        };
        self.counters.count_executed(method);
        match self.faults.take_error(When::After, method, user) {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    /// Who may call: binding, `initConnection`, login, kind of account.
    fn gate(
        &self,
        context: &CallContext,
        id: u32,
        method: &str,
        user: Option<i64>,
    ) -> RpcResult<()> {
        cdn::check_method(context, id)?;
        if let Some(entry) = self.state.keys.get(&context.auth_key_id)
            && entry.expires_at.is_some()
            && entry.bound_to.is_none()
            && !BEFORE_BINDING.contains(&id)
        {
            return Err(unauthorized("AUTH_KEY_PERM_EMPTY"));
        }
        if id != functions::auth::BindTempAuthKey::ID
            && !self.state.clients.contains_key(&context.auth_key_id)
        {
            return Err(bad("CONNECTION_NOT_INITED"));
        }
        if context.role == Role::Cdn {
            // Nobody is logged in there.
            return Ok(());
        }
        let Some(user) = user else {
            return if BEFORE_LOGIN.contains(&id) {
                Ok(())
            } else {
                Err(unauthorized("AUTH_KEY_UNREGISTERED"))
            };
        };
        self.check_home(context, id, method, user)?;
        let is_bot = self
            .state
            .users
            .get(&user)
            .is_some_and(|user| user.bot.is_some());
        match (routes::availability(id), is_bot) {
            (routes::Availability::Users, true) => Err(bad("BOT_METHOD_INVALID")),
            (routes::Availability::Bots, false) => Err(bad("USER_BOT_REQUIRED")),
            _ => Ok(()),
        }
    }

    fn unwrap_query(
        &mut self,
        context: &CallContext,
        body: Bytes,
        without_updates: &mut bool,
        waited: bool,
    ) -> RpcResult<Unwrapped> {
        let mut query = body;
        let mut layer = None;
        let mut takeout = false;
        for _ in 0..=MAX_WRAPPERS {
            let id = Reader::new(query.clone())
                .peek_u32()
                .ok_or(bad("INPUT_FETCH_ERROR"))?;
            query = match id {
                functions::InvokeWithLayer::ID => {
                    let wrapper: functions::InvokeWithLayer = decode(query)?;
                    if !(OLDEST_LAYER..=tl::LAYER).contains(&wrapper.layer) {
                        return Err(bad("CONNECTION_LAYER_INVALID"));
                    }
                    self.sessions.entry(context.session()).layer = Some(wrapper.layer);
                    layer = Some(wrapper.layer);
                    wrapper.query.0
                }
                functions::InitConnection::ID => {
                    let wrapper: functions::InitConnection = decode(query)?;
                    let Some(layer) = layer else {
                        return Err(bad("CONNECTION_LAYER_INVALID"));
                    };
                    let info = ClientInfo {
                        layer,
                        api_id: wrapper.api_id,
                        device_model: wrapper.device_model,
                        system_version: wrapper.system_version,
                        app_version: wrapper.app_version,
                        lang_code: wrapper.lang_code,
                    };
                    self.initialize(context.auth_key_id, info)?;
                    wrapper.query.0
                }
                functions::InvokeWithoutUpdates::ID => {
                    *without_updates = true;
                    decode::<functions::InvokeWithoutUpdates>(query)?.query.0
                }
                functions::InvokeAfterMsg::ID => {
                    let wrapper: functions::InvokeAfterMsg = decode(query)?;
                    match self.after(context, vec![wrapper.msg_id], waited)? {
                        Some(after) => return Ok(Unwrapped::Wait(after, wrapper.query.0)),
                        None => wrapper.query.0,
                    }
                }
                functions::InvokeAfterMsgs::ID => {
                    let wrapper: functions::InvokeAfterMsgs = decode(query)?;
                    match self.after(context, wrapper.msg_ids, waited)? {
                        Some(after) => return Ok(Unwrapped::Wait(after, wrapper.query.0)),
                        None => wrapper.query.0,
                    }
                }
                functions::InvokeWithTakeout::ID => {
                    let wrapper: functions::InvokeWithTakeout = decode(query)?;
                    let login = self.state.identity(context.auth_key_id);
                    if self.takeouts.get(&login) != Some(&wrapper.takeout_id) {
                        return Err(bad("TAKEOUT_INVALID"));
                    }
                    takeout = true;
                    wrapper.query.0
                }
                functions::InvokeWithBusinessConnection::ID => {
                    return Err(bad("BUSINESS_CONNECTION_INVALID"));
                }
                _ => return Ok(Unwrapped::Query(query, takeout)),
            };
        }
        Err(bad("INPUT_FETCH_ERROR"))
    }

    /// The predecessors to wait for, or nothing if all succeeded.
    fn after(
        &self,
        context: &CallContext,
        after: Vec<i64>,
        waited: bool,
    ) -> RpcResult<Option<Vec<i64>>> {
        match self.predecessors(context.session(), &after) {
            Some(true) => Ok(None),
            Some(false) => Err(bad("MSG_WAIT_FAILED")),
            None if waited => Err(bad("MSG_WAIT_TIMEOUT")),
            None => Ok(Some(after)),
        }
    }

    fn initialize(&mut self, auth_key_id: i64, info: ClientInfo) -> RpcResult<()> {
        if info.api_id <= 0 {
            return Err(bad("API_ID_INVALID"));
        }
        if self.state.clients.get(&auth_key_id) != Some(&info) {
            self.commit(Event::ClientInitialized { auth_key_id, info });
        }
        Ok(())
    }
}

/// Calls a method in the name of an account, without session or login.
pub(crate) fn invoke_as(
    world: &mut World,
    now: Duration,
    user: i64,
    query: Bytes,
) -> RpcResult<Bytes> {
    let id = Reader::new(query.clone()).peek_u32().unwrap_or(0);
    let mut call = Call::as_account(world, now, user);
    routes::route(&mut call, id, query, tl::LAYER)
        .unwrap_or_else(|| Err(RpcError::new(400, format!("METHOD_NOT_BUILT ({id:08x})"))))
}

enum Unwrapped {
    /// And whether it is a part of a takeout.
    Query(Bytes, bool),
    Wait(Vec<i64>, Bytes),
}

/// Constructors that Telegram takes for one another, because they hold the same: clients of Pyrogram's family send
/// the peer where the user or channel is asked for.
const SAME_FIELDS: &[(&str, u32, u32)] = &[
    ("InputUser", 0x7da0_7ec9, 0xf7c1_b13f),
    ("InputUser", types::InputPeerUser::ID, types::InputUser::ID),
    (
        "InputUser",
        types::InputPeerUserFromMessage::ID,
        types::InputUserFromMessage::ID,
    ),
    (
        "InputChannel",
        types::InputPeerChannel::ID,
        types::InputChannel::ID,
    ),
    (
        "InputChannel",
        types::InputPeerChannelFromMessage::ID,
        types::InputChannelFromMessage::ID,
    ),
];
/// So many of them in one call.
const MAX_REPLACED: usize = 256;

/// Decodes a method, all of it.
pub(super) fn decode<F: Decode>(query: Bytes) -> RpcResult<F> {
    let mut query = query;
    for _ in 0..=MAX_REPLACED {
        let error = match F::from_bytes(query.clone()) {
            Ok(request) => return Ok(request),
            Err(error) => error,
        };
        let Some(replaced) = with_asked_constructor(&query, &error) else {
            tracing::debug!(%error, "a call could not be decoded");
            break;
        };
        query = replaced;
    }
    Err(bad("INPUT_FETCH_ERROR"))
}

/// The call with a peer's constructor replaced by that of the type that is asked for.
fn with_asked_constructor(query: &Bytes, error: &DecodeError) -> Option<Bytes> {
    let DecodeErrorKind::UnknownConstructor { id, expected } = error.kind() else {
        return None;
    };
    let (_, _, asked) = SAME_FIELDS
        .iter()
        .find(|(name, given, _)| name == expected && given == id)?;
    let mut bytes = query.to_vec();
    let at = error.offset();
    bytes
        .get_mut(at..at.checked_add(4)?)?
        .copy_from_slice(&asked.to_le_bytes());
    Some(bytes.into())
}

/// Decodes, calls and encodes for the caller's layer.
pub(super) fn answer<F>(
    call: &mut Call<'_>,
    query: Bytes,
    layer: i32,
    method: impl FnOnce(&mut Call<'_>, F) -> RpcResult<F::Response>,
) -> RpcResult<Bytes>
where
    F: Function + Decode,
    F::Response: Encode,
{
    let request = decode::<F>(query)?;
    let response = method(call, request)?;
    Ok(response.to_bytes_for(layer))
}
