//! Posts and their comments for programs to read: `/api/v1/posts`, `/api/v1/posts/ID`, `/api/v1/posts/ID/comments`.
#![allow(unused_qualifications, reason = "utoipa's macros write whole paths")]

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::{IntoParams, ToSchema};

use crate::http::Site;
use crate::http::cursor::{self, List};
use crate::http::error::Error;
use crate::http::fields::Query;
use crate::http::id::Id;
use crate::http::problem::Refusals;
use db::posts::{Scope, Summary};

/// Rows on one page of a list.
const SHOWN: usize = 50;

/// Which page of a list of posts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PostsQuery {
    /// The `next` of the page before; the first page without it.
    #[param(min_length = 12, max_length = 12, pattern = "^A[Q-Za-f][A-Za-z0-9_-]{10}$")]
    after: Option<String>,
}

/// Which page of a list of comments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CommentsQuery {
    /// The `next` of the page before; the first page without it.
    #[param(min_length = 12, max_length = 12, pattern = "^A[g-v][A-Za-z0-9_-]{10}$")]
    after: Option<String>,
}

/// Whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Author {
    /// The name in addresses.
    name: String,
    /// The name on pages.
    display_name: String,
}

/// A post in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entry {
    id: u64,
    title: String,
    /// The first 600 characters, in Markdown.
    beginning: String,
    tags: Vec<String>,
    /// Null when the account is gone.
    author: Option<Author>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A page of posts, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Posts {
    posts: Vec<Entry>,
    /// For the `after` of the next page; null on the last one.
    next: Option<String>,
}

/// A whole post.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Post {
    id: u64,
    /// Counts from 1; each edit adds one.
    version: u32,
    title: String,
    /// Markdown.
    body: String,
    tags: Vec<String>,
    /// Null when the account is gone.
    author: Option<Author>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    created_at: String,
    /// RFC 3339; null if it was never edited.
    #[schema(format = DateTime)]
    edited_at: Option<String>,
}

/// A comment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Comment {
    id: u64,
    /// Markdown.
    body: String,
    /// Null when the account is gone.
    author: Option<Author>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A page of comments, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Comments {
    comments: Vec<Comment>,
    /// For the `after` of the next page; null on the last one.
    next: Option<String>,
}

/// The newest posts.
#[utoipa::path(get, path = "/api/v1/posts", tag = "posts", params(PostsQuery), responses(
    (status = 200, description = "A page of posts", body = Posts),
    Refusals,
))]
pub(super) async fn list(
    State(site): State<Site>,
    Query(query): Query<PostsQuery>,
) -> Result<Json<Posts>, Error> {
    let before = cursor::start(List::Posts, query.after.as_deref(), u64::MAX)?;
    // One more than is shown tells whether there is a next page.
    let mut posts = site.database.posts(Scope::All, before, SHOWN as u32 + 1).await?;
    let more = posts.len() > SHOWN;
    posts.truncate(SHOWN);
    let next = posts.last().filter(|_| more).map(|post| cursor::write(List::Posts, post.id));
    Ok(Json(Posts { posts: posts.into_iter().map(Entry::from).collect(), next }))
}

/// One post.
#[utoipa::path(get, path = "/api/v1/posts/{id}", tag = "posts", params(("id" = u64, Path)), responses(
    (status = 200, description = "The post", body = Post),
    Refusals,
))]
pub(super) async fn one(State(site): State<Site>, Id(id): Id) -> Result<Json<Post>, Error> {
    Ok(Json(whole(&site, id).await?))
}

/// The post with all of its text.
pub(super) async fn whole(site: &Site, id: u64) -> Result<Post, Error> {
    let post = site.database.post(id).await?.ok_or(Error::NotFound)?;
    Ok(Post {
        id: post.id,
        version: post.version,
        title: post.title,
        body: post.body,
        tags: words(&post.tags),
        author: author(post.author_name, post.author_display_name),
        created_at: moment(post.created_at),
        edited_at: post.edited_at.map(moment),
    })
}

/// A post's comments.
#[utoipa::path(get, path = "/api/v1/posts/{id}/comments", tag = "comments", params(("id" = u64, Path), CommentsQuery), responses(
    (status = 200, description = "A page of comments", body = Comments),
    Refusals,
))]
pub(super) async fn comments(
    State(site): State<Site>,
    Id(id): Id,
    Query(query): Query<CommentsQuery>,
) -> Result<Json<Comments>, Error> {
    let after = cursor::start(List::Comments, query.after.as_deref(), 0)?;
    let post = site.database.post(id).await?.ok_or(Error::NotFound)?;
    let mut comments = site.database.comments(post.id, after, SHOWN as u32 + 1).await?;
    let more = comments.len() > SHOWN;
    comments.truncate(SHOWN);
    let next = comments.last().filter(|_| more).map(|last| cursor::write(List::Comments, last.id));
    Ok(Json(Comments { comments: comments.into_iter().map(Comment::from).collect(), next }))
}

impl From<Summary> for Entry {
    fn from(post: Summary) -> Self {
        Self {
            id: post.id,
            title: post.title,
            beginning: post.beginning,
            tags: words(&post.tags),
            author: author(post.author_name, post.author_display_name),
            created_at: moment(post.created_at),
        }
    }
}

impl From<db::comments::Comment> for Comment {
    fn from(comment: db::comments::Comment) -> Self {
        Self {
            id: comment.id,
            body: comment.body,
            author: author(comment.author_name, comment.author_display_name),
            created_at: moment(comment.created_at),
        }
    }
}

fn author(name: Option<String>, display_name: Option<String>) -> Option<Author> {
    name.zip(display_name).map(|(name, display_name)| Author { name, display_name })
}

fn words(tags: &str) -> Vec<String> {
    tags.split_whitespace().map(str::to_owned).collect()
}

/// MySQL's TIMESTAMP knows no year that RFC 3339 does not.
fn moment(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
