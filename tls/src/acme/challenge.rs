//! The answers to a CA's challenges.

use graviola::hashing::{Hash, Sha256};
use rcgen::{CertificateParams, CustomExtension};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use rustls::sign::CertifiedKey;

use super::jws;
use crate::{Error, Key};

/// What proves that the account's holder answers: the body of http-01, the seed of the others (RFC 8555, 8.1).
pub fn key_authorization(key: &Key, token: &str) -> String {
    format!("{token}.{}", jws::thumbprint(key))
}

/// The text of the record below `_acme-challenge` that answers dns-01 (RFC 8555, 8.4).
pub fn record(key_authorization: &str) -> String {
    jws::base64url(Sha256::hash(key_authorization.as_bytes()).as_ref())
}

/// The certificate that answers tls-alpn-01 for a name (RFC 8737, 3): self-signed, with the authorization's hash.
///
/// # Errors
/// When the name is no DNS name, or no randomness can be had.
pub fn proof(name: &str, key_authorization: &str) -> Result<CertifiedKey, Error> {
    let refused = |error: rcgen::Error| Error::Issue(error.to_string());
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(refused)?;
    let hash = Sha256::hash(key_authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(hash.as_ref())];
    let key = Key::generate()?;
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key.id());
    params.serial_number = Some(key.id().into());
    let certificate = params.self_signed(&key).map_err(refused)?;
    let private = PrivateKeyDer::from_pem_slice(key.to_pem()?.as_bytes()).map_err(Error::KeyPem)?;
    let signer = crate::provider().key_provider.load_private_key(private).map_err(Error::KeyKind)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
}
