//! The server's rustls configurations: one for visitors, one for a certificate authority's challenge.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::{Error, Presented, Tickets};

/// A configuration that serves what is presented at the time of each handshake.
///
/// - **TLS 1.3 and 1.2.** 1.2 is kept for clients from before 2018; nothing older exists in rustls.
/// - **No client certificates**: visitors have none.
/// - **ALPN** `h2`, then `http/1.1`: one connection for a whole page where the browser can. A client with neither is
///   refused by rustls, so that no other protocol can be talked into this one (ALPACA attack).
/// - **Extended master secret is required** for TLS 1.2 (RFC 7627): without it a session can be spliced onto another
///   (triple handshake). Every client since 2016 has it.
/// - **Stateless tickets**: a returning visitor saves a round trip and the server keeps no session in memory. The caller
///   gives and rotates their keys, so that a session that began at one machine resumes at another.
/// - **No renegotiation**: rustls has none, so neither its attacks nor its cost exist here.
/// - **X25519MLKEM768 where the client has it**: rustls takes the first group of the provider that both know, at the
///   price of a second round trip for a client that knows it but did not send a share of it. Browsers send one.
/// - **No early data**: a 0-RTT request can be replayed by anyone who recorded it, and a form post must not be.
/// - **No half-RTT data**: the server speaks first in none of its protocols.
/// - **The client's order of suites** counts, as rustls has it: a phone without AES instructions asks for ChaCha20.
/// - **No key log**: secrets are written nowhere, whatever the environment says.
///
/// # Errors
/// When rustls finds the provider without a needed algorithm.
pub fn config(presented: &Presented, tickets: &Tickets) -> Result<Arc<ServerConfig>, Error> {
    let mut config = with_resolver(Arc::new(presented.clone()))?;
    config.alpn_protocols = crate::ALPN.map(<[u8]>::to_vec).to_vec();
    config.ticketer = Arc::new(tickets.clone());
    Ok(Arc::new(config))
}

/// A configuration that proves to a certificate authority who serves a name (tls-alpn-01, RFC 8737). Nothing else can
/// be said over it: its only protocol is `acme-tls/1`, and the caller closes the connection after the handshake.
///
/// # Errors
/// As [`config`].
pub fn challenge(proof: CertifiedKey) -> Result<Arc<ServerConfig>, Error> {
    let mut config = with_resolver(Arc::new(Proof(Arc::new(proof))))?;
    config.alpn_protocols = vec![crate::acme::ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn with_resolver(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(crate::provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.require_ems = true;
    Ok(config)
}

/// The certificate of one challenge. It is no [`Identity`]: its critical extension makes it unfit for any visitor.
#[derive(Debug)]
struct Proof(Arc<CertifiedKey>);

impl ResolvesServerCert for Proof {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
