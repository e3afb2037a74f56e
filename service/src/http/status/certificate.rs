//! The certificate on the status page, and what an operator may want done with it.
//!
//! Invariant: a wish is a row; whichever machine looks next fulfils it, so a page never waits for an authority.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{Fact, Operator};
use crate::certificates::{Certificates, Source, Status};
use crate::http::Site;
use crate::http::error::Error;
use crate::http::fields::Form;
use crate::http::moment::Moment;
use db::events::Kind;
use db::renewals::Wish;
use edge::Peer;
use http::StatusCode;

/// What the page says of it.
pub(super) struct Shown {
    pub(super) facts: Vec<Fact>,
    /// What can be wanted of it, where an authority writes it.
    pub(super) wishes: Vec<Offer>,
    /// What was just wanted.
    pub(super) done: Option<&'static str>,
}

/// A button.
pub(super) struct Offer {
    pub(super) wish: &'static str,
    pub(super) does: &'static str,
    pub(super) button: &'static str,
}

/// What the address says after a form.
#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    wished: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    wish: String,
}

pub(super) fn shown(site: &Site, said: Said) -> Option<Shown> {
    let status = site.certificates.get().map(Certificates::status)?;
    let wishes = match status.source {
        Source::Authority => Wish::ALL.map(offer).into(),
        Source::Configuration | Source::SelfSigned => Vec::new(),
    };
    let done = Wish::named(&said.wished).map(promise);
    Some(Shown { facts: facts(&status), wishes, done })
}

fn facts(status: &Status) -> Vec<Fact> {
    let from = match status.source {
        Source::Authority => "an authority (ACME)",
        Source::Configuration if status.generation > 0 => "an operator, who brought it to the database",
        Source::Configuration => "the configuration",
        Source::SelfSigned => "this machine, for development",
    };
    let ends = status.not_after_s.map(|end_s| {
        let days = status.days_left().unwrap_or_default();
        format!("{}, in {days} {}", exact(end_s), if days == 1 { "day" } else { "days" })
    });
    let clock = (status.clock_wrong_s != 0).then(|| format!("{} s", status.clock_wrong_s));
    let facts = [
        ("It comes from", Some(from.to_owned())),
        ("Names", Some(status.names.join(", "))),
        ("Signed by", status.issuer.clone().or_else(|| Some("nobody yet".to_owned()))),
        ("Ends", ends),
        ("Renewed last", status.last_renewal_s.map(exact)),
        ("An authority is asked next", status.next_attempt_s.map(exact)),
        ("Attempts that failed since", (status.failures > 0).then(|| status.failures.to_string())),
        ("The last error", status.last_error.clone()),
        ("The machine's clock was wrong by", clock),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn exact(at_s: i64) -> String {
    OffsetDateTime::from_unix_timestamp(at_s).map(|at| Moment::new(at).exact()).unwrap_or_default()
}

fn offer(wish: Wish) -> Offer {
    let (does, button) = match wish {
        Wish::Renew => ("Another certificate, before it is due.", "Renew it now"),
        Wish::Replace => {
            ("Another certificate, and this one is revoked: when its key was lost.", "Replace and revoke it")
        }
        Wish::Roll => ("Another key for the account at the authority.", "Change the account's key"),
    };
    Offer { wish: wish.as_str(), does, button }
}

fn promise(wish: Wish) -> &'static str {
    match wish {
        Wish::Renew => "The certificate is being renewed. Look again in a minute.",
        Wish::Replace => "The certificate is being replaced, then revoked. Look again in a minute.",
        Wish::Roll => "The account gets another key. Look again in a minute.",
    }
}

pub(super) async fn wish(
    State(site): State<Site>,
    Operator(viewer): Operator,
    peer: Peer,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Error> {
    let status = site.certificates.get().map(Certificates::status);
    if status.is_none_or(|status| status.source != Source::Authority) {
        let reason = "This certificate comes from no authority: its owner brings the next one.";
        return Err(Error::Refused(StatusCode::CONFLICT, reason.into()));
    }
    let Some(wish) = Wish::named(&wanted.wish) else {
        let reason = "That is nothing one can want of a certificate.";
        return Err(Error::Refused(StatusCode::UNPROCESSABLE_ENTITY, reason.into()));
    };
    site.database.wish_renewal(&site.shared.host, wish).await?;
    site.database.record(Kind::CertificateWished, Some(viewer.id), peer.0).await?;
    tracing::info!(operator = viewer.name, wish = wish.as_str(), "an operator wants a certificate's change");
    Ok(Redirect::to(&format!("/status?wished={}", wish.as_str())).into_response())
}
