//! The embedded static files: conditional requests, encodings, ranges, caching.
//!
//! Invariant: bytes are never copied but for an answer of several ranges; every header of a file is made once.

mod range;

use std::collections::HashMap;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::{encoding, entity_tag, headers};
use crate::assets::{ASSETS, Asset, Encoded};
use range::Wanted;

/// What a file may be asked.
const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD");

/// All files by their paths: what is not embedded is not found.
#[derive(Debug)]
pub(super) struct Files(HashMap<&'static str, File>);

impl Files {
    pub(super) fn new() -> Self {
        Self(ASSETS.iter().map(|asset| (asset.path, File::new(asset))).collect())
    }

    /// The answer to a request for a file, and the file's path; `None` where no file lives.
    pub(super) fn answer(&self, request: &Request<Body>) -> Option<(&'static str, Response)> {
        let file = self.0.get(request.uri().path())?;
        Some((file.asset.path, file.answer(request.method(), request.headers())))
    }
}

/// A file and its representations, best first.
#[derive(Debug)]
struct File {
    asset: &'static Asset,
    representations: Vec<Representation>,
}

/// A file's bytes in one encoding.
#[derive(Debug)]
struct Representation {
    bytes: Bytes,
    etag: String,
    /// Of every answer about it: also those that every answer of the site has.
    headers: HeaderMap,
    /// Of an answer with the bytes.
    content: HeaderMap,
}

impl File {
    fn new(asset: &'static Asset) -> Self {
        let representation = |encoded: &'static Encoded| {
            let etag = asset.etag(encoded);
            let headers = described(asset, &etag);
            let mut content = headers.clone();
            content.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
            content.insert(CONTENT_LENGTH, HeaderValue::from(encoded.bytes.len()));
            if encoded.encoding != "identity" {
                content.insert(CONTENT_ENCODING, HeaderValue::from_static(encoded.encoding));
            }
            // Copies have no spare places.
            let (headers, content) = (headers.clone(), content.clone());
            Representation { bytes: Bytes::from_static(encoded.bytes), etag, headers, content }
        };
        Self { asset, representations: asset.encodings.iter().map(representation).collect() }
    }

    fn answer(&self, method: &Method, asked: &HeaderMap) -> Response {
        match *method {
            Method::GET => self.get(asked, true),
            Method::HEAD => self.get(asked, false).map(|_| Body::empty()),
            Method::OPTIONS => allowed(StatusCode::NO_CONTENT),
            _ => allowed(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// The conditions in the order of RFC 9110, 13.2.2. Dates are not compared: no file has one.
    fn get(&self, asked: &HeaderMap, may_be_part: bool) -> Response {
        let accepted = headers::list(asked, &ACCEPT_ENCODING);
        let chosen = encoding::choose(self.asset.encodings, accepted.as_deref());
        let representation = &self.representations[chosen];
        let tag = &representation.etag;
        if entity_tag::named(asked, &IF_MATCH, tag, entity_tag::matches_strongly) == Some(false) {
            return with(StatusCode::PRECONDITION_FAILED, representation.headers.clone(), Body::empty());
        }
        if entity_tag::named(asked, &IF_NONE_MATCH, tag, entity_tag::matches) == Some(true) {
            return with(StatusCode::NOT_MODIFIED, representation.headers.clone(), Body::empty());
        }
        // Ranges are asked for with GET only (RFC 9110, 14.2).
        let wanted = if may_be_part { wanted(asked, tag, representation.bytes.len()) } else { Wanted::Whole };
        self.content(representation, wanted)
    }

    fn content(&self, representation: &Representation, wanted: Wanted) -> Response {
        let Representation { bytes, headers, content, .. } = representation;
        match wanted {
            Wanted::Whole => with(StatusCode::OK, content.clone(), bytes.clone().into()),
            Wanted::One(range) => {
                let mut headers = content.clone();
                headers.extend(range::place(&range, bytes.len()).map(|place| (CONTENT_RANGE, place)));
                headers.insert(CONTENT_LENGTH, HeaderValue::from(range.len()));
                with(StatusCode::PARTIAL_CONTENT, headers, bytes.slice(range).into())
            }
            Wanted::Many(ranges) => {
                let boundary = format!("{}-part", &self.asset.hash[..24]);
                let body = range::multipart(&boundary, self.asset.media_type, bytes, &ranges);
                let kind = format!("multipart/byteranges; boundary={boundary}");
                let mut headers = content.clone();
                headers.remove(CONTENT_TYPE);
                headers.extend(HeaderValue::try_from(kind).ok().map(|kind| (CONTENT_TYPE, kind)));
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                with(StatusCode::PARTIAL_CONTENT, headers, body.into())
            }
            Wanted::Nothing => {
                let mut headers = headers.clone();
                headers.extend(range::unsatisfied(bytes.len()).map(|length| (CONTENT_RANGE, length)));
                with(StatusCode::RANGE_NOT_SATISFIABLE, headers, Body::empty())
            }
        }
    }
}

/// What every answer about a file says.
fn described(asset: &Asset, etag: &str) -> HeaderMap {
    let mut described = headers::always();
    described.extend(HeaderValue::try_from(etag).ok().map(|etag| (ETAG, etag)));
    described.insert(VARY, HeaderValue::from_static("accept-encoding"));
    described.insert(CACHE_CONTROL, HeaderValue::from_static(caching(asset)));
    described.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    described
}

fn with(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What a file may be asked, and nothing else.
fn allowed(status: StatusCode) -> Response {
    let mut headers = headers::always();
    headers.insert(ALLOW, METHODS);
    with(status, headers, Body::empty())
}

/// Ranges are asked for with `If-Range` only of the representation that the client has (RFC 9110, 13.1.5).
fn wanted(asked: &HeaderMap, etag: &str, length: usize) -> Wanted {
    let same = asked.get(IF_RANGE).is_none_or(|known| known.as_bytes() == etag.as_bytes());
    match asked.get(RANGE).map(HeaderValue::to_str) {
        Some(Ok(range)) if same => range::parse(range, length),
        _ => Wanted::Whole,
    }
}

/// A year is the longest that caches are said to honour (RFC 9111, 1.2.2 speaks of seconds only).
fn caching(asset: &Asset) -> &'static str {
    if asset.immutable() { "public, max-age=31536000, immutable" } else { "public, max-age=300" }
}
