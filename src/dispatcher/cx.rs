//! What a handler is given beside the update.

use std::ops::Deref;

use crate::Api;

/// The context of a handler: every call of [`Api`] is a method of it.
#[derive(Clone)]
pub struct Cx {
    api: Api,
}

impl Cx {
    pub(crate) fn new(api: Api) -> Self {
        Self { api }
    }

    /// The account's calls.
    pub fn api(&self) -> &Api {
        &self.api
    }
}

impl Deref for Cx {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}
