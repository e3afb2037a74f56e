//! `/`: the newest posts and the form for a new one. `POST /posts`: the form.

mod form;

use askama::Template;
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Site;
use super::error::Error;
use crate::db::posts::Post;
use form::{Draft, Faults};

/// How many posts the front page shows.
const NEWEST: u32 = 20;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/", get(newest)).route("/posts", post(add))
}

#[derive(Template)]
#[template(path = "posts.html")]
struct NewestPage {
    posts: Vec<Post>,
    draft: Draft,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "refused_post.html")]
struct RefusedPage {
    draft: Draft,
    faults: Faults,
}

async fn newest(State(site): State<Site>) -> Result<Response, Error> {
    let posts = site.database.newest_posts(NEWEST).await?;
    let page = NewestPage { posts, draft: Draft::default(), faults: Faults::default() };
    // The page is new with every post: a cache would show a visitor's own post late.
    Ok(([(CACHE_CONTROL, "no-cache")], Html(page.render()?)).into_response())
}

/// A valid draft is written, then the visitor is sent to it by GET, so that a reload does not post again.
async fn add(State(site): State<Site>, draft: Result<Form<Draft>, FormRejection>) -> Result<Response, Error> {
    let draft = draft?.0.normalized();
    let faults = draft.faults();
    if faults.any() {
        let page = RefusedPage { draft, faults };
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
    }
    let id = site.database.add_post(&draft.title, &draft.body).await?;
    Ok(Redirect::to(&format!("/#post-{id}")).into_response())
}

impl Post {
    /// For `<time datetime>`.
    fn machine_time(&self) -> String {
        self.created_at.format(&Rfc3339).unwrap_or_default()
    }

    /// For people: `22 November 2026, 23:12 UTC`.
    fn human_time(&self) -> String {
        let at: OffsetDateTime = self.created_at;
        format!("{} {} {}, {:02}:{:02} UTC", at.day(), at.month(), at.year(), at.hour(), at.minute())
    }
}
