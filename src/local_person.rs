//! People of a local datacenter, who log in without anybody typing.

use std::fmt;

use actogram_local_datacenter::{LocalDatacenter, operator::LoginCodes};

use crate::{Error, LoginPrompts, Result, Secret, SentCode};

/// A person at a [`LocalDatacenter`] of this process: for [`Client::log_in`](crate::Client::log_in) in tests, examples and
/// trials. Signs up if the phone has no account yet, and reads the codes where the datacenter keeps them.
///
/// ```
/// use actogram::{LocalPerson, prelude::*};
/// use actogram_local_datacenter::LocalDatacenter;
///
/// # #[tokio::main] async fn main() -> Result<()> {
/// let datacenter = LocalDatacenter::builder().start().await.map_err(Error::user)?;
/// let client = Client::builder(":memory:").local_datacenter(&datacenter).connect().await?;
/// let mut ann = LocalPerson::new(&datacenter, "9996621111").named("Ann");
/// let me = client.log_in(&mut ann).await?;
/// assert_eq!(me.first_name.as_deref(), Some("Ann"));
/// # client.shutdown(std::time::Duration::from_secs(5)).await;
/// # datacenter.shutdown().await;
/// # Ok(()) }
/// ```
pub struct LocalPerson {
    phone: String,
    name: String,
    password: Secret,
    codes: LoginCodes,
}

impl fmt::Debug for LocalPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPerson")
            .field("phone", &self.phone)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl LocalPerson {
    /// The person with this phone, with country code. Codes that are issued from here on are read.
    pub fn new(datacenter: &LocalDatacenter, phone: impl Into<String>) -> Self {
        Self {
            phone: phone.into(),
            name: "Local".to_owned(),
            password: Secret::default(),
            codes: datacenter.operator().login_codes(),
        }
    }

    /// The first name to sign up with.
    pub fn named(mut self, first_name: impl Into<String>) -> Self {
        self.name = first_name.into();
        self
    }

    /// The two-step password, for an account that has one.
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.password = password.into();
        self
    }
}

impl LoginPrompts for LocalPerson {
    async fn phone(&mut self) -> Result<String> {
        Ok(self.phone.clone())
    }

    async fn code(&mut self, _: &SentCode, _: bool) -> Result<String> {
        let code = self.codes.next_for(&self.phone).await;
        code.ok_or_else(|| {
            Error::user("the local datacenter has ended, and no code comes any more")
        })
    }

    async fn password(&mut self, _: Option<&str>, wrong: bool) -> Result<Secret> {
        if wrong {
            return Err(Error::user(
                "the password of this local person is another one",
            ));
        }
        if self.password.is_empty() {
            return Err(Error::user(
                "this local person has a two-step password: give it with `LocalPerson::password`",
            ));
        }
        Ok(self.password.clone())
    }

    async fn name(&mut self) -> Result<(String, String)> {
        Ok((self.name.clone(), String::new()))
    }
}
