//! The number of a row in a path.
//!
//! Invariant: one page has one address. A number is read only as this site writes it, without a sign, zeros before it, or
//! escapes; anything else leads nowhere.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::error::Error;

/// The number in a path that has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id(pub(super) u64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(id) = Path::from_request_parts(parts, state).await.map_err(|_| Error::NotFound)?;
        is_written(id, parts.uri.path()).then_some(Self(id)).ok_or(Error::NotFound)
    }
}

/// Whether a part of the path is the number as this site writes it.
fn is_written(id: u64, path: &str) -> bool {
    let id = id.to_string();
    path.split('/').any(|part| part == id)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_number_is_written_in_one_way() {
        let routes = Router::new().route("/rows/{id}/page", get(async |Id(id): Id| id.to_string()));
        for (part, status) in [
            ("1", 200),
            ("10", 200),
            ("18446744073709551615", 200),
            ("+1", 404),
            ("-1", 404),
            ("01", 404),
            ("001", 404),
            ("%31", 404),
            ("1%20", 404),
            ("%2B1", 404),
            ("18446744073709551616", 404),
            ("x", 404),
            ("%ff", 404),
        ] {
            let request = Request::get(format!("/rows/{part}/page")).body(Body::empty()).unwrap();
            let response = routes.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{part}");
        }
    }
}
