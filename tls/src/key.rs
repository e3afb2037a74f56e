//! A P-256 key pair for certificates, certificate requests and ACME accounts, made and used by the stack's own provider.
//!
//! It exists so that rcgen and ACME run without a second provider. P-256: every client knows it, its signatures cost a
//! thirtieth of RSA-2048's, and 128 bits of strength suffice. Invariant: the key leaves this type only as PKCS#8 text.

use graviola::hashing::{Hash, Sha256};
use graviola::signing::ecdsa::{P256, SigningKey};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};

use crate::Error;

const LABEL: &str = "PRIVATE KEY";

/// An uncompressed P-256 point: 0x04, x, y (SEC 1, 2.3.3).
const POINT_LEN: usize = 65;

/// A P-256 key pair. Its `Debug` shows the public key's identifier only.
pub struct Key {
    pair: SigningKey<P256>,
    point: [u8; POINT_LEN],
}

impl Key {
    /// A new random key.
    ///
    /// # Errors
    /// When no randomness can be had.
    pub fn generate() -> Result<Self, Error> {
        Self::new(SigningKey::generate().map_err(issue_error)?)
    }

    /// `None` when the text holds no P-256 key in PKCS#8.
    pub fn from_pem(text: &str) -> Option<Self> {
        let block = pem::parse(text).ok().filter(|block| block.tag() == LABEL)?;
        Self::new(SigningKey::from_pkcs8_der(block.contents()).ok()?).ok()
    }

    /// PKCS#8, not encrypted: to be sealed or written with mode 0600.
    ///
    /// # Errors
    /// When the encoder refuses, which it has no reason to.
    pub fn to_pem(&self) -> Result<String, Error> {
        // Version, algorithm and SEC 1 key with its public point come to 138 bytes.
        let mut buffer = [0; 256];
        let der = self.pair.to_pkcs8_der(&mut buffer).map_err(issue_error)?;
        let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        Ok(pem::encode_config(&pem::Pem::new(LABEL, der), lines))
    }

    /// RFC 7093, method 1: the first 160 bits of the public key's SHA-256.
    pub(crate) fn id(&self) -> Vec<u8> {
        Sha256::hash(&self.point).as_ref()[..20].to_vec()
    }

    pub(crate) fn short_id(&self) -> String {
        self.id().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The public point's coordinates (RFC 7518, 6.2.1).
    pub(crate) fn coordinates(&self) -> (&[u8], &[u8]) {
        self.point[1..].split_at(32)
    }

    /// A signature as JOSE wants it: r and s, 32 bytes each (RFC 7518, 3.4).
    pub(crate) fn sign_fixed(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut buffer = [0; 64];
        let signature = self.pair.sign::<Sha256>(&[message], &mut buffer).map_err(issue_error)?;
        Ok(signature.to_vec())
    }

    fn new(pair: SigningKey<P256>) -> Result<Self, Error> {
        let mut buffer = [0; 128];
        let spki = pair.to_spki_der(&mut buffer).map_err(issue_error)?;
        // A SubjectPublicKeyInfo ends with its key bits (RFC 5280, 4.1).
        let point = spki.last_chunk().copied().ok_or_else(|| Error::Issue("short public key".to_owned()))?;
        Ok(Self { pair, point })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Key").field("id", &self.short_id()).finish_non_exhaustive()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        // Two 33-byte integers and their headers come to 72 bytes.
        let mut buffer = [0; 80];
        let signature = self.pair.sign_asn1::<Sha256>(&[message], &mut buffer);
        signature.map(<[u8]>::to_vec).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

fn issue_error(error: graviola::Error) -> Error {
    Error::Issue(format!("{error:?}"))
}
