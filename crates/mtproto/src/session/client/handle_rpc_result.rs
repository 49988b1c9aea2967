//! `rpc_result` (<https://core.telegram.org/mtproto/service_messages#response-to-an-rpc-query>).

use actogram_tl::{
    Constructor, Reader,
    mtproto::{ids, types},
};
use bytes::Bytes;

use super::{CallFailure, CallId, ClientSession, Event};
use crate::session::{gzip, gzip::Allowance, wire};

/// The longest error name that is kept, in bytes.
const LONGEST_ERROR: usize = 1024;

impl ClientSession {
    pub(super) fn handle_rpc_result(&mut self, body: Bytes, allowance: &mut Allowance) {
        let mut reader = Reader::new(body);
        let read = reader.get_u32().and_then(|_| reader.get_i64());
        let Ok(req_msg_id) = read else {
            self.ignored.unreadable += 1;
            return;
        };
        // The first answer wins; one for nothing we asked, or asked twice for, is dropped.
        let Some(call) = self.by_msg_id.get(&req_msg_id).copied() else {
            self.ignored.unasked += 1;
            return;
        };
        self.count_success();
        match gzip::unpack(reader.rest(), allowance) {
            Ok(result) => self.settle(call, result),
            Err(why) => {
                self.end(call);
                self.events.push_back(Event::Failed {
                    call,
                    why: why.into(),
                });
            }
        }
    }

    fn settle(&mut self, call: CallId, result: Bytes) {
        if wire::constructor(&result) != Some(types::RpcError::ID) {
            self.has_result(call);
            self.note_bound(call, &result);
            self.end(call);
            self.events.push_back(Event::Answer { call, body: result });
            return;
        }
        let error: types::RpcError = match wire::unboxed(result) {
            Ok(error) => error,
            Err(error) => {
                self.end(call);
                let why = CallFailure::Unreadable(error.to_string());
                self.events.push_back(Event::Failed { call, why });
                return;
            }
        };
        let name = &error.error_message[..error.error_message.len().min(LONGEST_ERROR)];
        let message = String::from_utf8_lossy(name).into_owned();
        match message.as_str() {
            // The server forgot who we are, or never knew: say it again, with this call.
            "CONNECTION_NOT_INITED" | "CONNECTION_LAYER_INVALID" if !self.init.is_empty() => {
                self.initialized = false;
                self.initializing = None;
                self.refuse(call, error.error_code);
            }
            // The predecessor failed or takes long.
            "MSG_WAIT_FAILED" | "MSG_WAIT_TIMEOUT" => self.hold(call, error.error_code),
            _ => {
                let earlier_copy_lost = self.earlier_copy_lost(call);
                self.end(call);
                self.events.push_back(Event::RpcError {
                    call,
                    code: error.error_code,
                    message,
                    earlier_copy_lost,
                });
            }
        }
    }

    fn end(&mut self, call: CallId) {
        if self.initializing == Some(call) {
            // Any answer, even an error, shows that the wrapper was read.
            self.initializing = None;
            self.initialized = true;
        }
        self.forget(call);
    }
}

/// Whether a body is an answer to a call.
pub(super) fn is_rpc_result(constructor: u32) -> bool {
    constructor == ids::RPC_RESULT
}
