//! What may be done with an address: `OPTIONS`, and the refusal of what may not. The router adds its list as `Allow`.

use axum::response::{IntoResponse as _, Response};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode, Uri};

use super::error::Error;

/// What the site as a whole accepts (`OPTIONS *`: RFC 9110, 9.3.7).
const ALL: HeaderValue = HeaderValue::from_static("GET,HEAD,POST,PUT,DELETE");

/// For an address that exists, but not for this method.
pub(super) async fn refuse(method: Method) -> StatusCode {
    if method == Method::OPTIONS { StatusCode::NO_CONTENT } else { StatusCode::METHOD_NOT_ALLOWED }
}

/// For an address that does not exist.
pub(super) async fn nowhere(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS && uri.path() == "*" {
        return (StatusCode::NO_CONTENT, [(ALLOW, ALL)]).into_response();
    }
    Error::NotFound.into_response()
}
