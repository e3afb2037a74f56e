//! What may be done with an address: `OPTIONS`, and `Allow` in a refusal.
//!
//! Invariant: `Allow` names what the routes below accept, for it is the router's own list.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

/// What the site as a whole accepts (`OPTIONS *`: RFC 9110, 9.3.7).
const ALL: HeaderValue = HeaderValue::from_static("GET,HEAD,POST,OPTIONS");

/// Answers `OPTIONS` for every address that exists, from the list that the router gives with a refusal.
pub(super) async fn options(request: Request, next: Next) -> Response {
    let asked = request.method() == Method::OPTIONS;
    if asked && request.uri().path() == "*" {
        return (StatusCode::NO_CONTENT, [(ALLOW, ALL)]).into_response();
    }
    let mut response = next.run(request).await;
    let allowed = response.headers().get(ALLOW).and_then(|list| list.to_str().ok());
    let Some(allowed) = allowed.and_then(|list| HeaderValue::try_from(format!("{list},OPTIONS")).ok()) else {
        return response;
    };
    if asked && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return (StatusCode::NO_CONTENT, [(ALLOW, allowed)]).into_response();
    }
    response.headers_mut().insert(ALLOW, allowed);
    response
}
