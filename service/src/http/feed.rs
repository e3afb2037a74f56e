//! `/feed.atom`: the newest posts for feed readers (RFC 4287), who ask again and again: who has it is told so.
//!
//! Invariant: an entry's id never changes (RFC 4151), whatever happens to its post or to the site's address.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::error::Error;
use super::fields::Query;
use super::moment::Moment;
use super::posts::Author;
use super::{Site, Whatever, entity_tag, markdown};
use db::posts::Post;

/// Posts in the feed.
const SHOWN: u32 = 20;
/// What they may have together in HTML: twenty long posts. The feed is all in memory while it is written, twice for a moment.
const HTML_BYTES: usize = 256 * 1024;

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
    /// The whole post as HTML; `None` if the newer ones have left no place for it.
    html: Option<String>,
    /// The beginning, for a post whose whole does not stand here.
    excerpt: String,
    author: Author,
    published: String,
    updated: String,
}

async fn feed(
    State(site): State<Site>,
    Query(Whatever {}): Query<Whatever>,
    asked: HeaderMap,
) -> Result<Response, Error> {
    let posts = site.database.newest_posts(SHOWN).await?;
    // Without posts, it has not changed since the beginning.
    let updated = posts.iter().map(changed).max().unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let feed = Feed {
        host: &site.shared.host,
        base: site.shared.base.clone(),
        updated: Moment::new(updated).machine(),
        entries: entries(posts),
    };
    Ok(answer(feed.render()?, &asked))
}

/// The feed, or that the reader has it. The tag is a weak one: it stands for what the feed says, compressed or not.
fn answer(feed: String, asked: &HeaderMap) -> Response {
    let tag = format!("\"{:.32}\"", format!("{:x}", Sha256::digest(&feed)));
    let headers = [
        (CACHE_CONTROL, "public, max-age=60".to_owned()),
        (VARY, "accept-encoding".to_owned()),
        (ETAG, format!("W/{tag}")),
    ];
    if entity_tag::named(asked, &IF_NONE_MATCH, &tag, entity_tag::matches) == Some(true) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, "application/atom+xml; charset=utf-8")], feed).into_response()
}

fn changed(post: &Post) -> OffsetDateTime {
    post.edited_at.unwrap_or(post.created_at)
}

/// The newest are whole, as many as there is a place for.
fn entries(posts: Vec<Post>) -> Vec<Entry> {
    let mut free = HTML_BYTES;
    let entry = |post: Post| {
        let html = (free > 0).then(|| markdown::html(&post.body)).filter(|html| html.len() <= free);
        free = html.as_ref().map_or(0, |html| free - html.len());
        Entry::new(post, html)
    };
    posts.into_iter().map(entry).collect()
}

impl Entry {
    fn new(post: Post, html: Option<String>) -> Self {
        Self {
            id: post.id,
            excerpt: if html.is_some() { String::new() } else { xml_text(&markdown::excerpt(&post.body)) },
            html: html.map(|html| xml_text(&html)),
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
