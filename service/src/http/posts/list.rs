//! Pages of posts, newest first, each with the address of the next.

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::Uri;
use serde::Deserialize;

use super::cards::Entry;
use super::form::Draft;
use crate::http::Site;
use crate::http::avatar::Avatar;
use crate::http::cursor::{self, List};
use crate::http::error::Error;
use crate::http::fields::Query;
use crate::http::page::{encoded, page};
use crate::http::session::Anyone;
use db::posts::Scope;
use db::sessions::Viewer;

/// Posts on one page.
const SHOWN: usize = 20;

/// Which page of a list.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct PageQuery {
    pub(in crate::http) after: Option<String>,
}

/// A page of a list and the cursor of the next one.
pub(in crate::http) struct Page {
    pub(in crate::http) entries: Vec<Entry>,
    pub(in crate::http) next: Option<String>,
}

/// Who wrote something: a person with a page, or nobody any more.
#[derive(Debug)]
pub(in crate::http) struct Author {
    /// The name in addresses.
    pub(in crate::http) name: Option<String>,
    pub(in crate::http) display_name: String,
    pub(in crate::http) avatar: Avatar,
}

/// A tag and its address.
#[derive(Debug)]
pub(in crate::http) struct TagLink {
    pub(in crate::http) name: String,
    pub(in crate::http) path: String,
}

#[derive(Template)]
#[template(path = "posts.html")]
struct NewestPage {
    viewer: Option<Viewer>,
    page: Page,
    first: bool,
}

#[derive(Template)]
#[template(path = "tag.html")]
struct TagPage {
    viewer: Option<Viewer>,
    tag: TagLink,
    page: Page,
}

impl Author {
    pub(in crate::http) fn new(name: Option<String>, display_name: Option<String>) -> Self {
        let display_name = display_name.unwrap_or_else(|| "Former member".to_owned());
        Self { avatar: Avatar::of(&display_name), name, display_name }
    }
}

/// The links of a post's tags.
pub(in crate::http) fn tag_links(tags: &str) -> Vec<TagLink> {
    let link = |tag: &str| TagLink { name: tag.to_owned(), path: format!("/tags/{}", encoded(tag)) };
    tags.split_whitespace().map(link).collect()
}

/// The page of this scope that `query` asks for.
pub(in crate::http) async fn entries(
    site: &Site,
    scope: Scope<'_>,
    query: &PageQuery,
) -> Result<Page, Error> {
    let before = cursor::start(List::Posts, query.after.as_deref(), u64::MAX)?;
    // One more than is shown tells whether there is a next page.
    let mut posts = site.database.posts(scope, before, SHOWN as u32 + 1).await?;
    let more = posts.len() > SHOWN;
    posts.truncate(SHOWN);
    let next = posts.last().filter(|_| more).map(|post| cursor::write(List::Posts, post.id));
    let entries = posts.into_iter().map(|row| site.shared.cards.entry(row)).collect();
    Ok(Page { entries, next })
}

pub(super) async fn newest(
    State(site): State<Site>,
    Anyone(viewer): Anyone,
    Query(query): Query<PageQuery>,
) -> Result<Response, Error> {
    let first = query.after.is_none();
    page(&NewestPage { viewer, page: entries(&site, Scope::All, &query).await?, first })
}

pub(super) async fn tagged(
    State(site): State<Site>,
    Anyone(viewer): Anyone,
    tag: Result<Path<String>, PathRejection>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Error> {
    let Path(written) = tag.map_err(|_| Error::NotFound)?;
    let tag = Draft::stored_tag(written.trim());
    if !Draft::is_tag(&tag) {
        return Err(Error::NotFound);
    }
    if tag != written {
        return Ok(to_tag(&tag, uri.query()));
    }
    let page_of_tag = entries(&site, Scope::Tagged(&tag), &query).await?;
    // A tag without posts is a page that does not exist; the end of a list is no fault.
    let tag = tag_links(&tag).pop().filter(|_| query.after.is_some() || !page_of_tag.entries.is_empty());
    page(&TagPage { viewer, tag: tag.ok_or(Error::NotFound)?, page: page_of_tag })
}

/// To the tag's own address. 308 as from HTTP to HTTPS: it will not change.
fn to_tag(tag: &str, query: Option<&str>) -> Response {
    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
    Redirect::permanent(&format!("/tags/{}{mark}{query}", encoded(tag))).into_response()
}
