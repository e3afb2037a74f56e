//! Compression of what is made for a request. (Static files were compressed when the program was built.)
//!
//! Invariant: an answer to a request with credentials is never compressed. A page that mixes a secret with what a stranger
//! put into the address or the form would show the secret by its compressed length (the BREACH attack); without a cookie
//! or a token there is no secret in a page, for this site's pages carry no form tokens.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, COOKIE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request};
use hyper::body::Body as _;

use super::{encoding, headers};

/// Less fits into one packet anyway (a TLS record of 1,400 bytes with its head).
const LEAST_BYTES: u64 = 1024;
/// More is no page of this site, and would keep other requests waiting for tens of milliseconds.
const MOST_BYTES: u64 = 1 << 20;
/// By what an answer differs that may be compressed.
const VARIES: HeaderValue = HeaderValue::from_static("accept-encoding");
/// The others wait while a page is compressed: of zlib's levels the first that still looks for lazy matches.
const LEVEL: Compression = Compression::new(4);

/// What a request says of compression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    gzip: bool,
    /// The head alone is sent.
    head: bool,
}

impl Wanted {
    pub(super) fn by<B>(request: &Request<B>) -> Self {
        Self { gzip: wants(request.headers()), head: request.method() == Method::HEAD }
    }
}

/// Compresses an answer that is worth it for whoever wants it.
pub(super) async fn compress(response: Response, Wanted { gzip: wanted, head }: Wanted) -> Response {
    // A route's answer to HEAD comes without its body, a refusal's page is there.
    let taken = head && response.body().size_hint().exact() == Some(0);
    if !worthwhile(&response, taken) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    if !parts.headers.get_all(VARY).iter().any(|names| names == VARIES) {
        parts.headers.append(VARY, VARIES);
    }
    if !wanted {
        return Response::from_parts(parts, body);
    }
    weaken(&mut parts.headers);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // A body of known size is in memory: reading it neither waits nor fails.
    let body = if taken { body } else { gzip(&to_bytes(body, usize::MAX).await.unwrap_or_default()) };
    Response::from_parts(parts, body)
}

fn wants(headers: &HeaderMap) -> bool {
    let credentials = headers.contains_key(COOKIE) || headers.contains_key(AUTHORIZATION);
    let accepted = headers::list(headers, &ACCEPT_ENCODING);
    !credentials && accepted.is_some_and(|accepted| encoding::wants(&accepted, "gzip"))
}

fn worthwhile(response: &Response, taken: bool) -> bool {
    let headers = response.headers();
    let untouched = [CONTENT_ENCODING, CONTENT_RANGE].iter().all(|name| !headers.contains_key(name));
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let size = if taken { text(CONTENT_LENGTH).parse().ok() } else { response.body().size_hint().exact() };
    untouched
        && size.is_some_and(|size| (LEAST_BYTES..=MOST_BYTES).contains(&size))
        && is_text(text(CONTENT_TYPE))
        && !text(CACHE_CONTROL).contains("no-transform")
}

fn is_text(media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.starts_with("text/")
        || ["application/json", "application/xml"].contains(&media_type)
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
}

/// The compressed bytes are others: a strong validator would lie (RFC 9110, 8.8.3.3).
fn weaken(headers: &mut HeaderMap) {
    let strong = headers.get(ETAG).and_then(|etag| etag.to_str().ok()).filter(|etag| etag.starts_with('"'));
    let weak = strong.and_then(|etag| HeaderValue::try_from(format!("W/{etag}")).ok());
    headers.extend(weak.map(|etag| (ETAG, etag)));
}

fn gzip(bytes: &[u8]) -> Body {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), LEVEL);
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    Body::from(encoder.finish().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_keep_an_answer_uncompressed() {
        let accepts = |more: Option<(http::HeaderName, &'static str)>| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("br, gzip"));
            headers.extend(more.map(|(name, value)| (name, HeaderValue::from_static(value))));
            wants(&headers)
        };
        assert!(accepts(None));
        assert!(!accepts(Some((COOKIE, "a=b"))));
        assert!(!accepts(Some((AUTHORIZATION, "Bearer x"))));
    }

    #[test]
    fn only_text_is_compressed() {
        for text in
            ["text/html; charset=utf-8", "application/json", "application/problem+json", "image/svg+xml"]
        {
            assert!(is_text(text), "{text}");
        }
        for other in ["image/png", "application/octet-stream", ""] {
            assert!(!is_text(other), "{other}");
        }
    }
}
