//! The client's rustls configuration, for tests and tools that judge an endpoint as a browser would.

use std::sync::Arc;

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
    let mut config = ClientConfig::builder_with_provider(crate::provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(root_store(roots)?)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.require_ems = true;
    Ok(Arc::new(config))
}

fn root_store(roots: &str) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for root in certificates(roots)? {
        store.add(root)?;
    }
    Ok(store)
}
