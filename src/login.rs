//! Login: a bot by its token, a user by phone, code and, where set, two-step password.
//!
//! <https://core.telegram.org/api/auth>, <https://core.telegram.org/api/srp>

use std::future::Future;

use actogram_crypto::{random::OsRandom, srp};
use actogram_tl::{enums, functions, types};

use crate::{Api, Error, Result, Secret};

/// Why login did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The account is not logged in and nothing says how to.
    #[error(
        "nobody is logged in: set `bot_token` (ACTOGRAM_BOT_TOKEN) for a bot, or log a user in with `Client::log_in`"
    )]
    NotLoggedIn,
    /// The bot's token does not have the form `123456:letters`.
    #[error("the bot token is malformed: it looks like 123456:ABC-DEF…; ask @BotFather for it")]
    MalformedToken,
    /// The datacenter protects passwords in a way this version does not know.
    #[error("the account's password uses an algorithm this version does not know; update actogram")]
    UnknownPasswordAlgorithm,
    /// The datacenter's password parameters are unsafe; nothing derived from the password was sent.
    #[error("the datacenter's password parameters were refused: {0}")]
    UnsafePasswordParameters(String),
    /// The code or password was wrong too often.
    #[error("the {0} was wrong too often")]
    TooManyAttempts(&'static str),
    /// This way of logging in is not built.
    #[error("the datacenter asks for {0}, which this version cannot do")]
    NotBuilt(&'static str),
}

/// How often a wrong code or password may be entered again.
const ATTEMPTS: usize = 3;

/// What login asks a person. The command line asks on the terminal; a service may ask elsewhere.
pub trait LoginPrompts {
    /// The phone number, with country code.
    fn phone(&mut self) -> impl Future<Output = Result<String>>;
    /// The code that was sent. `wrong` says that the last one was refused.
    fn code(&mut self, sent: &SentCode, wrong: bool) -> impl Future<Output = Result<String>>;
    /// The two-step password; `hint` is what its owner noted for it.
    fn password(&mut self, hint: Option<&str>, wrong: bool)
    -> impl Future<Output = Result<Secret>>;
    /// First and last name, for a number that has no account yet.
    fn name(&mut self) -> impl Future<Output = Result<(String, String)>>;
}

/// A code that is on its way (<https://core.telegram.org/constructor/auth.sentCode>).
#[derive(Debug, Clone)]
pub struct SentCode {
    phone: String,
    hash: String,
    /// How many digits or letters it has, where the datacenter says so.
    pub length: Option<i32>,
    /// In words: where it was sent.
    pub by: &'static str,
}

/// Where a sign-in stands.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignIn {
    /// Logged in.
    Done(Box<types::User>),
    /// The account has a two-step password: go on with [`Api::check_password`].
    PasswordRequired,
    /// The number has no account: go on with [`Api::sign_up`].
    SignUpRequired,
}

impl Api {
    /// Logs in as the bot with this token.
    ///
    /// # Errors
    /// [`LoginError::MalformedToken`], or the datacenter's refusal (`ACCESS_TOKEN_INVALID`).
    pub async fn log_in_bot(&self, token: &Secret) -> Result<types::User> {
        let (id, secret) = token.expose().split_once(':').unwrap_or_default();
        if id.parse::<i64>().is_err() || secret.is_empty() {
            return Err(LoginError::MalformedToken.into());
        }
        let answer = self
            .invoke(functions::auth::ImportBotAuthorization {
                flags: 0,
                api_id: self.credentials().api_id,
                api_hash: self.credentials().api_hash.expose().to_owned(),
                bot_auth_token: token.expose().to_owned(),
            })
            .await?;
        match self.authorized(answer).await? {
            SignIn::Done(user) => Ok(*user),
            _ => Err(LoginError::NotBuilt("a sign-up for a bot").into()),
        }
    }

    /// Asks for a code to be sent to this phone number.
    ///
    /// # Errors
    /// The datacenter's refusal (`PHONE_NUMBER_INVALID`, `FLOOD_WAIT_X`).
    pub async fn send_code(&self, phone: &str) -> Result<SentCode> {
        let phone: String = phone.chars().filter(char::is_ascii_digit).collect();
        let answer = self
            .invoke(functions::auth::SendCode {
                phone_number: phone.clone(),
                api_id: self.credentials().api_id,
                api_hash: self.credentials().api_hash.expose().to_owned(),
                settings: types::CodeSettings::new().into(),
            })
            .await?;
        match answer {
            enums::auth::SentCode::SentCode(sent) => {
                use enums::auth::SentCodeType as By;
                let (by, length) = match &sent.type_ {
                    By::SentCodeTypeApp(by) => ("to your other logged-in apps", Some(by.length)),
                    By::SentCodeTypeSms(by) => ("by SMS", Some(by.length)),
                    By::SentCodeTypeCall(by) => ("by a phone call", Some(by.length)),
                    By::SentCodeTypeEmailCode(by) => ("by e-mail", Some(by.length)),
                    By::SentCodeTypeFragmentSms(by) => ("to fragment.com", Some(by.length)),
                    _ => ("in a way this version does not know", None),
                };
                Ok(SentCode {
                    phone,
                    hash: sent.phone_code_hash.clone(),
                    length,
                    by,
                })
            }
            enums::auth::SentCode::SentCodeSuccess(_) => {
                Err(LoginError::NotBuilt("nothing more: a future token").into())
            }
            enums::auth::SentCode::SentCodePaymentRequired(_) => {
                Err(LoginError::NotBuilt("a payment for the code").into())
            }
        }
    }

    /// Signs in with the code that was sent.
    ///
    /// # Errors
    /// The datacenter's refusal (`PHONE_CODE_INVALID`, `PHONE_CODE_EXPIRED`).
    pub async fn sign_in(&self, sent: &SentCode, code: &str) -> Result<SignIn> {
        let mut function = functions::auth::SignIn::new(sent.phone.clone(), sent.hash.clone());
        function.phone_code = Some(code.trim().to_owned());
        match self.invoke(function).await {
            Ok(answer) => self.authorized(answer).await,
            Err(error) if error.is("SESSION_PASSWORD_NEEDED") => Ok(SignIn::PasswordRequired),
            Err(error) if error.is("PHONE_NUMBER_UNOCCUPIED") => Ok(SignIn::SignUpRequired),
            Err(error) => Err(error),
        }
    }

    /// Creates the account for a number that had none.
    ///
    /// # Errors
    /// The datacenter's refusal (`FIRSTNAME_INVALID`, `PHONE_NUMBER_OCCUPIED`).
    pub async fn sign_up(
        &self,
        sent: &SentCode,
        first_name: &str,
        last_name: &str,
    ) -> Result<types::User> {
        let answer = self
            .invoke(functions::auth::SignUp {
                no_joined_notifications: false,
                phone_number: sent.phone.clone(),
                phone_code_hash: sent.hash.clone(),
                first_name: first_name.to_owned(),
                last_name: last_name.to_owned(),
            })
            .await?;
        match self.authorized(answer).await? {
            SignIn::Done(user) => Ok(*user),
            _ => Err(LoginError::NotBuilt("another sign-up").into()),
        }
    }

    /// The hint that the account's owner noted for the two-step password.
    ///
    /// # Errors
    /// The datacenter's refusal.
    pub async fn password_hint(&self) -> Result<Option<String>> {
        Ok(self.password_state().await?.hint.clone())
    }

    /// Proves the two-step password. It never leaves this machine: the proof is SRP.
    ///
    /// # Errors
    /// `PASSWORD_HASH_INVALID` if it is wrong; [`LoginError`] if the datacenter's parameters are unsafe.
    pub async fn check_password(&self, password: &Secret) -> Result<types::User> {
        let state = self.password_state().await?;
        let (Some(algorithm), Some(public), Some(srp_id)) =
            (&state.current_algo, &state.srp_b, state.srp_id)
        else {
            return Err(Error::Incomplete {
                method: "account.getPassword".to_owned(),
                expected: "the parameters of the password",
            });
        };
        let proof = prove(password, algorithm, public)?;
        let answer = self
            .invoke(functions::auth::CheckPassword {
                password: types::InputCheckPasswordSrp {
                    srp_id,
                    a: proof.a.to_vec().into(),
                    m1: proof.m1.to_vec().into(),
                }
                .into(),
            })
            .await?;
        match self.authorized(answer).await? {
            SignIn::Done(user) => Ok(*user),
            _ => Err(LoginError::NotBuilt("a sign-up after the password").into()),
        }
    }

    /// Ends the authorization. The session file forgets the account.
    ///
    /// # Errors
    /// The datacenter's refusal.
    pub async fn log_out(&self) -> Result<()> {
        self.invoke(functions::auth::LogOut).await?;
        self.account()
            .forget()
            .await
            .map_err(|error| Error::from_call("auth.logOut", error))
    }

    pub(crate) async fn log_in_user(&self, prompts: &mut impl LoginPrompts) -> Result<types::User> {
        let phone = prompts.phone().await?;
        let sent = self.send_code(&phone).await?;
        for attempt in 0..ATTEMPTS {
            let code = prompts.code(&sent, attempt > 0).await?;
            match self.sign_in(&sent, &code).await {
                Ok(SignIn::Done(user)) => return Ok(*user),
                Ok(SignIn::PasswordRequired) => return self.ask_password(prompts).await,
                Ok(SignIn::SignUpRequired) => {
                    let (first, last) = prompts.name().await?;
                    return self.sign_up(&sent, &first, &last).await;
                }
                Err(error) if error.is("PHONE_CODE_INVALID") || error.is("PHONE_CODE_EMPTY") => {}
                Err(error) => return Err(error),
            }
        }
        Err(LoginError::TooManyAttempts("code").into())
    }

    async fn ask_password(&self, prompts: &mut impl LoginPrompts) -> Result<types::User> {
        let hint = self.password_hint().await?;
        for attempt in 0..ATTEMPTS {
            let password = prompts.password(hint.as_deref(), attempt > 0).await?;
            match self.check_password(&password).await {
                // A proof is bound to one server value; when that has gone stale the same password is proved anew.
                Err(error) if error.is("SRP_ID_INVALID") => {
                    match self.check_password(&password).await {
                        Err(error) if error.is("PASSWORD_HASH_INVALID") => {}
                        other => return other,
                    }
                }
                Err(error) if error.is("PASSWORD_HASH_INVALID") => {}
                other => return other,
            }
        }
        Err(LoginError::TooManyAttempts("password").into())
    }

    async fn password_state(&self) -> Result<types::account::Password> {
        match self.invoke(functions::account::GetPassword).await? {
            enums::account::Password::Password(state) => Ok(*state),
        }
    }

    async fn authorized(&self, answer: enums::auth::Authorization) -> Result<SignIn> {
        match answer {
            enums::auth::Authorization::Authorization(done) => match done.user {
                enums::User::User(user) => {
                    self.account()
                        .logged_in(&user)
                        .await
                        .map_err(|error| Error::from_call("auth.authorization", error))?;
                    Ok(SignIn::Done(user))
                }
                enums::User::UserEmpty(_) => Err(Error::Incomplete {
                    method: "auth.authorization".to_owned(),
                    expected: "the user who logged in",
                }),
            },
            enums::auth::Authorization::AuthorizationSignUpRequired(_) => {
                Ok(SignIn::SignUpRequired)
            }
        }
    }
}

fn prove(
    password: &Secret,
    algorithm: &enums::PasswordKdfAlgo,
    public: &[u8],
) -> Result<srp::Proof> {
    use enums::PasswordKdfAlgo as Algorithm;
    match algorithm {
        Algorithm::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(
            parameters,
        ) => {
            let parameters = srp::Parameters {
                salt1: &parameters.salt1,
                salt2: &parameters.salt2,
                g: parameters.g,
                p: &parameters.p,
            };
            srp::prove(
                password.expose().as_bytes(),
                &parameters,
                public,
                &mut OsRandom,
            )
            .map_err(|error| LoginError::UnsafePasswordParameters(error.to_string()).into())
        }
        Algorithm::PasswordKdfAlgoUnknown => Err(LoginError::UnknownPasswordAlgorithm.into()),
    }
}
