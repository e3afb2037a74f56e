//! Writing for programs: posts and comments of the token's holder, under the rules of the forms.
//!
//! Invariant: what a form refuses is refused here, too. Beyond that a program is held to what the description says, where a
//! form forgives: its tags come one by one.
#![allow(unused_qualifications, reason = "utoipa's macros write whole paths")]

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::bearer::Holder;
use super::body::Body;
use super::condition::Unconditional;
use super::posts::{Comment, Post, whole};
use crate::http::comments::{COMMENT_CHARS, comment_text};
use crate::http::error::{Error, Fault};
use crate::http::posts::{BODY_CHARS, Draft, TAGS, TITLE_CHARS, number, own};
use crate::http::problem::Refusals;
use crate::http::{Site, gate};
use db::posts::{Edited, Text};

/// One line, not only of space.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 120,
    pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
)]
pub(super) struct Title(String);

/// Markdown.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 10000,
    pattern = r"^([^\x00-\x08\x0b-\x1f\x7f-\x9f]|\r\n)*[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x08\x0b-\x1f\x7f-\x9f]|\r\n)*$"
)]
pub(super) struct LongText(String);

/// Markdown.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    min_length = 1,
    max_length = 2000,
    pattern = r"^([^\x00-\x08\x0b-\x1f\x7f-\x9f]|\r\n)*[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x08\x0b-\x1f\x7f-\x9f]|\r\n)*$"
)]
pub(super) struct ShortText(String);

/// A post to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPost {
    title: Title,
    body: LongText,
    #[serde(default)]
    #[schema(max_items = 5)]
    tags: Vec<Tag>,
}

/// A post's new text, all of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    title: Title,
    body: LongText,
    #[serde(default)]
    #[schema(max_items = 5)]
    tags: Vec<Tag>,
    /// The version that the program has read. If the post is at another by now, nothing is written (409).
    #[serde(deserialize_with = "whole_number")]
    #[schema(minimum = 1, maximum = 4294967295_i64)]
    version: u32,
}

/// Letters and digits of any script, hyphens and plus signs; kept in lower case.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(min_length = 1, max_length = 30, pattern = r"^([^\W_]|[+-])+$")]
pub(super) struct Tag(String);

/// A comment to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewComment {
    body: ShortText,
}

/// Write a post.
#[utoipa::path(post, path = "/api/v1/posts", tag = "posts", request_body = NewPost, security(("token" = [])), responses(
    (status = 201, description = "The post", body = Post, headers(("location" = String, description = "Where the post is"))),
    Refusals,
))]
pub(super) async fn add(
    State(site): State<Site>,
    Holder(user): Holder,
    Body(new): Body<NewPost>,
) -> Result<Response, Error> {
    let (draft, tags) = accepted(new.title, new.body, new.tags)?;
    gate::writing(&site, user).await?;
    let text = Text { title: &draft.title, body: &draft.body, tags: &tags };
    let id = site.database.add_post(user, text).await?.ok_or(Error::NoToken { sent: true })?;
    let post = whole(&site, id).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/v1/posts/{id}"))], Json(post)).into_response())
}

/// Replace the text of one's own post.
#[utoipa::path(put, path = "/api/v1/posts/{id}", tag = "posts", params(("id" = u64, Path)), request_body = Edit,
    security(("token" = [])), responses((status = 200, description = "The post as it is now", body = Post), Refusals))]
pub(super) async fn edit(
    State(site): State<Site>,
    Holder(user): Holder,
    _: Unconditional,
    id: Result<Path<u64>, PathRejection>,
    Body(edit): Body<Edit>,
) -> Result<Json<Post>, Error> {
    let id = number(id)?;
    let (draft, tags) = accepted(edit.title, edit.body, edit.tags)?;
    gate::writing(&site, user).await?;
    let text = Text { title: &draft.title, body: &draft.body, tags: &tags };
    match site.database.edit_post(id, user, edit.version, text).await? {
        Edited::Done => Ok(Json(whole(&site, id).await?)),
        Edited::Stale(now) => {
            let reason = format!("The post is at version {} by now: read it, and edit that.", now.version);
            Err(Error::Refused(StatusCode::CONFLICT, reason.into()))
        }
        Edited::Missing => own(&site, user, id).await.and(Err(Error::NotFound)),
    }
}

/// Delete one's own post with its comments.
#[utoipa::path(delete, path = "/api/v1/posts/{id}", tag = "posts", params(("id" = u64, Path)),
    security(("token" = [])), responses((status = 204, description = "It is gone"), Refusals))]
pub(super) async fn delete(
    State(site): State<Site>,
    Holder(user): Holder,
    _: Unconditional,
    id: Result<Path<u64>, PathRejection>,
) -> Result<StatusCode, Error> {
    let id = number(id)?;
    gate::writing(&site, user).await?;
    if !site.database.delete_post(id, user).await? {
        return own(&site, user, id).await.and(Err(Error::NotFound));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Comment on a post.
#[utoipa::path(post, path = "/api/v1/posts/{id}/comments", tag = "comments", params(("id" = u64, Path)),
    request_body = NewComment, security(("token" = [])), responses((status = 201, description = "The comment", body = Comment), Refusals))]
pub(super) async fn comment(
    State(site): State<Site>,
    Holder(user): Holder,
    id: Result<Path<u64>, PathRejection>,
    Body(new): Body<NewComment>,
) -> Result<Response, Error> {
    let id = number(id)?;
    let text = comment_text(&new.body.0).map_err(|(_, fault)| fault);
    let body = too_long(&new.body.0, COMMENT_CHARS).map_or(text, Err);
    let body = body.map_err(|fault| faulty([("/body", Some(fault))]))?;
    gate::writing(&site, user).await?;
    let comment = site.database.add_comment(id, user, &body).await?.ok_or(Error::NotFound)?;
    let written = site.database.comments(id, comment - 1, 1).await?.pop().ok_or(Error::NotFound)?;
    Ok((StatusCode::CREATED, Json(Comment::from(written))).into_response())
}

/// Delete one's own comment.
#[utoipa::path(delete, path = "/api/v1/comments/{id}", tag = "comments", params(("id" = u64, Path)),
    security(("token" = [])), responses((status = 204, description = "It is gone"), Refusals))]
pub(super) async fn delete_comment(
    State(site): State<Site>,
    Holder(user): Holder,
    _: Unconditional,
    id: Result<Path<u64>, PathRejection>,
) -> Result<StatusCode, Error> {
    let id = number(id)?;
    gate::writing(&site, user).await?;
    site.database.delete_comment(id, user).await?.map(|_| StatusCode::NO_CONTENT).ok_or(Error::NotFound)
}

/// JSON has one kind of number: `1.0` and `1e0` are whole ones, too (JSON Schema, Validation, 6.1.1).
fn whole_number<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let number = f64::deserialize(from)?;
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    if fits { Ok(number as u32) } else { Err(serde::de::Error::custom("a version is a whole number")) }
}

/// The post as it will be stored, or everything that is wrong with it.
fn accepted(
    Title(title): Title,
    LongText(body): LongText,
    tags: Vec<Tag>,
) -> Result<(Draft, Vec<String>), Error> {
    let tags: Vec<String> = tags.into_iter().map(|Tag(tag)| tag).collect();
    let draft = Draft { title, body, tags: tags.join(" ") };
    let long = [too_long(&draft.title, TITLE_CHARS), too_long(&draft.body, BODY_CHARS)];
    let odd = tags.len() > TAGS || tags.iter().any(|tag| !Draft::is_tag(tag));
    let odd = odd.then(|| format!("At most {TAGS} tags of letters, digits, hyphens and plus signs."));
    let draft = draft.normalized();
    let faults = draft.faults();
    let [title, body] = long;
    let faults =
        [("/title", faults.title.or(title)), ("/body", faults.body.or(body)), ("/tags", faults.tags.or(odd))];
    if faults.iter().any(|(_, fault)| fault.is_some()) {
        return Err(faulty(faults));
    }
    let tags = draft.tag_list();
    Ok((draft, tags))
}

/// The description counts the space around a text, too, which the forms take away first.
fn too_long(text: &str, most: usize) -> Option<String> {
    (text.chars().count() > most).then(|| format!("At most {most} characters are possible."))
}

fn faulty(faults: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Error {
    let faults = faults.into_iter().filter_map(|(pointer, detail)| Some(Fault { pointer, detail: detail? }));
    Error::Faulty(faults.collect())
}
