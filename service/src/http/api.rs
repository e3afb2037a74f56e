//! `/api/v1`: the site's rows for programs, in JSON, and its own description (OpenAPI 3.1) at `/api/v1/openapi.json`.
//!
//! Refusals are problems (RFC 9457). Invariant: the description is made of the handlers themselves; what it does not list
//! is not there.

mod posts;

use axum::Router;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Site;

/// Where the description is.
const DESCRIPTION: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(info(
    title = "The site's rows for programs",
    version = "1",
    description = "Lists come a page at a time: ask for `after` with the `next` of the page before."
))]
struct Description;

pub(super) fn routes() -> Router<Site> {
    let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(posts::list))
        .routes(routes!(posts::one))
        .routes(routes!(posts::comments))
        .split_for_parts();
    // A description that is not JSON would be a mistake in a derived type, which the tests would show.
    let text = description.to_json().unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    router.route(DESCRIPTION, get(async move || (headers, text.clone())))
}
