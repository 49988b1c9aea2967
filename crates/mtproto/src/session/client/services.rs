//! Service messages of this side: queued, remembered as long as the server may refuse them, and sent again then.

use std::collections::VecDeque;

use actogram_tl::{Constructor, mtproto::types};
use bytes::Bytes;

use super::{ClientSession, list};
use crate::session::wire;

/// How many sent ones are remembered.
const MOST_REMEMBERED: usize = 256;

/// How many questions may be without an answer. The oldest is forgotten, and asked again in time.
const MOST_ASKED: usize = 64;

/// How many may wait to be sent. What this side says by itself is far less; a server that asks for more gets no answer.
const MOST_QUEUED: usize = 4096;

/// What kind of service message it is, which decides what happens when the server refuses it.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Says something that must be said: again.
    Statement,
    /// Its time has passed.
    Ping,
    /// `msgs_state_req` for these, with an answer by position: again for those that are still open.
    State(Vec<i64>),
    /// `get_future_salts`: asked again in time.
    Salts,
}

#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) body: Bytes,
    pub(super) kind: Kind,
}

impl Service {
    /// Two of which must not be in one container (<https://core.telegram.org/mtproto/service_messages_about_messages>).
    pub(super) fn is_alone_of_its_kind(&self) -> Option<u32> {
        wire::constructor(&self.body)
            .filter(|id| matches!(*id, types::MsgsStateReq::ID | types::MsgResendReq::ID))
    }
}

impl ClientSession {
    pub(super) fn say(&mut self, body: Bytes) {
        self.queue_service(body, Kind::Statement);
    }

    pub(super) fn queue_service(&mut self, body: Bytes, kind: Kind) {
        if self.services.len() < MOST_QUEUED {
            self.services.push_back(Service { body, kind });
        }
    }

    /// A service message goes out under this id.
    pub(super) fn service_is_sent(&mut self, msg_id: i64, service: Service) {
        if matches!(service.kind, Kind::State(_) | Kind::Salts) {
            self.asked.insert(msg_id, service.kind.clone());
            if self.asked.len() > MOST_ASKED {
                self.asked.pop_first();
            }
        }
        self.sent_services.push_back((msg_id, service));
        if self.sent_services.len() > MOST_REMEMBERED {
            self.sent_services.pop_front();
        }
    }

    /// The server refused the message, or the container, with this id: what is still worth saying is said again.
    pub(super) fn say_again(&mut self, refused: i64) {
        let inner = self
            .containers
            .iter()
            .find(|(id, _)| *id == refused)
            .map(|(_, inner)| inner.clone())
            .unwrap_or_else(|| vec![refused]);
        let (lost, kept): (VecDeque<_>, _) = std::mem::take(&mut self.sent_services)
            .into_iter()
            .partition(|(msg_id, _)| inner.contains(msg_id));
        self.sent_services = kept;
        for (msg_id, service) in lost {
            match service.kind {
                Kind::Statement => self.say(service.body),
                Kind::Ping => {}
                Kind::State(msg_ids) => {
                    self.asked.remove(&msg_id);
                    // Not for ever: a server that does not let itself be asked leaves the outcome unknown.
                    let open: Vec<_> = msg_ids
                        .into_iter()
                        .filter(|id| self.may_ask_again(*id))
                        .collect();
                    if !open.is_empty() {
                        let body = list(types::MsgsStateReq::ID, &open);
                        self.queue_service(body, Kind::State(open));
                    }
                }
                Kind::Salts => {
                    self.asked.remove(&msg_id);
                    self.salts_asked_at = None;
                }
            }
        }
    }
}
