//! RSA as the key exchange uses it: keys of 2048 bits, `RSA_PAD` and its predecessor
//! (<https://core.telegram.org/mtproto/auth_key#presenting-proof-of-work-server-authentication>).

use std::fmt;

use ::rsa::{
    BigUint, RsaPrivateKey, RsaPublicKey,
    pkcs1::{
        DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPrivateKey, EncodeRsaPublicKey,
        LineEnding,
    },
    pkcs8::{DecodePrivateKey, DecodePublicKey},
    traits::{PrivateKeyParts, PublicKeyParts},
};
use crypto_bigint::{
    Odd, U2048,
    modular::{FixedMontyForm, FixedMontyParams},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    compare::constant_time_eq,
    dh::{bit_length, power, sized, to_array},
    ige,
    random::{self, Random},
    sha::{sha1, sha256, sha256_of},
};

/// The most data one block of `RSA_PAD` takes, in bytes.
pub const MOST_DATA: usize = 144;

/// Data and its random padding.
const PADDED: usize = 192;

/// Where the data starts in a block of the old padding: behind one zero byte and its SHA-1.
const OLD_DATA: usize = 21;

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No PEM of an RSA key, in PKCS#1 or PKCS#8.
    #[error("no RSA key in PEM (PKCS#1 or PKCS#8): {0}")]
    Pem(String),
    /// The modulus is even.
    #[error("the RSA key's modulus is even, so it is none")]
    Even,
    /// Not 2048 bits.
    #[error("the RSA key has {0} bits where 2048 were expected")]
    Size(usize),
    /// No exponent that RSA has: even, 1, or above 64 bits.
    #[error(
        "the RSA key's exponent is even, 1 or above 64 bits; an odd one such as 65537 was expected"
    )]
    Exponent,
    /// The key could not be made.
    #[error("an RSA key could not be generated: {0}")]
    Generate(String),
    /// The data does not fit into one block.
    #[error("{0} bytes were to be encrypted where at most 144 fit")]
    DataTooLong(usize),
}

/// The block was not encrypted to this key. It does not say why: the peer must not learn that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a block was not encrypted to this RSA key")]
pub struct Rejected;

/// The public half of a datacenter's key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    n: [u8; 256],
    e: Vec<u8>,
    fingerprint: i64,
}

impl PublicKey {
    /// The key of this modulus and exponent, big-endian.
    ///
    /// # Errors
    /// [`KeyError::Size`] if the modulus has not 2048 bits, [`KeyError::Even`] if it is even,
    /// [`KeyError::Exponent`] if the exponent is none.
    pub fn from_parts(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let bits = bit_length(n);
        let n = sized(n)
            .filter(|_| bits == 2048)
            .ok_or(KeyError::Size(bits))?;
        if n[255] % 2 == 0 {
            return Err(KeyError::Even);
        }
        let e = e[e.iter().take_while(|byte| **byte == 0).count()..].to_vec();
        let odd = e.last().is_some_and(|last| last % 2 == 1);
        if !odd || e == [1] || e.len() > 8 {
            return Err(KeyError::Exponent);
        }
        let fingerprint = fingerprint(&n, &e);
        Ok(Self { n, e, fingerprint })
    }

    /// Reads PKCS#1 (`BEGIN RSA PUBLIC KEY`) or PKCS#8 (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// [`KeyError`] if it is neither, or not of 2048 bits.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = RsaPublicKey::from_pkcs1_pem(pem.trim())
            .map_err(|error| error.to_string())
            .or_else(|first| RsaPublicKey::from_public_key_pem(pem.trim()).map_err(|_| first))
            .map_err(KeyError::Pem)?;
        Self::from_parts(&key.n().to_bytes_be(), &key.e().to_bytes_be())
    }

    /// Writes PKCS#1 in PEM.
    ///
    /// # Errors
    /// [`KeyError::Pem`] if the exponent is none that PKCS#1 readers take.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        RsaPublicKey::new(
            BigUint::from_bytes_be(&self.n),
            BigUint::from_bytes_be(&self.e),
        )
        .map_err(|error| error.to_string())
        .and_then(|key| {
            key.to_pkcs1_pem(LineEnding::LF)
                .map_err(|error| error.to_string())
        })
        .map_err(KeyError::Pem)
    }

    /// The key's name on the wire: the last 64 bits of the SHA-1 of its TL serialization, little-endian.
    pub fn fingerprint(&self) -> i64 {
        self.fingerprint
    }

    /// The modulus, big-endian.
    pub fn n_bytes(&self) -> &[u8; 256] {
        &self.n
    }

    /// The exponent, big-endian without leading zeros.
    pub fn e_bytes(&self) -> &[u8] {
        &self.e
    }

    /// Encrypts with `RSA_PAD`: always 256 bytes.
    ///
    /// # Errors
    /// [`KeyError::DataTooLong`] above [`MOST_DATA`].
    pub fn encrypt_padded(
        &self,
        data: &[u8],
        random: &mut (impl Random + ?Sized),
    ) -> Result<[u8; 256], KeyError> {
        if data.len() > MOST_DATA {
            return Err(KeyError::DataTooLong(data.len()));
        }
        let mut padded = Zeroizing::new([0; PADDED]);
        padded[..data.len()].copy_from_slice(data);
        random.fill(&mut padded[data.len()..]);
        loop {
            let temp_key = Zeroizing::new(random::array::<32>(random));
            let mut block = [0; 256];
            block[32..224].copy_from_slice(&padded[..]);
            block[32..224].reverse();
            block[224..].copy_from_slice(&sha256_of(&[&temp_key[..], &padded[..]]));
            ige::encrypt(&temp_key, &[0; 32], &mut block[32..]);
            let mask = sha256(&block[32..]);
            for (at, byte) in block[..32].iter_mut().enumerate() {
                *byte = temp_key[at] ^ mask[at];
            }
            // A block above the modulus would not survive; another temporary key gives another block.
            if block < self.n {
                return Ok(self.raw(&block));
            }
        }
    }

    fn raw(&self, block: &[u8; 256]) -> [u8; 256] {
        let Some(odd) = Odd::new(U2048::from_be_slice(&self.n)).into_option() else {
            return [0; 256];
        };
        let parameters = FixedMontyParams::new_vartime(odd);
        let exponent = self
            .e
            .iter()
            .fold(0u64, |e, byte| e << 8 | u64::from(*byte));
        let base = FixedMontyForm::new(&U2048::from_be_slice(block), &parameters);
        to_array(
            &base
                .pow_vartime(&crypto_bigint::U64::from(exponent))
                .retrieve(),
        )
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey(fingerprint={:016x})", self.fingerprint)
    }
}

/// The private half of a datacenter's key. Wiped when dropped, never shown.
///
/// ```compile_fail,E0599
/// let key = actogram_crypto::rsa::PrivateKey::from_pem("").unwrap();
/// let copy = key.clone();
/// ```
pub struct PrivateKey {
    public: PublicKey,
    // On the heap, so that moving the key leaves no copies of it on the stack.
    d: Box<[u8; 256]>,
    pem: Zeroizing<String>,
}

impl PrivateKey {
    /// Makes a new key of 2048 bits. Costs some 100 ms.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate(random: &mut (impl Random + ?Sized)) -> Result<Self, KeyError> {
        let mut random = Adapter(random);
        let key = RsaPrivateKey::new(&mut random, 2048)
            .map_err(|error| KeyError::Generate(error.to_string()))?;
        Self::from_key(&key)
    }

    /// Reads PKCS#1 (`BEGIN RSA PRIVATE KEY`) or PKCS#8 (`BEGIN PRIVATE KEY`).
    ///
    /// # Errors
    /// [`KeyError`] if it is neither, or not of 2048 bits.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = RsaPrivateKey::from_pkcs1_pem(pem.trim())
            .map_err(|error| error.to_string())
            .or_else(|first| RsaPrivateKey::from_pkcs8_pem(pem.trim()).map_err(|_| first))
            .map_err(KeyError::Pem)?;
        Self::from_key(&key)
    }

    /// The key of these two primes, big-endian, and the exponent 65537: for test vectors.
    ///
    /// # Errors
    /// [`KeyError`] if they make no RSA key of 2048 bits.
    pub fn from_primes(p: &[u8], q: &[u8]) -> Result<Self, KeyError> {
        let primes = [p, q].map(BigUint::from_bytes_be);
        let [p, q] = &primes;
        let key = RsaPrivateKey::from_p_q(p.clone(), q.clone(), BigUint::from(65_537u32))
            .map_err(|error| KeyError::Generate(error.to_string()))?;
        Self::from_key(&key)
    }

    fn from_key(key: &RsaPrivateKey) -> Result<Self, KeyError> {
        let public = PublicKey::from_parts(&key.n().to_bytes_be(), &key.e().to_bytes_be())?;
        let d = Zeroizing::new(key.d().to_bytes_be());
        let d = Zeroizing::new(sized(&d).ok_or(KeyError::Size(key.n().bits()))?);
        let pem = key
            .to_pkcs1_pem(LineEnding::LF)
            .map_err(|error| KeyError::Pem(error.to_string()))?;
        Ok(Self {
            public,
            d: Box::new(*d),
            pem,
        })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Writes PKCS#1 in PEM. Take care where it goes.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.pem.clone()
    }

    /// Decrypts a block of `RSA_PAD`: the data and its random padding, 192 bytes.
    ///
    /// # Errors
    /// [`Rejected`], the same and after the same work for whatever is wrong: a server that tells, or takes its
    /// time differently, can be asked into revealing a key ("Four Attacks and a Proof for Telegram", attack 4).
    pub fn decrypt_padded(&self, encrypted: &[u8]) -> Result<Zeroizing<[u8; PADDED]>, Rejected> {
        self.open(encrypted).padded()
    }

    /// Decrypts a block of the padding before `RSA_PAD`: see [`Opened::legacy`].
    ///
    /// # Errors
    /// [`Rejected`], as [`decrypt_padded`](Self::decrypt_padded).
    pub fn decrypt_legacy(
        &self,
        encrypted: &[u8],
        length: impl FnOnce(&[u8]) -> Option<usize>,
    ) -> Result<Zeroizing<Vec<u8>>, Rejected> {
        self.open(encrypted).legacy(length)
    }

    /// The private operation, in constant time, once for whichever padding the block has. A block that is no
    /// number below the modulus, 0, or of another length than 256 bytes takes the same work and opens to a refusal.
    pub fn open(&self, encrypted: &[u8]) -> Opened {
        let given = sized(encrypted).filter(|_| encrypted.len() == 256);
        let in_range = given.is_some_and(|block| block < self.public.n && block != [0; 256]);
        let block = match given {
            Some(block) if in_range => block,
            _ => [1; 256],
        };
        let block = Zeroizing::new(power(&block, &self.d, &self.public.n));
        Opened { block, in_range }
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.d.zeroize();
    }
}

impl ZeroizeOnDrop for PrivateKey {}

/// A block after the private operation, its padding not yet looked at. Wiped when dropped, never shown.
pub struct Opened {
    block: Zeroizing<[u8; 256]>,
    in_range: bool,
}

impl Opened {
    /// Removes `RSA_PAD`: the data and its random padding, 192 bytes.
    ///
    /// # Errors
    /// [`Rejected`], the same and after the same work for whatever is wrong.
    pub fn padded(&self) -> Result<Zeroizing<[u8; PADDED]>, Rejected> {
        let block = &self.block;
        let mask = sha256(&block[32..]);
        let temp_key = Zeroizing::new(std::array::from_fn::<u8, 32, _>(|at| block[at] ^ mask[at]));
        let mut inner = Zeroizing::new([0; 224]);
        inner.copy_from_slice(&block[32..]);
        ige::decrypt(&temp_key, &[0; 32], &mut inner[..]);
        let mut padded = Zeroizing::new([0; PADDED]);
        padded.copy_from_slice(&inner[..PADDED]);
        padded.reverse();
        let fits = constant_time_eq(&sha256_of(&[&temp_key[..], &padded[..]]), &inner[PADDED..]);
        if fits & self.in_range {
            Ok(padded)
        } else {
            Err(Rejected)
        }
    }

    /// Removes the padding before `RSA_PAD`, which Telethon and Pyrogram's forks still send: SHA-1 of the data, the
    /// data, random bytes. How long the data is only its reader can tell: `length` is given what follows the SHA-1,
    /// before that is known to be honest, and says how much of it is data.
    ///
    /// # Errors
    /// [`Rejected`], as [`padded`](Self::padded).
    pub fn legacy(
        &self,
        length: impl FnOnce(&[u8]) -> Option<usize>,
    ) -> Result<Zeroizing<Vec<u8>>, Rejected> {
        let block = &self.block;
        // The block is one byte shorter than the modulus: its leading zeros are part of it.
        let rest = &block[OLD_DATA..];
        let length = length(rest).filter(|length| *length <= rest.len());
        let data = &rest[..length.unwrap_or(rest.len())];
        let fits = constant_time_eq(&sha1(data), &block[1..OLD_DATA]) & (block[0] == 0);
        if fits & self.in_range & length.is_some() {
            Ok(Zeroizing::new(data.to_vec()))
        } else {
            Err(Rejected)
        }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(***)")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PrivateKey(fingerprint={:016x})",
            self.public.fingerprint
        )
    }
}

fn fingerprint(n: &[u8; 256], e: &[u8]) -> i64 {
    // n is a TL string of 256 bytes: 0xFE, its length in three bytes, no padding. e is short: one length byte.
    let mut serialized = vec![0xfe, 0x00, 0x01, 0x00];
    serialized.extend_from_slice(n);
    serialized.push(e.len() as u8);
    serialized.extend_from_slice(e);
    serialized.resize(serialized.len().next_multiple_of(4), 0);
    let mut last = [0; 8];
    last.copy_from_slice(&sha1(&serialized)[12..]);
    i64::from_le_bytes(last)
}

/// Our randomness for the `rsa` crate.
struct Adapter<'a, R: ?Sized>(&'a mut R);

impl<R: Random + ?Sized> ::rsa::rand_core::RngCore for Adapter<'_, R> {
    fn next_u32(&mut self) -> u32 {
        random::u32(self.0)
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(random::array(self.0))
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), ::rsa::rand_core::Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl<R: Random + ?Sized> ::rsa::rand_core::CryptoRng for Adapter<'_, R> {}
