//! The server's rustls configuration.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::{Error, Identity};

/// A configuration that serves this identity to every client that asks.
///
/// - **TLS 1.3 and 1.2.** 1.2 is kept for clients from before 2018; nothing older exists in rustls.
/// - **No client certificates**: visitors have none.
/// - **ALPN** `h2`, then `http/1.1`: one connection for a whole page where the browser can. A client with neither is
///   refused by rustls, so that no other protocol can be talked into this one (ALPACA attack).
/// - **Extended master secret is required** for TLS 1.2 (RFC 7627): without it a session can be spliced onto another
///   (triple handshake). Every client since 2016 has it.
/// - **Stateless tickets**: a returning visitor saves a round trip and the server keeps no session in memory. Keys
///   are made at start, rotate every six hours, and never leave the machine.
/// - **No early data**: a 0-RTT request can be replayed by anyone who recorded it, and a form post must not be.
/// - **No half-RTT data**: the server speaks first in none of its protocols.
/// - **The client's order of suites** counts, as rustls has it: a phone without AES instructions asks for ChaCha20.
/// - **No key log**: secrets are written nowhere, whatever the environment says.
///
/// # Errors
/// When no randomness can be had for the ticket keys, or rustls finds the provider without a needed algorithm.
pub fn config(identity: &Identity) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(crate::provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OneIdentity(identity.certified())));
    config.alpn_protocols = crate::ALPN.map(<[u8]>::to_vec).to_vec();
    config.require_ems = true;
    config.ticketer = rustls_graviola::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// One certificate whatever name the client asks for: the client is who must judge it, and a request for a name that
/// is not ours is answered 421 in HTTP, where it can be explained.
#[derive(Debug)]
struct OneIdentity(Arc<CertifiedKey>);

impl ResolvesServerCert for OneIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
