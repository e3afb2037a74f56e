//! Registration, sign-in, sign-out.
//!
//! Invariant: a refused sign-in takes the same steps whether the name has an account or not, and nobody gets an operator's
//! name by registering.

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::form::{Entrance, Faults, is_name};
use crate::http::error::Error;
use crate::http::fields::{Form, Query};
use crate::http::page::{page, with_status};
use crate::http::session::Anyone;
use crate::http::{Site, gate, session};
use db::events::Kind;
use db::sessions::Viewer;
use db::users::Credentials;
use edge::Peer;

#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    viewer: Option<Viewer>,
    form: Entrance,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    viewer: Option<Viewer>,
    form: Entrance,
    refused: bool,
}

pub(super) async fn register_page(
    Anyone(viewer): Anyone,
    Query(Next { next }): Query<Next>,
) -> Result<Response, Error> {
    let form = Entrance { next, ..Entrance::default() }.normalized();
    page(&RegisterPage { viewer, form, faults: Faults::default() })
}

pub(super) async fn register(
    State(site): State<Site>,
    peer: Peer,
    headers: HeaderMap,
    Form(form): Form<Entrance>,
) -> Result<Response, Error> {
    let form = form.normalized();
    let mut faults = form.faults();
    if !faults.any() {
        gate::registration(&site, peer).await?;
        let password_hash = site.passwords.hash(&form.password).await?;
        // An operator's rights are the name's: whoever registers it, now or after a deletion, would have them.
        let kept = site.shared.operators.contains(&form.name);
        let added =
            if kept { None } else { site.database.add_user(&form.name, &form.name, &password_hash).await? };
        match added {
            Some(id) => {
                site.database.record(Kind::Registered, Some(id), peer.0).await?;
                let known = Credentials { id, password_hash };
                let entered = enter(&site, &known, &headers, &form.next).await?;
                return entered.ok_or(Error::SignedOut { form: form.next });
            }
            None => faults.name = Some("This name is taken.".to_owned()),
        }
    }
    with_status(StatusCode::UNPROCESSABLE_ENTITY, &RegisterPage { viewer: None, form, faults })
}

pub(super) async fn login_page(
    Anyone(viewer): Anyone,
    Query(Next { next }): Query<Next>,
) -> Result<Response, Error> {
    let form = Entrance { next, ..Entrance::default() }.normalized();
    page(&LoginPage { viewer, form, refused: false })
}

pub(super) async fn login(
    State(site): State<Site>,
    peer: Peer,
    headers: HeaderMap,
    Form(form): Form<Entrance>,
) -> Result<Response, Error> {
    let form = form.normalized();
    gate::password(&site, peer, &form.name).await?;
    // What cannot be a name has no row, and MySQL need not be asked for it.
    let credentials = if is_name(&form.name) { site.database.credentials(&form.name).await? } else { None };
    let stored = credentials.as_ref().map(|credentials| credentials.password_hash.as_str());
    let right = site.passwords.verify(&form.password, stored).await?;
    if let (true, Some(known)) = (right, &credentials) {
        gate::right_password(&site, peer, &form.name).await?;
        site.database.clear_outdated().await?;
        // Otherwise the account got another password meanwhile, or its end.
        if let Some(entered) = enter(&site, known, &headers, &form.next).await? {
            site.database.record(Kind::SignedIn, Some(known.id), peer.0).await?;
            return Ok(entered);
        }
    }
    let user = credentials.map(|credentials| credentials.id);
    site.database.record(Kind::SignInRefused, user, peer.0).await?;
    with_status(StatusCode::UNPROCESSABLE_ENTITY, &LoginPage { viewer: None, form, refused: true })
}

/// A new session in the place of the one that the browser may have had, so that nobody can plant one.
async fn enter(
    site: &Site,
    known: &Credentials,
    headers: &HeaderMap,
    next: &str,
) -> Result<Option<Response>, Error> {
    let cookie = session::begin(site, known, headers).await?;
    Ok(cookie.map(|cookie| (AppendHeaders([cookie]), Redirect::to(next)).into_response()))
}

/// Also for who is signed in no more: the browser forgets its cookie.
pub(super) async fn logout(
    State(site): State<Site>,
    Anyone(viewer): Anyone,
    peer: Peer,
) -> Result<Response, Error> {
    if let Some(viewer) = viewer {
        site.database.end_session(viewer.id, viewer.session).await?;
        site.database.record(Kind::SignedOut, Some(viewer.id), peer.0).await?;
    }
    Ok((AppendHeaders([session::end()]), Redirect::to("/")).into_response())
}
