//! The plain HTTP listener: everything moves to HTTPS, nothing is read. Only `/healthz` and the challenges of certificate
//! authorities are answered in place, and before there is a certificate to move to, nothing else is.

use axum::Router;
use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode, Uri};

use super::{Site, challenge, error, headers, health, host, observe};

/// All routes of the plain HTTP site. The host was checked, so nobody is redirected on another site's behalf.
pub fn router(site: Site) -> Router {
    Router::new()
        .route(health::PATHS[0], get(health::alive))
        .fallback(moved)
        .layer(from_fn_with_state(site.clone(), host::check))
        // An authority asks by any of the certificate's names.
        .merge(challenge::routes())
        .layer(from_fn(error::pages))
        .layer(from_fn(headers::secure))
        .layer(from_fn_with_state(site.clone(), observe::request))
        .with_state(site)
}

/// 308 keeps the method: a form that was posted here by mistake is posted again over HTTPS, not turned into a GET.
async fn moved(State(site): State<Site>, uri: Uri) -> Response {
    if site.certificates.get().is_some_and(|certificates| !certificates.ready()) {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")]).into_response();
    }
    to_https(&site, &uri)
}

/// The same address at the site's own name, over HTTPS.
pub(super) fn to_https(site: &Site, uri: &Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match HeaderValue::try_from(format!("{}{path}", site.base())) {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
