//! One attempt: take the lease, judge whether a certificate is due, have one, say how it went.
//!
//! Invariant: without the lease nothing is ordered, and a lease that is lost ends the attempt.

use tls::Facts;
use tls::acme::{Account, Client, Window, renewal_id};

use super::transport::Https;
use super::{Certificates, Error, delay_s, turn};

use crate::log::chain;
use db::certificates::Certificate;
use db::renewals::{Renewal, Wish};

/// How long a machine that died keeps others waiting, in seconds. Longer than any one request to an authority.
pub(super) const LEASE_S: u32 = 30;

/// How often an authority is asked whether a certificate is due, in seconds, where it does not say itself (RFC 9773, 4.3.2
/// leaves it to the client; its examples say six hours).
const ASK_S: i64 = 6 * 3600;

/// The least and the most that an authority's own word on that counts for (RFC 9773, 4.3.2: a minute, a day).
const ASK_BOUNDS_S: (i64, i64) = (60, 86_400);

/// How an attempt ended.
struct Done {
    next_s: i64,
    renewed: bool,
}

impl Certificates {
    /// Does what is due, if nobody else does.
    pub(super) async fn renew_if_due(&self) {
        // Without a look at the shared clock and rows, nothing is judged.
        if self.look().await.is_err() {
            return;
        }
        let database = &self.0.database;
        match database.take_lease(&self.0.host, &self.0.holder, LEASE_S).await {
            Ok(true) => {}
            // The look at the shared rows reports a database that is away.
            Ok(false) | Err(_) => return,
        }
        let Ok(Some(renewal)) = database.renewal(&self.0.host).await else { return };
        let ended = match self.attempt(&renewal).await {
            Ok(done) => {
                let fulfilled = renewal.wish();
                let (host, holder) = (&self.0.host, &self.0.holder);
                database.renewal_succeeded(host, holder, fulfilled, done.next_s, done.renewed).await
            }
            Err(error) => self.failed(&renewal, &error).await,
        };
        if let Err(error) = ended {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "how the renewal went could not be noted"
            );
        }
        if let Ok(Some(renewal)) = database.renewal(&self.0.host).await {
            self.0.status.renewal(renewal);
        }
    }

    async fn failed(&self, renewal: &Renewal, error: &Error) -> Result<(), db::Error> {
        let asked_for_s = match error {
            Error::Authority(error) => error.retry_after_s(),
            _ => None,
        };
        let next_s = delay_s(renewal.failures.saturating_add(1), chance(), asked_for_s);
        let text = chain(error);
        tracing::error!(error = text, failures = renewal.failures + 1, next_s, "no certificate was had");
        self.0.database.renewal_failed(&self.0.host, &self.0.holder, next_s, &text).await
    }

    async fn attempt(&self, renewal: &Renewal) -> Result<Done, Error> {
        let newest = self.0.database.newest_certificate(&self.0.host).await?;
        let last = newest
            .as_ref()
            .and_then(|row| self.open(row).ok())
            .filter(|(identity, _)| self.0.names.iter().all(|name| identity.is_for(name)));
        let last = last.map(|(_, facts)| facts);
        if let Some((row, facts)) = newest.as_ref().zip(last.as_ref()).filter(|_| renewal.wish().is_none()) {
            let (due_s, ask_s) = self.due_s(row, facts).await;
            let left_s = due_s - self.0.clock.now_s();
            if left_s > 0 {
                return Ok(Done { next_s: left_s.min(ask_s), renewed: false });
            }
        }
        let authority = self.choose(renewal.failures)?;
        let client = self.authority(authority).await?;
        let account = self.account(&client, authority).await?;
        if renewal.wish() == Some(Wish::Roll) {
            self.roll_key(&client, &account).await?;
            return Ok(Done { next_s: 0, renewed: false });
        }
        self.renew(renewal, authority, &client, &account, newest.as_ref(), last.as_ref()).await
    }

    async fn renew(
        &self,
        renewal: &Renewal,
        authority: &config::Authority,
        client: &Client<Https>,
        account: &Account<'_, Https>,
        newest: Option<&Certificate>,
        last: Option<&Facts>,
    ) -> Result<Done, Error> {
        let replaces =
            last.and_then(renewal_id).filter(|_| newest.is_some_and(|row| row.authority == client.url()));
        let chain = self.obtain(renewal, authority, account, replaces.as_deref()).await;
        if let Err(Error::Authority(error)) = &chain
            && error.is_problem("accountDoesNotExist")
        {
            // The authority forgot us: the next attempt makes the account anew, with the same key.
            self.0.database.set_acme_account_url(client.url(), None).await?;
        }
        let facts = Facts::of_chain(&chain?)?.swap_remove(0);
        if let Some(old) =
            newest.filter(|row| renewal.wish() == Some(Wish::Replace) && row.authority == client.url())
        {
            /// keyCompromise (RFC 5280, 5.3.1): who asks for a replacement has lost the key.
            const KEY_COMPROMISE: u8 = 1;
            account.revoke(&tls::der(&old.chain)?, KEY_COMPROMISE).await?;
            tracing::warn!(generation = old.id, "the replaced certificate is revoked");
        }
        let next_s = due_s(&Window::by_lifetime(&facts), &facts) - self.0.clock.now_s();
        Ok(Done { next_s: next_s.clamp(1, ASK_S), renewed: true })
    }

    fn choose(&self, failures: u32) -> Result<&config::Authority, Error> {
        let authorities =
            self.0.config.acme.as_ref().map(|acme| acme.authorities.as_slice()).unwrap_or_default();
        let chosen = authorities.get(turn(failures, authorities.len()));
        chosen.ok_or_else(|| Error::Order("no authority is configured".to_owned()))
    }

    /// When the certificate is due, and in how many seconds to ask again: as the authority that wrote it says, or by its
    /// lifetime. Asked long before, for an authority that must revoke says "now". One that does not answer changes nothing.
    async fn due_s(&self, row: &Certificate, facts: &Facts) -> (i64, i64) {
        let by_lifetime = due_s(&Window::by_lifetime(facts), facts);
        match self.asked(row, facts).await {
            Ok(Some((window, again_s))) => {
                let (least, most) = ASK_BOUNDS_S;
                let again_s = again_s.and_then(|again_s| i64::try_from(again_s).ok());
                let again_s = again_s.map_or(ASK_S, |again_s| again_s.clamp(least, most));
                (due_s(&window, facts).min(Window::latest(facts)), again_s)
            }
            Ok(None) => (by_lifetime, ASK_S),
            Err(error) => {
                tracing::warn!(error = chain(&error), "the authority says nothing about renewal");
                (by_lifetime, ASK_S)
            }
        }
    }

    async fn asked(&self, row: &Certificate, facts: &Facts) -> Result<Option<(Window, Option<u64>)>, Error> {
        let authorities =
            self.0.config.acme.as_ref().map(|acme| acme.authorities.as_slice()).unwrap_or_default();
        let wrote = authorities.iter().find(|authority| authority.directory == row.authority);
        let (Some(authority), Some(id)) = (wrote, renewal_id(facts)) else { return Ok(None) };
        Ok(self.authority(authority).await?.renewal_window(&id).await?)
    }
}

/// A moment in the window: random among certificates, but for one of them the same on all machines.
fn due_s(window: &Window, facts: &Facts) -> i64 {
    let seed = facts.serial.iter().rev().take(4).fold(0u32, |seed, byte| seed << 8 | u32::from(*byte));
    window.moment(f64::from(seed) / f64::from(u32::MAX))
}

fn chance() -> f64 {
    tls::random::<4>().map_or(0.5, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
