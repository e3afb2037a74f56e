//! A request id for every request, and one log line and a place in the figures for every answer.
//!
//! Invariant: the id is ours, never the client's, so that log lines cannot be forged or mixed up.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use hyper::body::Body as _;
use tracing::Instrument as _;

use super::{Site, health};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Tells requests apart: eight hex digits of this start of the program, eight of a counter.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestId(String);

impl RequestId {
    fn next() -> Self {
        static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("start"));
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self(format!("{:08x}{:08x}", *START >> 32, COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names the request, runs it, and logs how it went.
pub(super) async fn request(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let id = RequestId::next();
    let span = tracing::error_span!("request", request_id = id.as_str());
    request.extensions_mut().insert(id.clone());
    async move {
        let begun = Instant::now();
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let mut response = next.run(request).await;
        note(&site, &method, route.as_ref().map_or("", MatchedPath::as_str), begun.elapsed(), &response);
        if let Ok(value) = HeaderValue::try_from(id.as_str()) {
            response.headers_mut().insert(HEADER, value);
        }
        response
    }
    .instrument(span)
    .await
}

fn note(site: &Site, method: &Method, route: &str, took: Duration, response: &Response) {
    let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let (status, bytes) = (response.status(), response.body().size_hint().lower());
    tracing::info!(method = method.as_str(), route, status = status.as_u16(), duration_us, bytes, "answered");
    let operations = &site.shared.operations;
    operations.answered(method, route, status, took, bytes);
    if !health::PATHS.contains(&route) {
        operations.visited(status, took);
    }
    if operations.minute_is_new() {
        operations.sample(site.database.busy());
    }
}
