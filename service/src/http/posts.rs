//! Posts: `/` the newest, `/posts/new`, `/posts/ID` with its comments, `/posts/ID/edit`, `/posts/ID/history`, and
//! `/tags/TAG`.
//!
//! Invariant: only its author changes a post, and an edit that was begun from an older version is never written over a
//! newer one.

mod cards;
mod edit;
mod form;
mod list;
mod show;

use axum::Router;
use axum::routing::{get, post};

use super::Site;

pub(super) use cards::Cards;
pub(super) use edit::own;
pub(super) use form::{BODY_CHARS, Draft, TAGS, fault};
pub(super) use list::{Author, Page, PageQuery, entries};
pub(super) use show::{page_up_to, with_refused_comment};

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(list::newest))
        .route("/tags/{tag}", get(list::tagged))
        .route("/posts", post(edit::add))
        .route("/posts/new", get(edit::blank))
        .route("/posts/{id}", get(show::post))
        .route("/posts/{id}/edit", get(edit::existing).post(edit::replace))
        .route("/posts/{id}/history", get(show::history))
        .route("/posts/{id}/delete", post(edit::delete))
}
