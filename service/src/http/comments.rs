//! Comments: `POST /posts/ID/comments`, `POST /comments/ID/delete`. They are read on the post's page.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;

use super::error::Error;
use super::fields::Form;
use super::posts::{fault, number, with_refused_comment};
use super::session::SignedIn;
use super::{Nothing, Site, gate};

/// A long paragraph or two.
const BODY_CHARS: usize = 2000;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/posts/{id}/comments", post(add)).route("/comments/{id}/delete", post(delete))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    body: String,
}

async fn add(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    id: Result<Path<u64>, PathRejection>,
    Form(draft): Form<Draft>,
) -> Result<Response, Error> {
    let id = number(id)?;
    let body = draft.body.replace("\r\n", "\n").trim().to_owned();
    let wrong = fault(&body, "comment", BODY_CHARS, |character| matches!(character, '\n' | '\t'));
    if let Some(fault) = wrong {
        return with_refused_comment(&site, viewer, id, body, fault).await;
    }
    gate::writing(&site, viewer.id).await?;
    let comment = site.database.add_comment(id, viewer.id, &body).await?.ok_or(Error::NotFound)?;
    // The page that begins with it, however many stand before it.
    let before = super::cursor::write(super::cursor::List::Comments, comment - 1);
    Ok(Redirect::to(&format!("/posts/{id}?after={before}#comment-{comment}")).into_response())
}

async fn delete(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    id: Result<Path<u64>, PathRejection>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, Error> {
    let post = site.database.delete_comment(number(id)?, viewer.id).await?.ok_or(Error::NotFound)?;
    Ok(Redirect::to(&format!("/posts/{post}#comments")).into_response())
}
