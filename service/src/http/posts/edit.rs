//! Writing: a new post, a change to one's own, its deletion.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;

use super::form::{Change, Draft, Faults};
use crate::http::error::Error;
use crate::http::fields::{Form, Query};
use crate::http::id::Id;
use crate::http::page::{page, with_status};
use crate::http::session::SignedIn;
use crate::http::{Nothing, Site, Whatever, gate};
use db::posts::{Edited, Post, Text};
use db::sessions::Viewer;

#[derive(Template)]
#[template(path = "edit_post.html")]
struct EditPage {
    viewer: Option<Viewer>,
    /// `None` for a new post.
    id: Option<u64>,
    /// What the form was written from.
    version: u32,
    draft: Draft,
    faults: Faults,
    /// What the post says now, when it has changed since the form was opened.
    theirs: Option<Draft>,
    /// Whether the post that the draft was for is no longer there.
    gone: bool,
}

pub(super) async fn blank(
    SignedIn(viewer): SignedIn,
    Query(Whatever {}): Query<Whatever>,
) -> Result<Response, Error> {
    page(&form_page(viewer, None, 0, Draft::default(), Faults::default()))
}

fn form_page(viewer: Viewer, id: Option<u64>, version: u32, draft: Draft, faults: Faults) -> EditPage {
    EditPage { viewer: Some(viewer), id, version, draft, faults, theirs: None, gone: false }
}

/// A valid draft is written, then the visitor is sent to it by GET, so that a reload does not post again.
pub(super) async fn add(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Form(draft): Form<Draft>,
) -> Result<Response, Error> {
    let draft = draft.normalized();
    let faults = draft.faults();
    if faults.any() {
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &form_page(viewer, None, 0, draft, faults));
    }
    gate::writing(&site, viewer.id).await?;
    let tags = draft.tag_list();
    let text = Text { title: &draft.title, body: &draft.body, tags: &tags };
    let signed_out = || Error::SignedOut { form: "/posts/new".to_owned() };
    let id = site.database.add_post(viewer.id, text).await?.ok_or_else(signed_out)?;
    Ok(Redirect::to(&format!("/posts/{id}")).into_response())
}

pub(super) async fn existing(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Id(id): Id,
) -> Result<Response, Error> {
    let post = own(&site, viewer.id, id).await?;
    page(&form_page(viewer, Some(post.id), post.version, Draft::from(&post), Faults::default()))
}

/// The post, if it is this user's.
pub(in crate::http) async fn own(site: &Site, user: u64, id: u64) -> Result<Post, Error> {
    let post = site.database.post(id).await?.ok_or(Error::NotFound)?;
    if post.author_id == Some(user) { Ok(post) } else { Err(not_yours()) }
}

fn not_yours() -> Error {
    Error::Refused(StatusCode::FORBIDDEN, "Only its author can do this.".into())
}

/// Of two people (or windows) that edit one post, the second is shown both texts and loses none.
pub(super) async fn replace(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Id(id): Id,
    Form(change): Form<Change>,
) -> Result<Response, Error> {
    let (draft, version) = (change.draft().normalized(), change.version);
    let faults = draft.faults();
    if faults.any() {
        if is_gone(&site, viewer.id, id).await? {
            return anew(viewer, draft, faults);
        }
        let page = form_page(viewer, Some(id), version, draft, faults);
        return with_status(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    gate::writing(&site, viewer.id).await?;
    let tags = draft.tag_list();
    let text = Text { title: &draft.title, body: &draft.body, tags: &tags };
    match site.database.edit_post(id, viewer.id, version, text).await? {
        Edited::Done => Ok(Redirect::to(&format!("/posts/{id}")).into_response()),
        Edited::Stale(now) => {
            let theirs = Some(Draft::from(&*now));
            let page = EditPage { theirs, ..form_page(viewer, Some(id), now.version, draft, faults) };
            with_status(StatusCode::CONFLICT, &page)
        }
        // Which of the two it is, the post itself says.
        Edited::Missing if is_gone(&site, viewer.id, id).await? => anew(viewer, draft, faults),
        Edited::Missing => Err(Error::NotFound),
    }
}

/// Whether there is no such post (any more); a refusal if it is somebody else's.
async fn is_gone(site: &Site, user: u64, id: u64) -> Result<bool, Error> {
    match own(site, user, id).await {
        Err(Error::NotFound) => Ok(true),
        found => found.map(|_| false),
    }
}

/// The form of a new post with a draft whose post is gone: nobody's text is lost.
fn anew(viewer: Viewer, draft: Draft, faults: Faults) -> Result<Response, Error> {
    let page = EditPage { gone: true, ..form_page(viewer, None, 0, draft, faults) };
    with_status(StatusCode::NOT_FOUND, &page)
}

pub(super) async fn delete(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Id(id): Id,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, Error> {
    if !site.database.delete_post(id, viewer.id).await? {
        return own(&site, viewer.id, id).await.and(Err(Error::NotFound));
    }
    Ok(Redirect::to("/").into_response())
}
