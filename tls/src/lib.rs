//! TLS for both ends of every connection in the stack: certificates, keys, rustls configurations and ACME.
//!
//! It opens no socket, reads no environment variable and holds no production key: text comes in, checked configuration
//! goes out, and the ACME client speaks through a transport that its caller gives it. The development CA
//! ([`authority`]) is a feature of its own, for tools on the host only.
//!
//! Invariant: a [`server::config`] presents only an [`Identity`] whose chain, key, names and dates were checked.

pub mod acme;
#[cfg(feature = "authority")]
pub mod authority;
pub mod client;
mod error;
mod facts;
mod identity;
mod key;
mod presented;
mod provider;
pub mod seal;
pub mod server;
mod tickets;

pub use error::Error;
pub use facts::Facts;
pub use identity::{Identity, Names, expiry};
pub use key::Key;
pub use presented::Presented;
pub use provider::provider;
pub use rustls;
pub use tickets::{TicketKey, Tickets};

/// Application protocols in order of preference: HTTP/2, then HTTP/1.1 (RFC 7301 identifiers).
pub const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Bytes that nobody can guess, from the stack's provider.
///
/// # Errors
/// When no randomness can be had.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    graviola::random::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// The leaf of a chain (PEM) in DER.
///
/// # Errors
/// When the text holds no certificate.
pub fn der(chain: &str) -> Result<Vec<u8>, Error> {
    Ok(identity::certificates(chain)?.swap_remove(0).to_vec())
}

/// A certificate for these names that nobody trusts, and its key, as PEM: for development on a machine without a CA.
///
/// # Errors
/// When a name is no DNS name, or no randomness can be had.
pub fn self_signed(names: &[String]) -> Result<(String, String), Error> {
    let refused = |error: rcgen::Error| Error::Issue(error.to_string());
    let key = Key::generate()?;
    let mut params = rcgen::CertificateParams::new(names.to_vec()).map_err(refused)?;
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key.id());
    params.serial_number = Some(key.id().into());
    Ok((params.self_signed(&key).map_err(refused)?.pem(), key.to_pem()?))
}
