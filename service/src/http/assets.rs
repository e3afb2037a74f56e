//! The embedded static files: conditional requests, encodings, caching.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Site, encoding};
use crate::assets::{ASSETS, Asset};

/// One route for each file: what is not embedded is not found.
pub(super) fn routes() -> Router<Site> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(async move |headers: HeaderMap| serve(asset, &headers)))
    })
}

fn serve(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let accepted = joined(headers, &ACCEPT_ENCODING);
    let encoded = encoding::choose(asset.encodings, accepted.as_deref());
    let etag = asset.etag(encoded);
    let known = joined(headers, &IF_NONE_MATCH).is_some_and(|known| encoding::matches(&known, &etag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(Bytes::from_static(encoded.bytes)))
    };
    let out = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(etag) {
        out.insert(ETAG, etag);
    }
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(CACHE_CONTROL, HeaderValue::from_static(caching(asset)));
    if !known {
        out.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
        if encoded.encoding != "identity" {
            out.insert(CONTENT_ENCODING, HeaderValue::from_static(encoded.encoding));
        }
    }
    response
}

/// A year is the longest that caches are said to honour (RFC 9111, 1.2.2 speaks of seconds only).
fn caching(asset: &Asset) -> &'static str {
    if asset.immutable() { "public, max-age=31536000, immutable" } else { "public, max-age=300" }
}

/// Several lines of one list header mean the same as one (RFC 9110, 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    if lines.is_empty() { None } else { Some(lines.join(",")) }
}
