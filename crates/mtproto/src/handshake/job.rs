//! The work of an exchange that costs milliseconds, as values that can move to another thread.

use std::sync::Arc;

use actogram_crypto::AuthKey;
use actogram_crypto::dh::{self, DhError, Secret};
use actogram_crypto::factor::{self, BadPq};
use actogram_crypto::random::Random;
use actogram_crypto::rsa::PrivateKey;
use actogram_crypto::sha::sha256;
use bytes::Bytes;

use super::inner_data::InnerData;

/// A piece of heavy work: between 1 and about 100 ms of CPU. Dropping it stalls its exchange until the
/// deadline.
pub struct Job {
    pub(super) ticket: u64,
    pub(super) work: Work,
}

/// What [`Job::run`] found; to be handed back to the handshake the job came from.
pub struct JobResult {
    pub(super) ticket: u64,
    pub(super) outcome: Outcome,
}

pub(super) enum Work {
    /// Client: factor pq, with randomness expanded from the seed.
    Factor { pq: Bytes, seed: [u8; 32] },
    /// Client: check the group and the server's public value; own public value and key.
    Exponentiate {
        prime: Bytes,
        g: i32,
        g_a: Bytes,
        secret: Box<Secret>,
    },
    /// Server: decrypt the inner data; own public value.
    OpenInner {
        key: Option<Arc<PrivateKey>>,
        encrypted: Bytes,
        prime: Arc<[u8; 256]>,
        g: i32,
        secret: Arc<Secret>,
    },
    /// Server: check the client's public value; key.
    Agree {
        prime: Arc<[u8; 256]>,
        g_b: Bytes,
        secret: Arc<Secret>,
    },
}

pub(super) enum Outcome {
    Factored(Result<(u64, u64), BadPq>),
    Exponentiated(Result<ClientExponentiation, JobError>),
    Opened {
        inner: Option<Box<InnerData>>,
        g_a: Bytes,
        secret: Arc<Secret>,
    },
    Agreed(Option<Arc<AuthKey>>),
}

pub(super) struct ClientExponentiation {
    pub(super) g_b: Bytes,
    pub(super) key: Arc<AuthKey>,
}

pub(super) enum JobError {
    /// The own public value is out of range: draw another exponent.
    OwnPublic,
    /// The server's parameters or public value are unsafe.
    Dh(DhError),
}

impl Job {
    /// Does the work. Blocks the calling thread for its duration and nothing else.
    #[must_use]
    pub fn run(self) -> JobResult {
        let outcome = match self.work {
            Work::Factor { pq, seed } => {
                Outcome::Factored(factor::factorize(&pq, &mut Expanded { seed, counter: 0 }))
            }
            Work::Exponentiate {
                prime,
                g,
                g_a,
                secret,
            } => Outcome::Exponentiated(exponentiate(&prime, g, &g_a, &secret)),
            Work::OpenInner {
                key,
                encrypted,
                prime,
                g,
                secret,
            } => Outcome::Opened {
                inner: key.and_then(|key| open_inner(&key, &encrypted)),
                g_a: Bytes::copy_from_slice(&secret.public(&prime, g)),
                secret,
            },
            Work::Agree { prime, g_b, secret } => {
                let shared = secret
                    .shared(&prime, &g_b)
                    .ok()
                    .filter(|_| g_b.len() <= 256);
                Outcome::Agreed(shared.map(|shared| Arc::new(AuthKey::new(*shared))))
            }
        };
        JobResult {
            ticket: self.ticket,
            outcome,
        }
    }
}

fn exponentiate(
    prime: &[u8],
    g: i32,
    g_a: &[u8],
    secret: &Secret,
) -> Result<ClientExponentiation, JobError> {
    dh::check_parameters(prime, g).map_err(JobError::Dh)?;
    let Ok(prime) = <&[u8; 256]>::try_from(prime) else {
        return Err(JobError::Dh(DhError::PrimeSize {
            bits: prime.len() * 8,
        }));
    };
    if g_a.len() > 256 {
        return Err(JobError::Dh(DhError::PublicValue));
    }
    let shared = secret.shared(prime, g_a).map_err(JobError::Dh)?;
    let g_b = secret.public(prime, g);
    dh::check_public(prime, &g_b).map_err(|_| JobError::OwnPublic)?;
    Ok(ClientExponentiation {
        g_b: Bytes::copy_from_slice(&g_b),
        key: Arc::new(AuthKey::new(*shared)),
    })
}

/// Opens the inner data in whichever padding it came. Both are always tried: time spent must not tell
/// whether the first one fitted.
fn open_inner(key: &PrivateKey, encrypted: &[u8]) -> Option<Box<InnerData>> {
    let opened = key.open(encrypted);
    let padded = opened.padded();
    let legacy = opened.legacy(|data| Some(InnerData::decode(data)?.1));
    let padded = padded.ok().and_then(|data| InnerData::decode(&data[..]));
    let legacy = legacy.ok().and_then(|data| InnerData::decode(&data));
    padded.or(legacy).map(|(data, _)| Box::new(data))
}

/// Randomness for the search of factors, which is no secret: a hash in counter mode.
struct Expanded {
    seed: [u8; 32],
    counter: u64,
}

impl Random for Expanded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let mut block = [0; 40];
            block[..32].copy_from_slice(&self.seed);
            block[32..].copy_from_slice(&self.counter.to_le_bytes());
            self.counter += 1;
            chunk.copy_from_slice(&sha256(&block)[..chunk.len()]);
        }
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.work {
            Work::Factor { .. } => "Job(factor pq)",
            Work::Exponentiate { .. } => "Job(check the group, compute the key)",
            Work::OpenInner { .. } => "Job(open the inner data)",
            Work::Agree { .. } => "Job(compute the key)",
        })
    }
}

impl std::fmt::Debug for JobResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobResult(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_move_between_threads() {
        fn is_send<T: Send + 'static>() {}
        is_send::<Job>();
        is_send::<JobResult>();
    }
}
