//! `/account`: the profile, the password, the sessions and tokens, what happened last, and the end.
//!
//! Invariant: whoever changes the password or ends the account has just given the password again.

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use time::OffsetDateTime;

use super::form::{Faults, PasswordChange, Profile, password_fault};
use crate::http::avatar::Avatar;
use crate::http::error::Error;
use crate::http::fields::{Form, Query};
use crate::http::letters::composed;
use crate::http::moment::{Day, Moment};
use crate::http::page::secret;
use crate::http::session::SignedIn;
use crate::http::{Site, gate, session};
use db::events::{Event, Kind};
use db::sessions::{Session, Viewer};
use db::tokens::Token;
use db::users::{Credentials, Wrote};
use edge::Peer;

/// How many sessions and how many events the page shows: the newest.
const SHOWN: u32 = 20;
/// How many posts and comments are deleted in one go.
const DELETED_AT_ONCE: u32 = 500;

#[derive(Deserialize)]
pub(super) struct Notice {
    done: Option<Done>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Done {
    Profile,
    Password,
    Session,
    Token,
}

impl Done {
    fn says(self) -> &'static str {
        match self {
            Self::Profile => "Your profile is saved.",
            Self::Password => {
                "Your password is changed. Every other browser is signed out, every token revoked."
            }
            Self::Session => "That browser is signed out.",
            Self::Token => "The token is revoked.",
        }
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    viewer: Option<Viewer>,
    /// For password managers.
    name: String,
    session: u64,
    profile: Profile,
    avatar: Avatar,
    sessions: Vec<Session>,
    tokens: Vec<Token>,
    events: Vec<Event>,
    said: Said,
}

/// What the page says beside what is stored.
#[derive(Default)]
pub(super) struct Said {
    pub(super) faults: Faults,
    /// As it was sent, where it cannot be accepted.
    pub(super) profile: Option<Profile>,
    pub(super) done: Option<Done>,
    /// A token that was just made: nobody can read it again.
    pub(super) token: Option<String>,
}

impl From<Faults> for Said {
    fn from(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichSession {
    id: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    password: String,
    /// Present when the box is ticked.
    posts: Option<String>,
}

pub(super) async fn show(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Query(notice): Query<Notice>,
) -> Result<Response, Error> {
    account_page(&site, viewer, Said { done: notice.done, ..Said::default() }).await
}

pub(super) async fn account_page(site: &Site, viewer: Viewer, mut said: Said) -> Result<Response, Error> {
    let user = site.database.user(&viewer.name).await?.ok_or_else(signed_out)?;
    let status = if said.faults.any() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = AccountPage {
        name: viewer.name.clone(),
        session: viewer.session,
        avatar: Avatar::of(&user.display_name),
        profile: said
            .profile
            .take()
            .unwrap_or(Profile { display_name: user.display_name, about: user.about }),
        sessions: site.database.sessions(viewer.id, SHOWN).await?,
        tokens: site.database.tokens(viewer.id).await?,
        events: site.database.events(viewer.id, SHOWN).await?,
        viewer: Some(viewer),
        said,
    };
    secret(status, &page)
}

pub(super) async fn set_profile(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    Form(profile): Form<Profile>,
) -> Result<Response, Error> {
    let profile = profile.normalized();
    let faults = profile.faults();
    if faults.any() {
        let said = Said { faults, profile: Some(profile), ..Said::default() };
        return account_page(&site, viewer, said).await;
    }
    gate::writing(&site, viewer.id).await?;
    site.database.set_profile(viewer.id, &profile.display_name, &profile.about).await?;
    Ok(Redirect::to("/account?done=profile").into_response())
}

pub(super) async fn set_password(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    peer: Peer,
    headers: HeaderMap,
    Form(change): Form<PasswordChange>,
) -> Result<Response, Error> {
    let change = change.normalized();
    let mut faults = Faults { password: password_fault(&change.new, &viewer.name), ..Faults::default() };
    if !faults.any() {
        if let Some(known) = confirmed(&site, &viewer, peer, &change.current).await? {
            let new = Credentials { password_hash: site.passwords.hash(&change.new).await?, ..known };
            if site.database.set_password(known.id, &known.password_hash, &new.password_hash).await? {
                site.database.record(Kind::PasswordChanged, Some(known.id), peer.0).await?;
                let cookie = session::begin(&site, &new, &headers).await?.ok_or_else(signed_out)?;
                return Ok((AppendHeaders([cookie]), Redirect::to("/account?done=password")).into_response());
            }
        }
        faults.current = Some("This is not your password.".to_owned());
    }
    account_page(&site, viewer, faults.into()).await
}

pub(super) async fn end_session(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    peer: Peer,
    Form(WhichSession { id }): Form<WhichSession>,
) -> Result<Response, Error> {
    if !site.database.end_session(viewer.id, id).await? {
        return Err(Error::NotFound);
    }
    site.database.record(Kind::SessionEnded, Some(viewer.id), peer.0).await?;
    Ok(Redirect::to("/account?done=session").into_response())
}

pub(super) async fn delete(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    peer: Peer,
    Form(deletion): Form<Deletion>,
) -> Result<Response, Error> {
    if confirmed(&site, &viewer, peer, &composed(&deletion.password)).await?.is_none() {
        let faults = Faults { deletion: Some("This is not your password.".to_owned()), ..Faults::default() };
        return account_page(&site, viewer, faults.into()).await;
    }
    let wrote = if deletion.posts.is_some() { Wrote::Goes } else { Wrote::Stays };
    // The account goes last, with what was written meanwhile: when this is interrupted, its owner can do it again.
    while wrote == Wrote::Goes && site.database.delete_some_of(viewer.id, DELETED_AT_ONCE).await? {}
    site.database.record(Kind::Deleted, Some(viewer.id), peer.0).await?;
    site.database.delete_user(viewer.id, wrote).await?;
    Ok((AppendHeaders([session::end()]), Redirect::to("/")).into_response())
}

/// The viewer's credentials, when this is their password.
async fn confirmed(
    site: &Site,
    viewer: &Viewer,
    peer: Peer,
    password: &str,
) -> Result<Option<Credentials>, Error> {
    gate::confirmation(site, peer, viewer.session).await?;
    let known = site.database.credentials(&viewer.name).await?;
    let stored = known.as_ref().map(|known| known.password_hash.as_str());
    if site.passwords.verify(password, stored).await? {
        gate::confirmed(site, viewer.session).await?;
        return Ok(known);
    }
    site.database.record(Kind::PasswordRefused, Some(viewer.id), peer.0).await?;
    Ok(None)
}

pub(super) fn signed_out() -> Error {
    Error::SignedOut { form: "/account".to_owned() }
}

/// For the template, which passes references.
fn moment(at: &OffsetDateTime) -> Moment {
    Moment::new(*at)
}

/// For the template.
fn day(at: &OffsetDateTime) -> Day {
    Day(*at)
}
