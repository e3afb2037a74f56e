//! `/healthz`: the process lives. `/readyz`: the database answers too, and visitors are welcome. For load balancers and `up`; plain text.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use http::header::CACHE_CONTROL;

use super::Site;

/// Answered whatever host a request names.
pub(super) const PATHS: [&str; 2] = ["/healthz", "/readyz"];

type Answer = (StatusCode, [(http::HeaderName, &'static str); 1], &'static str);

const NO_STORE: [(http::HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

pub(super) fn routes() -> Router<Site> {
    Router::new().route(PATHS[0], get(alive)).route(PATHS[1], get(ready))
}

/// The process lives, whatever else is away: restarting it would not help.
pub(super) async fn alive() -> Answer {
    (StatusCode::OK, NO_STORE, "alive\n")
}

async fn ready(State(site): State<Site>) -> Answer {
    if site.shared.load.draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, NO_STORE, "the machine is about to stop\n");
    }
    match site.database.ready().await {
        Ok(()) => (StatusCode::OK, NO_STORE, "ready\n"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, NO_STORE, "the database is away\n")
        }
    }
}
