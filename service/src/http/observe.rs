//! A request id for every request, and one log line and a place in the figures for every answer.
//!
//! Invariant: the id is ours, never the client's, so that log lines cannot be forged or mixed up.

use std::hash::{BuildHasher as _, RandomState};
use std::str;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};

use axum::response::Response;
use http::header::DATE;
use http::{HeaderValue, Method, Request};
use hyper::body::Body as _;
use tracing::Span;

use super::date::date;
use super::headers::REQUEST_ID;
use super::{Site, health};
use crate::log::{self, Answered};

/// Tells requests apart: eight hex digits of this start of the program, eight of a counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestId([u8; 16]);

impl RequestId {
    fn next() -> Self {
        static START: LazyLock<u32> = LazyLock::new(|| (RandomState::new().hash_one("start") >> 32) as u32);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = u64::from(*START) << 32 | u64::from(COUNT.fetch_add(1, Ordering::Relaxed));
        Self(std::array::from_fn(|digit| b"0123456789abcdef"[(number >> (60 - 4 * digit)) as usize & 15]))
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A request, from its head to the head of its answer.
#[derive(Debug)]
pub(super) struct Visit {
    id: RequestId,
    begun: Instant,
    method: Method,
}

impl Visit {
    /// Names the request.
    pub(super) fn begin<B>(request: &Request<B>) -> Self {
        Self { id: RequestId::next(), begun: Instant::now(), method: request.method().clone() }
    }

    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// For the log lines that are written meanwhile.
    pub(super) fn span(&self) -> Span {
        tracing::error_span!("request", request_id = self.id.as_str())
    }

    /// Logs how it went, and tells the client the request's name and the time.
    pub(super) fn end(self, site: &Site, route: &str, mut response: Response) -> Response {
        let now = Instant::now();
        let took = now - self.begun;
        let (status, bytes) = (response.status(), response.body().size_hint().lower());
        log::answered(&Answered {
            request_id: self.id.as_str(),
            method: self.method.as_str(),
            route,
            status: status.as_u16(),
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            bytes,
        });
        let operations = &site.shared.operations;
        operations.answered(&self.method, route, status, took, bytes);
        if !health::PATHS.contains(&route) {
            operations.visited(now, status, took);
        }
        if operations.minute_is_new(now) {
            operations.sample(site.database.busy());
        }
        let headers = response.headers_mut();
        headers.insert(DATE, date(SystemTime::now()));
        if let Ok(mut value) = HeaderValue::from_bytes(&self.id.0) {
            // No two are the same: in HTTP/2's table of headers they would drive out those that come again.
            value.set_sensitive(true);
            headers.insert(REQUEST_ID, value);
        }
        response
    }
}
