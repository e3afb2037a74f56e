//! A client that knows one endpoint, trusts one root, and does only what the test wrote.
//!
//! It follows no redirect, keeps no cookie (a [`Visitor`] does), pools no connection: every request is a new connection to the endpoint's
//! own address, whatever name is asked for. Invariant: no call takes longer than its request's deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tls::rustls;

use crate::exchange;
use crate::{Answer, Endpoint, Protocol, Request, Visitor};

const ALPN_HTTP1: &[u8] = b"http/1.1";
const ALPN_HTTP2: &[u8] = b"h2";

/// Trust, by what is offered in ALPN.
type Offers = HashMap<&'static str, Arc<rustls::ClientConfig>>;

/// A client for one endpoint.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    offers: Offers,
    /// Made when it is first asked for: a site limits how many accounts one address may make.
    visitor: Arc<Mutex<Option<Visitor>>>,
}

impl Client {
    /// A client that trusts the endpoint's root.
    ///
    /// # Errors
    /// When the root cannot be read or holds no certificate.
    pub fn new(endpoint: &Endpoint) -> Result<Self> {
        let roots = endpoint.roots()?;
        Self::trusting(endpoint, &roots).with_context(|| format!("{}", endpoint.ca.display()))
    }

    /// A client that trusts other roots than the endpoint's.
    ///
    /// # Errors
    /// When `roots` holds no certificate.
    pub fn trusting(endpoint: &Endpoint, roots: &str) -> Result<Self> {
        let offers = HashMap::from([
            ("http/1.1", tls::client::config(roots, &[ALPN_HTTP1])?),
            ("h2", tls::client::config(roots, &[ALPN_HTTP2])?),
            ("browser", tls::client::config(roots, &tls::ALPN)?),
        ]);
        Ok(Self { endpoint: endpoint.clone(), offers, visitor: Arc::default() })
    }

    /// The endpoint that is asked.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The one person with an account that all claims of this client share.
    ///
    /// # Errors
    /// When the site does not register one.
    pub fn visitor(&self) -> Result<Visitor> {
        let mut visitor = self.visitor.lock().unwrap_or_else(PoisonError::into_inner);
        match &*visitor {
            Some(visitor) => Ok(visitor.clone()),
            None => Ok(visitor.insert(Visitor::register(self)?).clone()),
        }
    }

    /// Sends one request on a connection of its own and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer in time: the request, the address, and why. The cause can be asked for with
    /// [`tls_fault`].
    pub fn send(&self, request: &Request) -> Result<Answer> {
        exchange::run(&self.endpoint, self.offer(request.protocol), request)
    }

    /// GET as a browser would.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send(&Request::get(path))
    }

    fn offer(&self, protocol: Protocol) -> Option<Arc<rustls::ClientConfig>> {
        let name = match protocol {
            Protocol::Plain => return None,
            Protocol::Http1 => "http/1.1",
            Protocol::Http2 => "h2",
            Protocol::Browser => "browser",
        };
        self.offers.get(name).cloned()
    }
}

/// The TLS fault behind an error of [`Client::send`], when it was one.
#[must_use]
pub fn tls_fault(error: &anyhow::Error) -> Option<&rustls::Error> {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .find_map(|cause| cause.get_ref()?.downcast_ref())
}
