//! `/feed.atom`: the newest posts for feed readers (RFC 4287).
//!
//! Invariant: an entry's id never changes (RFC 4151), whatever happens to its post or to the site's address.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use time::OffsetDateTime;

use super::error::Error;
use super::fields::Query;
use super::moment::Moment;
use super::posts::Author;
use super::{Site, Whatever, markdown};
use db::posts::Post;

/// Posts in the feed.
const SHOWN: u32 = 20;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/feed.atom", get(feed))
}

#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed<'a> {
    host: &'a str,
    /// `https://host`, with the port where it is not HTTPS's own.
    base: String,
    updated: String,
    entries: Vec<Entry>,
}

struct Entry {
    id: u64,
    title: String,
    html: String,
    author: Author,
    published: String,
    updated: String,
}

async fn feed(State(site): State<Site>, Query(Whatever {}): Query<Whatever>) -> Result<Response, Error> {
    let posts = site.database.newest_posts(SHOWN).await?;
    // Without posts, it has not changed since the beginning.
    let updated = posts.iter().map(changed).max().unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let feed = Feed {
        host: &site.shared.host,
        base: site.shared.base.clone(),
        updated: Moment::new(updated).machine(),
        entries: posts.into_iter().map(Entry::from).collect(),
    };
    let headers =
        [(CONTENT_TYPE, "application/atom+xml; charset=utf-8"), (CACHE_CONTROL, "public, max-age=60")];
    Ok((headers, feed.render()?).into_response())
}

fn changed(post: &Post) -> OffsetDateTime {
    post.edited_at.unwrap_or(post.created_at)
}

impl From<Post> for Entry {
    fn from(post: Post) -> Self {
        Self {
            id: post.id,
            html: xml_text(&markdown::html(&post.body)),
            published: Moment::new(post.created_at).machine(),
            updated: Moment::new(changed(&post)).machine(),
            author: Author::new(post.author_name, post.author_display_name.map(|name| xml_text(&name))),
            title: xml_text(&post.title),
        }
    }
}

/// Without the two characters that a text may have and XML may not (XML 1.0, 2.2).
fn xml_text(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "")
}
