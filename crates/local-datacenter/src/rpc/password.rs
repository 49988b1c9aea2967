//! The two-step password, see <https://core.telegram.org/api/srp>.

use std::collections::BTreeMap;

use actogram_crypto::dh::KNOWN_PRIME;
use actogram_crypto::srp::{Parameters, Server, verifier};
use actogram_tl as tl;
use bytes::Bytes;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::{RpcResult, bad, internal, unauthorized};
use crate::model::{AuthKeyId, Event, Password, SecretBytes, UserId, World};

/// Generator of the group that is offered for new passwords.
const GENERATOR: i32 = 3;
/// What a client appends to the first salt.
const CLIENT_SALT: usize = 32;

/// One attempt at a password.
struct Attempt {
    srp_id: i64,
    user: UserId,
    server: Server,
}

/// Attempts under way, one per key, and the salts offered for new passwords.
#[derive(Default)]
pub(crate) struct SrpServers {
    attempts: BTreeMap<AuthKeyId, Attempt>,
    offered: BTreeMap<UserId, (Vec<u8>, Vec<u8>)>,
}

fn algorithm(salt1: Bytes, salt2: Bytes) -> enums::PasswordKdfAlgo {
    types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
        salt1,
        salt2,
        g: GENERATOR,
        p: Bytes::from_static(&KNOWN_PRIME),
    }
    .into()
}

fn bytes(secret: &SecretBytes) -> Bytes {
    Bytes::copy_from_slice(secret.expose())
}

impl World {
    fn random_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.random.fill(&mut bytes);
        bytes
    }

    /// Gives an account a password, or takes it away, as its owner could.
    pub(crate) fn put_password(
        &mut self,
        user: UserId,
        password: Option<(&str, &str)>,
    ) -> RpcResult<()> {
        let stored = match password {
            None => None,
            Some((password, hint)) => {
                let (salt1, salt2) = (self.random_bytes(8 + CLIENT_SALT), self.random_bytes(16));
                let parameters = Parameters {
                    salt1: &salt1,
                    salt2: &salt2,
                    g: GENERATOR,
                    p: &KNOWN_PRIME,
                };
                let verifier = verifier(password.as_bytes(), &parameters)
                    .map_err(|_| internal("SRP_FAILED"))?;
                Some(Password {
                    salt1: SecretBytes::new(salt1),
                    salt2: SecretBytes::new(salt2),
                    verifier: SecretBytes::new(verifier),
                    hint: hint.to_owned(),
                })
            }
        };
        self.commit(Event::PasswordPut {
            user,
            password: stored,
        });
        Ok(())
    }
}

impl Call<'_> {
    /// The account whose password is in question: the one logged in, or the one that still owes it.
    fn password_owner(&self) -> RpcResult<UserId> {
        self.user
            .or_else(|| self.world.logins.password_owed_by(self.identity))
            .ok_or(unauthorized("AUTH_KEY_UNREGISTERED"))
    }

    /// `PASSWORD_HASH_INVALID` unless the proof is right; `SRP_ID_INVALID` if it is not for the latest challenge. A
    /// challenge is good for one answer.
    pub(super) fn verify_password(
        &mut self,
        user: UserId,
        proof: &enums::InputCheckPasswordSrp,
    ) -> RpcResult<()> {
        if !self.world.state.passwords.contains_key(&user) {
            return match proof {
                enums::InputCheckPasswordSrp::InputCheckPasswordEmpty => Ok(()),
                enums::InputCheckPasswordSrp::InputCheckPasswordSrp(_) => {
                    Err(bad("PASSWORD_HASH_INVALID"))
                }
            };
        }
        let enums::InputCheckPasswordSrp::InputCheckPasswordSrp(proof) = proof else {
            return Err(bad("PASSWORD_HASH_INVALID"));
        };
        let attempts = &mut self.world.srp.attempts;
        let current = attempts
            .get(&self.identity)
            .is_some_and(|attempt| attempt.srp_id == proof.srp_id && attempt.user == user);
        if !current {
            return Err(bad("SRP_ID_INVALID"));
        }
        let attempt = attempts
            .remove(&self.identity)
            .ok_or(bad("SRP_ID_INVALID"))?;
        attempt
            .server
            .verify(&proof.a, &proof.m1)
            .map_err(|_| bad("PASSWORD_HASH_INVALID"))
    }
}

/// `account.getPassword`.
pub(super) fn get_password(
    call: &mut Call<'_>,
    _: functions::account::GetPassword,
) -> RpcResult<enums::account::Password> {
    let user = call.password_owner()?;
    let offered = (call.world.random_bytes(8), call.world.random_bytes(16));
    let new_algorithm = algorithm(
        Bytes::copy_from_slice(&offered.0),
        Bytes::copy_from_slice(&offered.1),
    );
    call.world.srp.offered.insert(user, offered);
    let new_secure = types::SecurePasswordKdfAlgoPbkdf2Hmacsha512iter100000 {
        salt: call.world.random_bytes(8).into(),
    };
    let secure_random = call.world.random_bytes(256).into();
    let mut answer = types::account::Password::new(new_algorithm, new_secure.into(), secure_random);
    let Some(password) = call.world.state.passwords.get(&user).cloned() else {
        return Ok(answer.into());
    };
    let parameters = Parameters {
        salt1: password.salt1.expose(),
        salt2: password.salt2.expose(),
        g: GENERATOR,
        p: &KNOWN_PRIME,
    };
    let stored: &[u8; 256] = password
        .verifier
        .expose()
        .try_into()
        .map_err(|_| internal("SRP_FAILED"))?;
    let server = Server::new(&parameters, stored, &mut call.world.random)
        .map_err(|_| internal("SRP_FAILED"))?;
    let srp_id = actogram_crypto::random::i64(&mut call.world.random);
    answer.has_password = true;
    answer.current_algo = Some(algorithm(bytes(&password.salt1), bytes(&password.salt2)));
    answer.srp_b = Some(Bytes::copy_from_slice(server.public()));
    answer.srp_id = Some(srp_id);
    answer.hint = Some(password.hint).filter(|hint| !hint.is_empty());
    call.world.srp.attempts.insert(
        call.identity,
        Attempt {
            srp_id,
            user,
            server,
        },
    );
    Ok(answer.into())
}

/// `account.updatePasswordSettings`: sets, changes or removes the password. Recovery by e-mail is not offered.
pub(super) fn update_password_settings(
    call: &mut Call<'_>,
    request: functions::account::UpdatePasswordSettings,
) -> RpcResult<bool> {
    let me = call.me()?;
    call.verify_password(me, &request.password)?;
    let enums::account::PasswordInputSettings::PasswordInputSettings(settings) =
        request.new_settings;
    if settings
        .email
        .as_ref()
        .is_some_and(|email| !email.is_empty())
    {
        return Err(bad("EMAIL_INVALID"));
    }
    let (Some(algorithm), Some(hash)) = (&settings.new_algo, &settings.new_password_hash) else {
        return Err(bad("NEW_SETTINGS_EMPTY"));
    };
    let enums::PasswordKdfAlgo::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(
        algorithm,
    ) = algorithm
    else {
        if hash.is_empty() {
            call.world.put_password(me, None)?;
            return Ok(true);
        }
        return Err(bad("NEW_SETTINGS_INVALID"));
    };
    if hash.is_empty() {
        call.world.put_password(me, None)?;
        return Ok(true);
    }
    let salts_fit = call
        .world
        .srp
        .offered
        .get(&me)
        .is_some_and(|(salt1, salt2)| {
            algorithm.salt2 == *salt2
                && algorithm.salt1.len() == salt1.len() + CLIENT_SALT
                && algorithm.salt1.starts_with(salt1)
        });
    if !salts_fit {
        return Err(bad("NEW_SALT_INVALID"));
    }
    if algorithm.g != GENERATOR || algorithm.p != KNOWN_PRIME[..] || hash.len() != 256 {
        return Err(bad("NEW_SETTINGS_INVALID"));
    }
    call.world.srp.offered.remove(&me);
    let password = Password {
        salt1: SecretBytes::new(algorithm.salt1.to_vec()),
        salt2: SecretBytes::new(algorithm.salt2.to_vec()),
        verifier: SecretBytes::new(hash.to_vec()),
        hint: settings.hint.clone().unwrap_or_default(),
    };
    call.world.commit(Event::PasswordPut {
        user: me,
        password: Some(password),
    });
    Ok(true)
}
