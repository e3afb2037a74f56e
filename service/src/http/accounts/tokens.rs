//! Tokens for programs: made and revoked on the account's page.
//!
//! Invariant: a token is 256 random bits, shown once; the database has its hash.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde::Deserialize;

use super::form::Faults;
use super::settings::{Said, account_page, signed_out};
use crate::http::api::bearer;
use crate::http::error::Error;
use crate::http::fields::Form;
use crate::http::posts::fault;
use crate::http::session::SignedIn;
use crate::http::{Site, gate};
use db::events::Kind;
use db::sessions::Viewer;
use db::tokens::{Made, TOKENS};
use edge::Peer;

/// As the column `tokens.name`.
const NAME_CHARS: usize = 60;
/// How long one can hold, as the page offers it.
const DAYS: [u32; 3] = [30, 90, 365];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    name: String,
    days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichToken {
    id: u64,
}

impl Wish {
    fn fault(&self) -> Option<String> {
        let days = (!DAYS.contains(&self.days)).then(|| format!("A token holds {DAYS:?} days."));
        fault(self.name.trim(), "name", NAME_CHARS, |_| false).or(days)
    }
}

/// The answer is the page itself, for the token is nowhere to be read again.
pub(super) async fn make(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    peer: Peer,
    Form(wish): Form<Wish>,
) -> Result<Response, Error> {
    if let Some(fault) = wish.fault() {
        return refused(&site, viewer, fault).await;
    }
    gate::writing(&site, viewer.id).await?;
    let (token, hash) = bearer::fresh()?;
    match site.database.add_token(&viewer, wish.name.trim(), &hash, wish.days).await? {
        Made::Done => {}
        Made::TooMany => {
            return refused(&site, viewer, format!("You have {TOKENS} tokens: revoke one first.")).await;
        }
        Made::SignedOut => return Err(signed_out()),
    }
    site.database.record(Kind::TokenMade, Some(viewer.id), peer.0).await?;
    let said = Said { token: Some(token), ..Said::default() };
    let mut page = account_page(&site, viewer, said).await?;
    page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(page)
}

async fn refused(site: &Site, viewer: Viewer, fault: String) -> Result<Response, Error> {
    account_page(site, viewer, Faults { token: Some(fault), ..Faults::default() }.into()).await
}

pub(super) async fn revoke(
    State(site): State<Site>,
    SignedIn(viewer): SignedIn,
    peer: Peer,
    Form(WhichToken { id }): Form<WhichToken>,
) -> Result<Response, Error> {
    if !site.database.revoke_token(viewer.id, id).await? {
        return Err(Error::NotFound);
    }
    site.database.record(Kind::TokenRevoked, Some(viewer.id), peer.0).await?;
    Ok(Redirect::to("/account?done=token").into_response())
}
