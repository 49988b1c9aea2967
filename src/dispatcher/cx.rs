//! What a handler is given beside the update.

use std::ops::Deref;

use actix::Addr;

use super::DispatcherActor;
use crate::{Api, PeerId, Update, filters::Subject};

/// The context of a handler: every call of [`Api`] is a method of it.
#[derive(Clone)]
pub struct Cx {
    api: Api,
    dispatcher: Addr<DispatcherActor>,
    place: Option<(PeerId, PeerId)>,
}

impl Cx {
    pub(super) fn new(api: Api, dispatcher: Addr<DispatcherActor>) -> Self {
        Self {
            api,
            dispatcher,
            place: None,
        }
    }

    /// For the handling of this update.
    pub(super) fn at(mut self, update: &Update) -> Self {
        let sender = Subject::sender(update);
        self.place = update.peer().zip(sender);
        self
    }

    /// The account's calls.
    pub fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn dispatcher(&self) -> &Addr<DispatcherActor> {
        &self.dispatcher
    }

    /// The chat and the sender of the update that is handled, where both are known.
    pub(super) fn place(&self) -> Option<(PeerId, PeerId)> {
        self.place
    }
}

impl Deref for Cx {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}
