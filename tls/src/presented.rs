//! What a server presents at this moment, exchanged while it serves.
//!
//! Invariant: a handshake sees one whole identity, the old or the new; connections that exist are not touched.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::Identity;

/// The identities that a server has now: none until the first is [`set`](Self::set). Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Presented(Arc<RwLock<Arc<[Identity]>>>);

impl Presented {
    /// Presents these from the next handshake on. The first is for clients that name no host or an unknown one.
    pub fn set(&self, identities: &[Identity]) {
        // The lock is held for the exchange of a pointer; nobody can panic with it.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identities.into();
    }

    /// Whether there is nothing to present: every handshake is refused.
    pub fn is_empty(&self) -> bool {
        self.now().is_empty()
    }

    fn now(&self) -> Arc<[Identity]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// By the name that the client asks for (SNI). A client that asks for a name of nobody's gets the first identity: it
    /// is who must judge it, and a request for a name that is not ours is answered 421 in HTTP, where it can be explained.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let identities = self.now();
        let named = name.and_then(|name| identities.iter().find(|identity| identity.is_for(name)));
        named.or_else(|| identities.first()).map(Identity::certified)
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}
