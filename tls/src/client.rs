//! The client's rustls configuration, for tests and tools that judge an endpoint as a browser would.

use std::sync::Arc;

use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use crate::Error;
use crate::identity::certificates;

/// A configuration that trusts exactly the roots in this PEM text and offers these protocols (ALPN; empty: none).
///
/// - **Only the given roots.** The system's are not added: an endpoint is judged by the root it is said to have, and a
///   certificate from any of 150 public CAs must not pass for a private one.
/// - **Certificate and host name are always verified**; there is no switch to turn that off.
/// - **Extended master secret is required**, as in [`crate::server::config`].
/// - **Resumption in memory**, rustls's default, so that tests see what a returning visitor sees.
///
/// # Errors
/// When the text holds no certificate, or one that cannot be a root.
pub fn config(roots: &str, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Error> {
    config_at(root_store(roots)?, alpn, Arc::new(DefaultTimeProvider))
}

/// As [`config`], for roots from elsewhere and a clock of the caller's.
///
/// # Errors
/// When rustls finds the provider without a needed algorithm.
pub fn config_at(
    roots: RootCertStore,
    alpn: &[&[u8]],
    clock: Arc<dyn TimeProvider>,
) -> Result<Arc<ClientConfig>, Error> {
    let mut config = ClientConfig::builder_with_details(crate::provider(), clock)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.require_ems = true;
    Ok(Arc::new(config))
}

/// The roots that browsers trust (Mozilla's list), compiled in: a machine has no store of its own.
pub fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// The roots in a PEM text, and no others.
///
/// # Errors
/// When the text holds no certificate, or one that cannot be a root.
pub fn root_store(roots: &str) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for root in certificates(roots)? {
        store.add(root)?;
    }
    Ok(store)
}
