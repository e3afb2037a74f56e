//! `/.well-known/acme-challenge/TOKEN`: what a certificate authority asks to see that the name is ours (http-01).

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::Site;
use crate::certificates::Unanswered;

/// As the protocol writes it: RFC 8555, 8.3.
pub(super) const PREFIX: &str = "/.well-known/acme-challenge/";

type Answer = Result<([(http::HeaderName, &'static str); 1], String), StatusCode>;

pub(super) fn routes() -> Router<Site> {
    Router::new().route(&format!("{PREFIX}{{token}}"), get(answer))
}

async fn answer(State(site): State<Site>, token: Result<Path<String>, PathRejection>) -> Answer {
    let Path(token) = token.map_err(|_| StatusCode::NOT_FOUND)?;
    let certificates = site.certificates.get().ok_or(StatusCode::NOT_FOUND)?;
    match certificates.answer(&token).await {
        Ok(text) => Ok(([(CONTENT_TYPE, "application/octet-stream")], text)),
        Err(Unanswered::Unknown) => Err(StatusCode::NOT_FOUND),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an authority's question was not answered"
            );
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}
