//! The embedded static files: conditional requests, encodings, ranges, caching.
//!
//! Invariant: bytes are never copied but for an answer of several ranges; every header of a file is made once.

mod range;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Site, encoding};
use crate::assets::{ASSETS, Asset, Encoded};
use range::Wanted;

/// One route for each file: what is not embedded is not found.
pub(super) fn routes() -> Router<Site> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let file = File::new(asset);
        router.route(
            asset.path,
            get(move |method: Method, headers: HeaderMap| {
                let response = file.answer(&method, &headers);
                std::future::ready(response)
            }),
        )
    })
}

/// A file with the headers of each of its representations.
#[derive(Clone)]
struct File {
    asset: &'static Asset,
    etags: Vec<HeaderValue>,
}

impl File {
    fn new(asset: &'static Asset) -> Self {
        let etag = |encoded| HeaderValue::try_from(asset.etag(encoded)).ok();
        Self { asset, etags: asset.encodings.iter().filter_map(etag).collect() }
    }

    /// The conditions in the order of RFC 9110, 13.2.2. Dates are not compared: no file has one.
    fn answer(&self, method: &Method, headers: &HeaderMap) -> Response {
        let accepted = joined(headers, &ACCEPT_ENCODING);
        let chosen = encoding::choose(self.asset.encodings, accepted.as_deref());
        let (encoded, etag) = (&self.asset.encodings[chosen], &self.etags[chosen]);
        let tag = etag.to_str().unwrap_or_default();
        let mut response = if names(headers, &IF_MATCH, tag, encoding::matches_strongly) == Some(false) {
            StatusCode::PRECONDITION_FAILED.into_response()
        } else if names(headers, &IF_NONE_MATCH, tag, encoding::matches) == Some(true) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.content(encoded, wanted(method, headers, tag, encoded.bytes.len()))
        };
        self.describe(response.headers_mut(), etag);
        response
    }

    fn content(&self, encoded: &'static Encoded, wanted: Wanted) -> Response {
        let bytes = Bytes::from_static(encoded.bytes);
        let kind = HeaderValue::from_static(self.asset.media_type);
        let mut response = match wanted {
            Wanted::Whole => typed(StatusCode::OK, kind, bytes),
            Wanted::One(range) => {
                let place = range::place(&range, bytes.len());
                let mut response = typed(StatusCode::PARTIAL_CONTENT, kind, bytes.slice(range));
                response.headers_mut().extend(place.map(|place| (CONTENT_RANGE, place)));
                response
            }
            Wanted::Many(ranges) => {
                let boundary = format!("{}-part", &self.asset.hash[..24]);
                let body = range::multipart(&boundary, self.asset.media_type, encoded.bytes, &ranges);
                let kind = format!("multipart/byteranges; boundary={boundary}");
                typed(
                    StatusCode::PARTIAL_CONTENT,
                    HeaderValue::try_from(kind).unwrap_or(HeaderValue::from_static("")),
                    body.into(),
                )
            }
            Wanted::Nothing => return range::unsatisfiable(bytes.len()),
        };
        if encoded.encoding != "identity" {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoded.encoding));
        }
        response
    }

    fn describe(&self, out: &mut HeaderMap, etag: &HeaderValue) {
        out.insert(ETAG, etag.clone());
        out.insert(VARY, HeaderValue::from_static("accept-encoding"));
        out.insert(CACHE_CONTROL, HeaderValue::from_static(caching(self.asset)));
        out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
}

fn typed(status: StatusCode, kind: HeaderValue, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Ranges are asked for with GET only, and with `If-Range` only of the representation that the client has (RFC 9110,
/// 14.2 and 13.1.5).
fn wanted(method: &Method, headers: &HeaderMap, etag: &str, length: usize) -> Wanted {
    let same = headers.get(IF_RANGE).is_none_or(|known| known.as_bytes() == etag.as_bytes());
    match headers.get(RANGE).map(HeaderValue::to_str) {
        Some(Ok(range)) if method == Method::GET && same => range::parse(range, length),
        _ => Wanted::Whole,
    }
}

/// A year is the longest that caches are said to honour (RFC 9111, 1.2.2 speaks of seconds only).
fn caching(asset: &Asset) -> &'static str {
    if asset.immutable() { "public, max-age=31536000, immutable" } else { "public, max-age=300" }
}

/// Whether the list in a header names the entity tag, if the header is there.
fn names(
    headers: &HeaderMap,
    name: &HeaderName,
    etag: &str,
    matches: fn(&str, &str) -> bool,
) -> Option<bool> {
    joined(headers, name).map(|list| matches(&list, etag))
}

/// Several lines of one list header mean the same as one (RFC 9110, 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    if lines.is_empty() { None } else { Some(lines.join(",")) }
}
