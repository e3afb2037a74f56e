//! Requests to a certificate authority, by a library that waits for each answer.
//!
//! Invariant: only `https`, only a verified certificate, no redirect, at most 30 s and 256 KiB.
use std::error::Error;
use std::pin::pin;
use std::task::{Context as Waiting, Poll, Waker};
use std::time::Duration;

use anyhow::{Result, ensure};
use tls::acme::{Answer, Method, Request, Transport};
use ureq::http::{HeaderMap, Response};
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body};

const LIMIT: Duration = Duration::from_secs(30);
const BODY_BYTES_MAX: u64 = 256 * 1024;

/// The way to one authority.
pub(super) struct Carrier(Agent);

impl Carrier {
    /// Trusts these roots (PEM), or those that browsers trust.
    pub(super) fn new(roots: Option<&str>) -> Result<Self> {
        let mut tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(tls::provider());
        if let Some(roots) = roots {
            let items = parse_pem(roots.as_bytes()).collect::<Result<Vec<_>, _>>()?;
            let certificate = |item| if let PemItem::Certificate(it) = item { Some(it) } else { None };
            let roots: Vec<_> = items.into_iter().filter_map(certificate).collect();
            ensure!(!roots.is_empty(), "there is no certificate among the roots");
            tls = tls.root_certs(RootCerts::new_with_certs(&roots));
        }
        let config = Agent::config_builder()
            .https_only(true)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("bootstack/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(LIMIT))
            .tls_config(tls.build());
        Ok(Self(config.build().into()))
    }

    fn carry(&self, request: Request<'_>) -> Result<Answer, ureq::Error> {
        let Request { method, url, body } = request;
        let response = match method {
            Method::Get => self.0.get(url).call(),
            Method::Head => self.0.head(url).call(),
            Method::Post => self.0.post(url).content_type("application/jose+json").send(&body[..]),
        };
        read(response?)
    }
}

impl Transport for Carrier {
    async fn send(&self, request: Request<'_>) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        Ok(self.carry(request)?)
    }
}

fn read(mut response: Response<Body>) -> Result<Answer, ureq::Error> {
    let header = |headers: &HeaderMap, name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let headers = response.headers();
    Ok(Answer {
        status: response.status().as_u16(),
        nonce: header(headers, "replay-nonce"),
        location: header(headers, "location"),
        retry_after_s: header(headers, "retry-after").and_then(|value| value.parse().ok()),
        body: response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec()?,
    })
}

/// The end of work that waits for nothing but a [`Carrier`], which itself waits: the first look at it finds it done.
pub(super) fn done<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(value) = work.as_mut().poll(&mut Waiting::from_waker(Waker::noop())) {
            return value;
        }
    }
}
