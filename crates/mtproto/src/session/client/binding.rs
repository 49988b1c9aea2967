//! A temporary key is bound to a permanent one before anything else is called over it
//! (<https://core.telegram.org/api/pfs>, <https://core.telegram.org/method/auth.bindTempAuthKey>).

use std::sync::Arc;

use actogram_crypto::{AuthKey, message, random};
use actogram_tl::{
    Encode, functions,
    mtproto::{ids, types},
    tables::ResendClass,
};
use bytes::Bytes;

use super::{CallId, CallRequest, CallState, ClientSession, transmit::Packet};
use crate::{Now, session::wire};

/// What the session's key, a temporary one, is bound to.
#[derive(Debug, Clone)]
pub struct BindRequest {
    /// The permanent key that the temporary one is to speak for.
    pub permanent: Arc<AuthKey>,
    /// When the temporary key expires, in unix seconds of the server.
    pub expires_at: i32,
}

/// A binding that has not succeeded yet.
pub(super) struct Binding {
    request: BindRequest,
    call: CallId,
}

/// The envelope's padding: 72 bytes are encrypted in blocks of 16.
const PADDING: usize = 8;

/// What is to be packed next.
pub(super) enum Next {
    /// Any call.
    Any,
    /// This one alone.
    Bind(CallId),
    /// None: all wait for the binding.
    Nothing,
}

impl ClientSession {
    /// Binds the session's key to a permanent one. It ends as any [`call`](Self::call), with `boolTrue` for its answer if it
    /// succeeded. Until then no other call goes out: the server would refuse it. After any other end they wait for the next
    /// binding.
    pub fn bind(&mut self, now: Now, request: BindRequest) -> CallId {
        if let Some(former) = self.binding.take() {
            self.cancel(former.call);
        }
        // Its body is made anew for each id under which it goes out.
        let mut placeholder = CallRequest::new(Bytes::new());
        placeholder.resend = ResendClass::Idempotent;
        let call = self.call(now, placeholder);
        if let Some(bind) = self.calls.get_mut(&call) {
            bind.alone = true;
        }
        // Who calls is told anew after each binding.
        self.initialized = self.init.is_empty();
        self.initializing = None;
        self.binding = Some(Binding { request, call });
        call
    }

    /// Whether calls wait for the session's key to be bound.
    pub fn is_binding(&self) -> bool {
        self.binding.is_some()
    }

    pub(super) fn next_by_binding(&self) -> Next {
        let Some(binding) = &self.binding else {
            return Next::Any;
        };
        match self.calls.get(&binding.call) {
            Some(call) if call.state == CallState::Queued => Next::Bind(binding.call),
            _ => Next::Nothing,
        }
    }

    /// The message that carries it has the id that stands in it, and is in no container: what the server compares are that
    /// id and the one it was received under.
    pub(super) fn pack_bind(&mut self, now: Now, id: CallId, packet: &mut Packet) {
        if !packet.messages.is_empty() {
            packet.full = true;
            return;
        }
        if let Ok(at) = self.queue.binary_search(&id) {
            self.queue.remove(at);
        }
        let msg_id = self.next_id(now);
        let Some(wire) = self.bind_body(msg_id) else {
            return;
        };
        self.call_is_packed(now, id, msg_id, wire, packet);
    }

    fn bind_body(&mut self, msg_id: i64) -> Option<Bytes> {
        let BindRequest {
            permanent,
            expires_at,
        } = self.binding.as_ref()?.request.clone();
        let nonce = random::i64(&mut *self.random);
        let inner = types::BindAuthKeyInner {
            nonce,
            temp_auth_key_id: self.key.id(),
            perm_auth_key_id: permanent.id(),
            temp_session_id: self.session_id,
            expires_at,
        };
        let inner = wire::boxed(&inner);
        let (mut before, mut padding) = ([0; 16], [0; PADDING]);
        self.random.fill(&mut before);
        self.random.fill(&mut padding);
        let mut plaintext = Vec::with_capacity(32 + inner.len());
        plaintext.extend_from_slice(&before);
        plaintext.extend_from_slice(&msg_id.to_le_bytes());
        plaintext.extend_from_slice(&0i32.to_le_bytes());
        plaintext.extend_from_slice(&(inner.len() as i32).to_le_bytes());
        plaintext.extend_from_slice(&inner);
        let bind = functions::auth::BindTempAuthKey {
            perm_auth_key_id: permanent.id(),
            nonce,
            expires_at,
            encrypted_message: message::encrypt_v1(&permanent, &plaintext, &padding).into(),
        };
        Some(bind.to_bytes())
    }

    /// A call has this result: if it is the binding, and was made, the others may go.
    pub(super) fn note_bound(&mut self, call: CallId, result: &Bytes) {
        let bound = wire::constructor(result) == Some(ids::BOOL_TRUE);
        if bound && self.binding.as_ref().is_some_and(|it| it.call == call) {
            self.binding = None;
        }
    }
}
