//! `/people/NAME`: who somebody is, and what they wrote.

use askama::Template;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;

use super::accounts::is_name;
use super::avatar::Avatar;
use super::error::Error;
use super::fields::Query;
use super::moment::Moment;
use super::page::page;
use super::posts::{Page, PageQuery, entries};
use super::session::Anyone;
use super::{Site, markdown};
use db::posts::Scope;
use db::sessions::Viewer;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/people/{name}", get(person))
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    viewer: Option<Viewer>,
    name: String,
    display_name: String,
    avatar: Avatar,
    about: String,
    joined: Moment,
    page: Page,
}

async fn person(
    State(site): State<Site>,
    Anyone(viewer): Anyone,
    name: Result<Path<String>, PathRejection>,
    Query(query): Query<PageQuery>,
) -> Result<Response, Error> {
    let name = name.map(|Path(name)| name).ok().filter(|name| is_name(name)).ok_or(Error::NotFound)?;
    let user = site.database.user(&name).await?.ok_or(Error::NotFound)?;
    page(&PersonPage {
        viewer,
        avatar: Avatar::of(&user.display_name),
        about: markdown::html(&user.about),
        joined: Moment::new(user.created_at),
        page: entries(&site, Scope::By(user.id), &query).await?,
        name: user.name,
        display_name: user.display_name,
    })
}
