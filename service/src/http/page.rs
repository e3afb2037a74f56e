//! What every page of the site has in common: the frame around its template, and who looks at it.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderValue, StatusCode};

use super::error::Error;

/// A page for this visitor, now: a cache may keep it for them, but asks before it shows it again.
pub(super) fn page(template: &impl Template) -> Result<Response, Error> {
    with_status(StatusCode::OK, template)
}

/// A page that is no success but says more than an error page.
pub(super) fn with_status(status: StatusCode, template: &impl Template) -> Result<Response, Error> {
    let html = Html(template.render()?);
    Ok((status, [(CACHE_CONTROL, "private, no-cache"), (VARY, "cookie")], html).into_response())
}

/// The same for its reader alone: nothing keeps it, so that "back" does not show it after a sign-out.
pub(super) fn secret(status: StatusCode, template: &impl Template) -> Result<Response, Error> {
    let mut response = with_status(status, template)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// For a segment of a path or a value of a query: all but RFC 3986's unreserved characters as escapes.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
