//! `/metrics`: the figures for a Prometheus server that knows the token of `[operations]`.
//!
//! Invariant: without the token the address does not exist, whether one is configured or not.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use super::Site;
use super::error::Error;
use super::headers;
use crate::certificates::Certificates;

/// As the OpenMetrics specification names it.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Result<Response, Error> {
    if !may_read(&headers, site.shared.metrics_token.as_ref()) {
        return Err(Error::NotFound);
    }
    let certificate = site.certificates.get().map(Certificates::status);
    let text = site.shared.operations.text(&site.shared.load, site.database.busy(), certificate.as_ref());
    Ok(([(CONTENT_TYPE, MEDIA_TYPE), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// Sums are compared, not tokens: how long that takes tells nothing about the token.
fn may_read(headers: &HeaderMap, token: Option<&[u8; 32]>) -> bool {
    headers::bearer(headers)
        .zip(token)
        .is_some_and(|(given, token)| <[u8; 32]>::from(Sha256::digest(given)) == *token)
}
