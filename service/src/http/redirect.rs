//! The plain HTTP listener: everything moves to HTTPS, nothing is read. Only `/healthz` and the challenges of certificate
//! authorities are answered in place, and before there is a certificate to move to, nothing else is.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

use super::error::Reason;
use super::{Site, challenge, headers, health};

/// What a visitor reads before an authority has written the first certificate.
const NO_CERTIFICATE: &str =
    "The site has no certificate yet, and is not shown without one. Please try again in a few seconds.";
/// When they may try again, in seconds: an authority takes a few.
const RETRY_AFTER_S: &str = "10";

/// What has a route on this listener.
pub(super) fn routes() -> Router<Site> {
    Router::new().route(health::PATHS[0], get(health::alive)).merge(challenge::routes())
}

/// Whether something has: the host is no matter there.
pub(super) fn has_route(path: &str) -> bool {
    path == health::PATHS[0] || path.starts_with(challenge::PREFIX)
}

/// The answer to everything else. The host was checked, so nobody is redirected on another site's behalf.
#[derive(Debug)]
pub(super) struct Moved {
    /// The headers of every answer, made once.
    headers: HeaderMap,
}

impl Moved {
    pub(super) fn new() -> Self {
        let mut headers = HeaderMap::new();
        headers::plain(&mut headers);
        headers.insert(LOCATION, HeaderValue::from_static(""));
        headers::keep_places(&mut headers);
        Self { headers }
    }

    /// The headers of every answer.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// To the same address over HTTPS.
    pub(super) fn answer(&self, site: &Site, uri: &Uri) -> Response {
        if site.certificates.get().is_some_and(|certificates| !certificates.ready()) {
            let mut response =
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY_AFTER_S)]).into_response();
            response.extensions_mut().insert(Reason(NO_CERTIFICATE.into()));
            return response;
        }
        to_https(site, uri, self.headers())
    }
}

/// The same address at the site's own name, over HTTPS, with headers more. 308 keeps the method: a form that was posted here by
/// mistake is posted again over HTTPS, not turned into a GET.
pub(super) fn to_https(site: &Site, uri: &Uri, headers: HeaderMap) -> Response {
    // What is no path, as the `*` of `OPTIONS`, would become a part of the name.
    let path = Some(uri.path()).filter(|path| path.starts_with('/')).unwrap_or("/");
    let (mark, query) = uri.query().map_or(("", ""), |query| ("?", query));
    let location = [site.shared.base.as_str(), path, mark, query].concat();
    let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    *response.headers_mut() = headers;
    response.headers_mut().insert(LOCATION, location);
    response
}
