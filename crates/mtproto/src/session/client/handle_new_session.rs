//! `new_session_created` (<https://core.telegram.org/mtproto/service_messages#new-session-creation-notification>).

use actogram_tl::mtproto::types;

use super::{CallState, ClientSession, Event};
use crate::session::message_id::order;

impl ClientSession {
    /// `told` is the id of the notification itself.
    pub(super) fn handle_new_session(&mut self, told: i64, created: &types::NewSessionCreated) {
        if self.last_unique_id == Some(created.unique_id) {
            return;
        }
        self.salts.correct(created.server_salt);
        self.events.push_back(Event::Salt(created.server_salt));
        let first = self.last_unique_id.replace(created.unique_id).is_none();
        for id in self.calls_in_order() {
            let Some(call) = self.calls.get(&id) else {
                continue;
            };
            // A call in a container is as old as the container.
            if call.state == CallState::Queued || order(call.carrier) >= order(created.first_msg_id)
            {
                continue;
            }
            let Some(msg_id) = call.msg_id() else {
                continue;
            };
            if first && call.state == CallState::Sent {
                // Over this connection, and before the server knew of the session: it has not seen it. Should it have been
                // overtaken on the way, the same id keeps it from being carried out twice.
                self.never_received(told, msg_id);
            } else {
                // The session that may have seen it is gone.
                self.untraceable(msg_id);
            }
        }
        if !first {
            // The server restarted, or dropped the session that was there.
            self.initialized = self.init.is_empty();
            self.initializing = None;
        }
        self.events.push_back(Event::SessionLost);
    }
}
