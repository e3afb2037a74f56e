//! One post with its comments, and what its edits replaced.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::list::{Author, PageQuery, TagLink, tag_links};
use crate::http::cursor::{self, List};
use crate::http::error::Error;
use crate::http::fields::Query;
use crate::http::id::Id;
use crate::http::moment::Moment;
use crate::http::page::{page, secret, with_status};
use crate::http::session::{Anyone, SignedIn};
use crate::http::{Site, markdown};
use db::comments::Comment;
use db::posts::Post;
use db::sessions::Viewer;

/// Comments on one page.
const COMMENTS_SHOWN: usize = 50;
/// What they may have together in HTML: thirteen of the longest.
const COMMENTS_BYTES: usize = 256 * 1024;
/// Versions on one page: each is a whole text.
const VERSIONS_SHOWN: usize = 10;

#[derive(Template)]
#[template(path = "post.html")]
struct PostPage {
    viewer: Option<Viewer>,
    id: u64,
    title: String,
    body: String,
    author: Author,
    tags: Vec<TagLink>,
    written: Moment,
    edited: Option<Moment>,
    mine: bool,
    comments: Vec<CommentShown>,
    earlier: Option<String>,
    next: Option<String>,
    draft: String,
    fault: Option<String>,
}

struct CommentShown {
    id: u64,
    body: String,
    author: Author,
    written: Moment,
    mine: bool,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    viewer: Option<Viewer>,
    id: u64,
    title: String,
    versions: Vec<VersionShown>,
    next: Option<String>,
}

struct VersionShown {
    number: u32,
    title: String,
    body: String,
    tags: String,
    written: Moment,
}

pub(super) async fn post(
    State(site): State<Site>,
    Anyone(viewer): Anyone,
    Id(id): Id,
    Query(query): Query<PageQuery>,
) -> Result<Response, Error> {
    let after = cursor::start(List::Comments, query.after.as_deref(), 0)?;
    let post = site.database.post(id).await?.ok_or(Error::NotFound)?;
    page(&post_page(&site, viewer, post, after).await?)
}

/// The post's page again, with a comment that cannot be accepted and why.
pub(in crate::http) async fn with_refused_comment(
    site: &Site,
    viewer: Viewer,
    post: u64,
    draft: String,
    fault: String,
) -> Result<Response, Error> {
    let post = site.database.post(post).await?.ok_or(Error::NotFound)?;
    let mut page = post_page(site, Some(viewer), post, 0).await?;
    page.draft = draft;
    page.fault = Some(fault);
    with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

async fn post_page(site: &Site, viewer: Option<Viewer>, post: Post, after: u64) -> Result<PostPage, Error> {
    let me = viewer.as_ref().map(|viewer| viewer.id);
    let rows = site.database.comments(post.id, after, COMMENTS_SHOWN as u32 + 1).await?;
    let found = rows.len();
    let comments = comments_shown(rows, me);
    let more = comments.len() < found;
    let next = comments.last().filter(|_| more).map(|last| cursor::write(List::Comments, last.id));
    let earlier = match after {
        0 => None,
        _ => page_up_to(site, post.id, after, COMMENTS_SHOWN).await?,
    };
    Ok(PostPage {
        id: post.id,
        body: markdown::html(&post.body),
        author: Author::new(post.author_name, post.author_display_name),
        tags: tag_links(&post.tags),
        written: Moment::new(post.created_at),
        edited: post.edited_at.map(Moment::new),
        mine: me.is_some() && me == post.author_id,
        title: post.title,
        comments,
        earlier,
        next,
        viewer,
        draft: String::new(),
        fault: None,
    })
}

/// The address of the page whose last comment is `through`, with so many at most; `None` when there is none.
pub(in crate::http) async fn page_up_to(
    site: &Site,
    post: u64,
    through: u64,
    comments: usize,
) -> Result<Option<String>, Error> {
    let found = site.database.comments_up_to(post, through, comments as u32 + 1).await?;
    let address = match found.get(comments) {
        Some(before) => format!("/posts/{post}?after={}", cursor::write(List::Comments, *before)),
        None => format!("/posts/{post}"),
    };
    Ok((!found.is_empty()).then_some(address))
}

/// The comments that fit on one page, at least one.
fn comments_shown(rows: Vec<Comment>, me: Option<u64>) -> Vec<CommentShown> {
    let mut bytes = 0;
    let fits = |comment: &CommentShown| {
        let first = bytes == 0;
        bytes += comment.body.len();
        first || bytes <= COMMENTS_BYTES
    };
    rows.into_iter().take(COMMENTS_SHOWN).map(|row| shown(row, me)).take_while(fits).collect()
}

fn shown(comment: Comment, me: Option<u64>) -> CommentShown {
    CommentShown {
        id: comment.id,
        body: markdown::html(&comment.body),
        mine: me == Some(comment.author_id),
        author: Author::new(comment.author_name, comment.author_display_name),
        written: Moment::new(comment.created_at),
    }
}

/// For the author's eyes: what was taken out of a post may have been taken out for a reason.
pub(super) async fn history(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Id(id): Id,
    Query(query): Query<PageQuery>,
) -> Result<Response, Error> {
    let post = super::edit::own(&site, viewer.id, id).await?;
    let before = cursor::start(List::Versions, query.after.as_deref(), u64::from(u32::MAX))?;
    let before = u32::try_from(before).map_err(|_| Error::bad("This page's address is damaged."))?;
    let mut versions = site.database.versions(post.id, before, VERSIONS_SHOWN as u32 + 1).await?;
    let more = versions.len() > VERSIONS_SHOWN;
    versions.truncate(VERSIONS_SHOWN);
    let next =
        versions.last().filter(|_| more).map(|last| cursor::write(List::Versions, last.version.into()));
    let versions = versions.into_iter().map(|version| VersionShown {
        number: version.version,
        title: version.title,
        body: version.body,
        tags: version.tags,
        written: Moment::new(version.written_at),
    });
    let versions = versions.collect();
    secret(
        StatusCode::OK,
        &HistoryPage { viewer: Some(viewer), id: post.id, title: post.title, versions, next },
    )
}
