//! The two-step password: SRP-6a with 2048 bits, both sides (<https://core.telegram.org/api/srp>).
//!
//! The password is taken as its bytes, not normalized. What is derived from it is wiped.

use std::fmt;

use crypto_bigint::{
    Odd, U2048,
    modular::{FixedMontyForm, FixedMontyParams},
};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::{
    compare::constant_time_eq,
    dh::{self, DhError, power, sized, to_array},
    random::Random,
    sha::{sha256, sha256_of},
};

const ITERATIONS: u32 = 100_000;

/// The shortest salt that is not refused, in bytes: Telegram's own have 8 and more.
const SHORTEST_SALT: usize = 8;

/// What the datacenter says about an account's password.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// The client's salt.
    pub salt1: &'a [u8],
    /// The datacenter's salt.
    pub salt2: &'a [u8],
    /// The generator.
    pub g: i32,
    /// The prime, 256 bytes.
    pub p: &'a [u8],
}

/// Why no proof was made or a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SrpError {
    /// The group is unsafe.
    #[error("the password's group: {0}")]
    Group(#[from] DhError),
    /// A salt is too short to be honest.
    #[error("a salt of the password has {0} bytes where at least 8 were expected")]
    Salt(usize),
    /// The other side's public value is 0, not below the prime, or of a strange length.
    #[error("the public value for the password is outside 1 to p - 1 or has not 248 to 256 bytes")]
    PublicValue,
    /// The scrambling parameter is 0, which would let anybody in.
    #[error("the password's scrambling parameter is zero; ask for fresh parameters")]
    Scramble,
    /// The proof does not fit: the password is wrong.
    #[error("the proof of the password does not fit")]
    Proof,
}

/// What a client sends in `inputCheckPasswordSRP`.
#[derive(Clone)]
pub struct Proof {
    /// The client's public value, 256 bytes.
    pub a: [u8; 256],
    /// The proof.
    pub m1: [u8; 32],
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(***)")
    }
}

/// Proves that `password` is known. Nothing derived from it leaves on an error.
///
/// Takes some 100 ms: run it where it blocks nobody.
///
/// # Errors
/// [`SrpError`] if the parameters are unsafe.
pub fn prove(
    password: &[u8],
    parameters: &Parameters<'_>,
    srp_b: &[u8],
    random: &mut (impl Random + ?Sized),
) -> Result<Proof, SrpError> {
    let group = Group::checked(parameters)?;
    if !(248..=256).contains(&srp_b.len()) {
        return Err(SrpError::PublicValue);
    }
    let g_b = group.value(srp_b)?;
    loop {
        let mut secret = Zeroizing::new([0; 256]);
        random.fill(&mut secret[..]);
        let g_a = power(&group.g, &secret, &group.p);
        if dh::check_public(&group.p, &g_a).is_ok() {
            return group.prove(password, parameters, &g_a, &g_b, &secret);
        }
    }
}

/// What a server keeps instead of the password: `g^x mod p`.
///
/// # Errors
/// [`SrpError`] if the parameters are unsafe.
pub fn verifier(password: &[u8], parameters: &Parameters<'_>) -> Result<[u8; 256], SrpError> {
    let group = Group::checked(parameters)?;
    Ok(power(
        &group.g,
        &password_exponent(password, parameters),
        &group.p,
    ))
}

/// The server's half of one attempt.
pub struct Server {
    group: Group,
    salts: [[u8; 32]; 2],
    verifier: Zeroizing<[u8; 256]>,
    secret: Zeroizing<[u8; 256]>,
    public: [u8; 256],
}

impl Server {
    /// Starts an attempt against this verifier.
    ///
    /// # Errors
    /// [`SrpError::Group`] if the parameters are unsafe.
    pub fn new(
        parameters: &Parameters<'_>,
        verifier: &[u8; 256],
        random: &mut (impl Random + ?Sized),
    ) -> Result<Self, SrpError> {
        let mut secret = [0; 256];
        random.fill(&mut secret);
        Self::with_secret(parameters, verifier, secret)
    }

    /// Starts an attempt with a secret made elsewhere: for test vectors.
    ///
    /// # Errors
    /// [`SrpError::Group`] if the parameters are unsafe.
    pub fn with_secret(
        parameters: &Parameters<'_>,
        verifier: &[u8; 256],
        secret: [u8; 256],
    ) -> Result<Self, SrpError> {
        let group = Group::checked(parameters)?;
        let secret = Zeroizing::new(secret);
        let g_b = power(&group.g, &secret, &group.p);
        let public = group.add(&group.multiply(&group.k(), verifier), &g_b);
        let salts = [sha256(parameters.salt1), sha256(parameters.salt2)];
        Ok(Self {
            group,
            salts,
            verifier: Zeroizing::new(*verifier),
            secret,
            public,
        })
    }

    /// `srp_B`, for the client.
    pub fn public(&self) -> &[u8; 256] {
        &self.public
    }

    /// Checks a client's proof, in constant time.
    ///
    /// # Errors
    /// [`SrpError::Proof`] if the password was another one; [`SrpError`] for values out of range.
    pub fn verify(&self, a: &[u8], m1: &[u8]) -> Result<(), SrpError> {
        let g_a = self.group.value(a)?;
        let u = scramble(&g_a, &self.public)?;
        let base = self
            .group
            .multiply(&g_a, &power(&self.verifier, &u, &self.group.p));
        let shared = Zeroizing::new(power(&base, &self.secret, &self.group.p));
        let k_a = Zeroizing::new(sha256(&shared[..]));
        let expected = self.group.m1(&self.salts, &g_a, &self.public, &k_a);
        if constant_time_eq(&expected, m1) {
            Ok(())
        } else {
            Err(SrpError::Proof)
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("srp::Server(***)")
    }
}

struct Group {
    p: [u8; 256],
    g: [u8; 256],
}

impl Group {
    fn checked(parameters: &Parameters<'_>) -> Result<Self, SrpError> {
        dh::check_parameters(parameters.p, parameters.g)?;
        for salt in [parameters.salt1, parameters.salt2] {
            if salt.len() < SHORTEST_SALT {
                return Err(SrpError::Salt(salt.len()));
            }
        }
        let p = sized(parameters.p).ok_or(DhError::PrimeSize {
            bits: parameters.p.len() * 8,
        })?;
        let mut g = [0; 256];
        g[252..].copy_from_slice(&parameters.g.to_be_bytes());
        Ok(Self { p, g })
    }

    /// A public value of the other side: 0 < value < p.
    fn value(&self, bytes: &[u8]) -> Result<[u8; 256], SrpError> {
        sized(bytes)
            .filter(|value| *value != [0; 256] && *value < self.p)
            .ok_or(SrpError::PublicValue)
    }

    fn k(&self) -> [u8; 256] {
        let mut k = [0; 256];
        k[224..].copy_from_slice(&sha256_of(&[&self.p, &self.g]));
        k
    }

    fn prove(
        &self,
        password: &[u8],
        parameters: &Parameters<'_>,
        g_a: &[u8; 256],
        g_b: &[u8; 256],
        secret: &[u8; 256],
    ) -> Result<Proof, SrpError> {
        let u = scramble(g_a, g_b)?;
        let x = password_exponent(password, parameters);
        let verifier = Zeroizing::new(power(&self.g, &x, &self.p));
        let base = Zeroizing::new(self.subtract(g_b, &self.multiply(&self.k(), &verifier)));
        // t^(a + u·x): two powers instead of one exponent above 2048 bits.
        let blinded = Zeroizing::new(power(&base, secret, &self.p));
        let scrambled = Zeroizing::new(power(
            &Zeroizing::new(power(&base, &u, &self.p)),
            &x,
            &self.p,
        ));
        let k_a = Zeroizing::new(sha256(
            &Zeroizing::new(self.multiply(&blinded, &scrambled))[..],
        ));
        let salts = [sha256(parameters.salt1), sha256(parameters.salt2)];
        Ok(Proof {
            a: *g_a,
            m1: self.m1(&salts, g_a, g_b, &k_a),
        })
    }

    fn m1(
        &self,
        salts: &[[u8; 32]; 2],
        g_a: &[u8; 256],
        g_b: &[u8; 256],
        k_a: &[u8; 32],
    ) -> [u8; 32] {
        let (hash_p, hash_g) = (sha256(&self.p), sha256(&self.g));
        let mixed: [u8; 32] = std::array::from_fn(|at| hash_p[at] ^ hash_g[at]);
        sha256_of(&[&mixed, &salts[0], &salts[1], g_a, g_b, k_a])
    }

    fn add(&self, a: &[u8; 256], b: &[u8; 256]) -> [u8; 256] {
        self.combine(a, b, |a, b| *a + b)
    }

    fn subtract(&self, a: &[u8; 256], b: &[u8; 256]) -> [u8; 256] {
        self.combine(a, b, |a, b| *a - b)
    }

    fn multiply(&self, a: &[u8; 256], b: &[u8; 256]) -> [u8; 256] {
        self.combine(a, b, |a, b| *a * b)
    }

    fn combine(
        &self,
        a: &[u8; 256],
        b: &[u8; 256],
        operation: fn(&Residue, &Residue) -> Residue,
    ) -> [u8; 256] {
        let Some(odd) = Odd::new(U2048::from_be_slice(&self.p)).into_option() else {
            return [0; 256];
        };
        let parameters = FixedMontyParams::new_vartime(odd);
        let residue = |bytes: &[u8; 256]| Residue::new(&U2048::from_be_slice(bytes), &parameters);
        to_array(&operation(&residue(a), &residue(b)).retrieve())
    }
}

type Residue = FixedMontyForm<{ U2048::LIMBS }>;

/// u = H(g_a | g_b).
fn scramble(g_a: &[u8; 256], g_b: &[u8; 256]) -> Result<[u8; 256], SrpError> {
    let hash = sha256_of(&[g_a, g_b]);
    if hash == [0; 32] {
        return Err(SrpError::Scramble);
    }
    let mut u = [0; 256];
    u[224..].copy_from_slice(&hash);
    Ok(u)
}

/// x = PH2(password, salt1, salt2), as an exponent.
fn password_exponent(password: &[u8], parameters: &Parameters<'_>) -> Zeroizing<[u8; 256]> {
    let salted = |data: &[u8], salt: &[u8]| Zeroizing::new(sha256_of(&[salt, data, salt]));
    let first = salted(&salted(password, parameters.salt1)[..], parameters.salt2);
    let mut stretched = Zeroizing::new([0; 64]);
    pbkdf2::pbkdf2_hmac::<Sha512>(&first[..], parameters.salt1, ITERATIONS, &mut stretched[..]);
    let mut x = Zeroizing::new([0; 256]);
    x[224..].copy_from_slice(&salted(&stretched[..], parameters.salt2)[..]);
    x
}
