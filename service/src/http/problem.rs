//! A refusal for programs: `application/problem+json` (RFC 9457).
#![allow(unused_qualifications, reason = "utoipa's macros write whole paths")]

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode, response};
use serde::Serialize;
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::error::Fault;

const MEDIA_TYPE: &str = "application/problem+json";

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
    /// Fields that cannot be accepted, each with its own reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) errors: Vec<Fault>,
}

/// What every operation may answer instead.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let told = |status: &str, description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content);
            (status.to_owned(), response.build().into())
        };
        let refused = "The request cannot be accepted: the detail says why";
        [told("4XX", refused), told("503", "Try again in a moment")].into()
    }
}

impl Problem<'_> {
    /// `about:blank`: the kind is the HTTP status (RFC 9457, 4.2.1).
    pub(super) const BLANK: &'static str = "about:blank";

    /// The answer with this problem as its body.
    pub(super) fn answer(&self, mut parts: response::Parts) -> Response {
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        parts.status = StatusCode::from_u16(self.status).unwrap_or(parts.status);
        // A struct of strings and numbers is always JSON.
        Response::from_parts(parts, Body::from(serde_json::to_vec(self).unwrap_or_default()))
    }
}
