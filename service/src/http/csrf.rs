//! Protection from forged requests: a browser's own statement of where a request comes from (`Sec-Fetch-Site`, else
//! `Origin` against the host). It needs no token; clients that are no browsers send neither header and pass.

use axum::body::Body;
use http::{Response, StatusCode};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::error::Reason;

type Reject = fn(ProtectionError) -> Response<Body>;

/// Refuses a state-changing request that another site's page caused. The host was checked before.
pub(super) fn layer() -> CsrfLayer<Reject> {
    CsrfLayer::new().with_rejection_response(reject as Reject)
}

fn reject(_: ProtectionError) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FORBIDDEN;
    let reason = "The form was sent from another site. Open this site's own form and send it again.";
    response.extensions_mut().insert(Reason(reason.into()));
    response
}
