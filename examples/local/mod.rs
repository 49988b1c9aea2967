//! What examples need to run on this machine alone: a person who signs up at a local datacenter.

use actogram::{LoginPrompts, Secret, SentCode, prelude::*};
use actogram_local_datacenter::{LocalDatacenter, operator::LoginCodes};

const PHONE: &str = "9996621111";

/// Reads the login code where the datacenter keeps it, as the person would in their other app.
pub(crate) struct Prompts(LoginCodes);

impl Prompts {
    pub(crate) fn of(datacenter: &LocalDatacenter) -> Self {
        Self(datacenter.operator().login_codes())
    }
}

impl LoginPrompts for Prompts {
    async fn phone(&mut self) -> Result<String> {
        Ok(PHONE.to_owned())
    }

    async fn code(&mut self, _: &SentCode, _: bool) -> Result<String> {
        let code = self.0.next_for(PHONE).await;
        code.ok_or_else(|| Error::user("the datacenter has ended"))
    }

    async fn password(&mut self, _: Option<&str>, _: bool) -> Result<Secret> {
        Err(Error::user("this account has no password"))
    }

    async fn name(&mut self) -> Result<(String, String)> {
        Ok(("Ann".to_owned(), String::new()))
    }
}
