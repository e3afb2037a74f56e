//! Comments: `POST /posts/ID/comments`, `POST /comments/ID/delete`. They are read on the post's page.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;

use super::error::Error;
use super::fields::Form;
use super::id::Id;
use super::letters::composed;
use super::posts::{fault, page_up_to, with_refused_comment};
use super::session::SignedIn;
use super::{Nothing, Site, gate};

/// A long paragraph or two.
pub(super) const COMMENT_CHARS: usize = 2000;

/// A new comment is shown below those that it may answer: so many of the longest find a place on one page.
const NEIGHBOURS: usize = 9;

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
    Id(id): Id,
    Form(draft): Form<Draft>,
) -> Result<Response, Error> {
    let body = match comment_text(&draft.body) {
        Ok(body) => body,
        Err((body, fault)) => return with_refused_comment(&site, viewer, id, body, fault).await,
    };
    gate::writing(&site, viewer.id).await?;
    let comment = site.database.add_comment(id, viewer.id, &body).await?.ok_or(Error::NotFound)?;
    // Somebody may have deleted the post meanwhile: its page says so.
    let page = page_up_to(&site, id, comment, NEIGHBOURS + 1).await?;
    let page = page.unwrap_or_else(|| format!("/posts/{id}"));
    Ok(Redirect::to(&format!("{page}#comment-{comment}")).into_response())
}

/// The comment as it will be stored, or as it was written and what is wrong with it.
pub(super) fn comment_text(body: &str) -> Result<String, (String, String)> {
    let body = composed(body.replace("\r\n", "\n").trim()).into_owned();
    match comment_fault(&body) {
        Some(fault) => Err((body, fault)),
        None => Ok(body),
    }
}

/// What is wrong with a comment.
pub(super) fn comment_fault(body: &str) -> Option<String> {
    fault(body, "comment", COMMENT_CHARS, |character| matches!(character, '\n' | '\t'))
}

async fn delete(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Id(id): Id,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, Error> {
    let post = site.database.delete_comment(id, viewer.id).await?.ok_or(Error::NotFound)?;
    Ok(Redirect::to(&format!("/posts/{post}#comments")).into_response())
}
