//! A refusal for programs: `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode, response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, for a program and whoever reads its log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    /// No page describes the kind further than its title does.
    pub(super) r#type: &'static str,
    /// The kind of fault, the same at every occurrence.
    pub(super) title: &'a str,
    /// The HTTP status.
    pub(super) status: u16,
    /// What was wrong this time.
    pub(super) detail: &'a str,
    /// For whoever asks the operator: the id in the log.
    pub(super) request_id: &'a str,
}

impl Problem<'_> {
    /// `about:blank`: the kind is the HTTP status (RFC 9457, 4.2.1).
    pub(super) const BLANK: &'static str = "about:blank";

    /// The answer with this problem as its body.
    pub(super) fn answer(&self, mut parts: response::Parts) -> Response {
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        parts.status = StatusCode::from_u16(self.status).unwrap_or(parts.status);
        // A struct of strings and numbers is always JSON.
        Response::from_parts(parts, Body::from(serde_json::to_vec(self).unwrap_or_default()))
    }
}
