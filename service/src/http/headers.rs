//! The headers that tell a browser what this site never does.

use http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, DATE, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// What a request is called, in its answer and in the log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// - CSP: styles, images and scripts of our own, nothing inline, forms and requests to ourselves; nobody frames us.
/// - The rest: no sniffing, no referrer to other sites, no shared window, no reading across sites, no devices.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// Two years, as the browsers' preload list asks.
const ALWAYS_HTTPS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Adds the headers, which belong to every answer over TLS.
pub(super) fn secure(headers: &mut HeaderMap) {
    plain(headers);
    headers.insert(STRICT_TRANSPORT_SECURITY, ALWAYS_HTTPS);
}

/// Adds those of an answer in the clear, where nobody may speak for HTTPS (RFC 6797, 7.2).
pub(super) fn plain(headers: &mut HeaderMap) {
    headers.reserve(HEADERS.len() + 1);
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
}

/// A list that a request sends: several lines mean the same as one (RFC 9110, 5.3).
pub(super) fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let first = lines.next()?.into_owned();
    Some(lines.fold(first, |list, line| list + "," + &line))
}

/// The token of `Authorization: Bearer …`, when there is one. The scheme's letters may be of either case (RFC 9110, 11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start_matches(' '))
}

/// Places for what every answer has of its own: a copy that grows is copied twice.
pub(super) fn keep_places(headers: &mut HeaderMap) {
    for name in [DATE, REQUEST_ID] {
        headers.insert(name, HeaderValue::from_static(""));
    }
}

/// The headers of an answer over TLS that is made at once.
pub(super) fn always() -> HeaderMap {
    let mut headers = HeaderMap::new();
    secure(&mut headers);
    keep_places(&mut headers);
    headers
}
