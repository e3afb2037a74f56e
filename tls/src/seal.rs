//! Secrets at rest: sealed with a key that machines are given at boot, so that a copy of the database opens nothing.
//!
//! XChaCha20-Poly1305: its nonces of 24 bytes may be drawn at random for ever, and machines that share a key need not
//! agree on a counter. Invariant: what was sealed for one purpose opens for no other (the purpose is authenticated).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graviola::aead::XChaCha20Poly1305;

use crate::Error;

/// The layout's version, which comes first. Another layout would count on.
const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

/// The keys of one site's secrets: the first seals, all open, so that a key can be replaced.
pub struct StorageKey(Vec<XChaCha20Poly1305>);

/// What the key of a host's certificate is sealed for, by whoever stores it.
#[must_use]
pub fn of_certificate(host: &str) -> String {
    format!("certificates {host}")
}

impl std::fmt::Debug for StorageKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StorageKey")
    }
}

impl StorageKey {
    /// Reads keys of 32 bytes each in base64, the one that seals first: `openssl rand -base64 32` makes one.
    ///
    /// # Errors
    /// When there is no key, or one is not 32 bytes in base64. The text is not quoted.
    pub fn from_base64<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let keys = texts.into_iter().map(|text| {
            let bytes = STANDARD.decode(text.trim()).map_err(|_| Error::StorageKey)?;
            let key: [u8; 32] = bytes.try_into().map_err(|_| Error::StorageKey)?;
            Ok(XChaCha20Poly1305::new(key))
        });
        let keys = keys.collect::<Result<Vec<_>, Error>>()?;
        if keys.is_empty() { Err(Error::StorageKey) } else { Ok(Self(keys)) }
    }

    /// Encrypts a secret for a purpose: the column and what identifies the row.
    ///
    /// # Errors
    /// When no randomness can be had.
    pub fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE];
        graviola::random::fill(&mut nonce).map_err(|_| Error::Random)?;
        let mut sealed = vec![VERSION];
        sealed.extend(nonce);
        sealed.extend(secret);
        let mut tag = [0; TAG];
        self.0[0].encrypt(&nonce, purpose.as_bytes(), &mut sealed[1 + NONCE..], &mut tag);
        sealed.extend(tag);
        Ok(sealed)
    }

    /// Decrypts what [`seal`](Self::seal) made for the same purpose.
    ///
    /// # Errors
    /// When it was sealed with another key or for another purpose, or was changed.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = || Error::Sealed { purpose: purpose.to_owned() };
        let (&version, rest) = sealed.split_first().ok_or_else(refused)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or_else(refused)?;
        let (secret, tag) = rest.split_last_chunk::<TAG>().ok_or_else(refused)?;
        let open = |key: &XChaCha20Poly1305| {
            let mut plain = secret.to_vec();
            key.decrypt(nonce, purpose.as_bytes(), &mut plain, tag).ok().map(|()| plain)
        };
        let plain = if version == VERSION { self.0.iter().find_map(open) } else { None };
        plain.ok_or_else(refused)
    }
}
