//! `/api/v1`: the site's rows for programs, in JSON, and its own description (OpenAPI 3.1) at `/api/v1/openapi.json`.
//!
//! Everybody may read; who writes sends a token of their account. Refusals are problems (RFC 9457). Invariant: the
//! description is made of the handlers themselves; what it does not list is not there.

pub(super) mod bearer;
mod body;
mod condition;
mod posts;
mod write;

use axum::Router;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, openapi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Site;
use super::problem::Problem;

/// Where the description is.
const DESCRIPTION: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "The site's rows for programs",
        version = "1",
        description = "Lists come a page at a time: ask for `after` with the `next` of the page before. To write, make a \
                       token on the page of your account and send it as `Authorization: Bearer …`."
    ),
    components(schemas(Problem)),
    modifiers(&Tokens)
)]
struct Description;

/// Adds the way in which tokens are sent.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        description.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

pub(super) fn routes() -> Router<Site> {
    let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(posts::list, write::add))
        .routes(routes!(posts::one, write::edit, write::delete))
        .routes(routes!(posts::comments, write::comment))
        .routes(routes!(write::delete_comment))
        .split_for_parts();
    // A description that is not JSON would be a mistake in a derived type, which the tests would show.
    let text = description.to_json().unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    router.route(DESCRIPTION, get(async move || (headers, text.clone())))
}
