//! What goes on as long as the service runs: looking for newer certificates and keys, and renewing.
//!
//! Invariant: whatever is away, this goes on, and what was presented last stays.

use std::time::Duration;

use tls::{Facts, Identity, Names};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Certificates, Error, Source};
use crate::log::chain;
use db::certificates::Certificate;

/// How often is looked while there is no certificate at all: another machine may be about to have one.
const EAGER: Duration = Duration::from_secs(1);

impl Certificates {
    /// Keeps certificate and ticket keys fresh. Never ends.
    pub async fn run(&self) {
        tokio::join!(self.look_on(), self.renew_on());
    }

    async fn look_on(&self) {
        let mut file = None;
        let mut rotated = Instant::now();
        loop {
            self.reload(&mut file);
            if self.0.storage.is_some() {
                self.note(self.look().await);
            } else if rotated.elapsed().as_secs() >= Self::OWN_TICKETS_S {
                self.note(self.rotate_own_tickets());
                rotated = Instant::now();
            }
            tokio::time::sleep(self.pause()).await;
        }
    }

    fn pause(&self) -> Duration {
        let poll = Duration::from_secs(self.0.config.poll_s.into());
        if self.ready() { poll } else { EAGER.min(poll) }
    }

    async fn renew_on(&self) {
        if self.source() != Source::Authority {
            return;
        }
        let mut ticks = interval(EAGER);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Instant::now();
        loop {
            ticks.tick().await;
            if self.ready() && looked.elapsed() < self.pause() {
                continue;
            }
            looked = Instant::now();
            // On the heap: calls as deep as an attempt's, in one piece with their callers', reach the compiler's limit.
            Box::pin(self.renew_if_due()).await;
        }
    }

    /// One look at what the machines share.
    pub(super) async fn look(&self) -> Result<(), Error> {
        let (database_s, newest) = self.0.database.certificate_generation(&self.0.host).await?;
        if let Some(wrong_s) = self.0.clock.follow(database_s) {
            self.0.status.clock(wrong_s);
            tracing::warn!(wrong_s, "this machine's clock differs from the database's, which counts");
        }
        self.share_tickets().await?;
        match self.source() {
            Source::Authority => self.look_for_issued(newest).await,
            Source::Configuration => self.look_for_brought().await,
            Source::SelfSigned => Ok(()),
        }
    }

    async fn look_for_issued(&self, newest: u64) -> Result<(), Error> {
        if let Some(renewal) = self.0.database.renewal(&self.0.host).await? {
            self.0.status.renewal(renewal);
        }
        if newest > self.0.status.generation() {
            self.take_newest().await?;
        }
        Ok(())
    }

    pub(super) async fn take_newest(&self) -> Result<(), Error> {
        if let Some(row) = self.0.database.newest_certificate(&self.0.host).await? {
            let (identity, facts) = self.open(&row)?;
            self.present(identity, &facts, row.id);
        }
        Ok(())
    }

    /// Of what the configuration brings and what lies in the database, the one that was written later counts: a machine that
    /// starts with an old configuration takes the newer one, and a stale row replaces nothing.
    async fn look_for_brought(&self) -> Result<(), Error> {
        let (host, generation) = (&self.0.host, self.0.status.generation());
        let Some(row) = self.0.database.brought_certificate(host, generation).await? else {
            return Ok(());
        };
        let written_s = Facts::of_chain(&row.chain)?.swap_remove(0).not_before_s;
        if self.0.status.not_before_s().is_some_and(|presented_s| written_s < presented_s) {
            return Ok(());
        }
        let key = self.unseal(&tls::seal::of_certificate(host), &row.sealed_key)?;
        let (identity, facts) = self.judge(&row.chain, &key, &[host])?;
        self.present(identity, &facts, row.id);
        Ok(())
    }

    /// A stored certificate, opened and checked, but for its names: they may have changed in the configuration since, and
    /// the old certificate is better than none until the new one is there.
    pub(super) fn open(&self, row: &Certificate) -> Result<(Identity, Facts), Error> {
        let key = self.unseal(&tls::seal::of_certificate(&self.0.host), &row.sealed_key)?;
        self.judge(&row.chain, &key, &[&self.0.host])
    }

    /// A chain and its key, checked for these names by the clock that counts.
    pub(super) fn judge(&self, chain: &str, key: &str, names: Names<'_>) -> Result<(Identity, Facts), Error> {
        let facts = Facts::of_chain(chain)?.swap_remove(0);
        let identity = Identity::from_pem(chain, key, names, self.0.clock.now_for(facts.not_before_s))?;
        Ok((identity, facts))
    }

    /// Notes an error, and logs it when it is a new one: an outage of a day is one line, not one for each poll.
    fn note(&self, result: Result<(), Error>) {
        let error = result.err().map(|error| chain(&error));
        if self.0.status.error(error.clone()) {
            match error {
                Some(error) => tracing::warn!(error, "certificates and keys are those of the last look"),
                None => tracing::info!("certificates and keys are the shared ones"),
            }
        }
    }

    pub(super) fn seal(&self, purpose: &str, secret: &str) -> Result<Vec<u8>, Error> {
        let storage = self.0.storage.as_ref().ok_or(tls::Error::StorageKey)?;
        Ok(storage.seal(purpose, secret.as_bytes())?)
    }

    pub(super) fn unseal(&self, purpose: &str, sealed: &[u8]) -> Result<String, Error> {
        let storage = self.0.storage.as_ref().ok_or(tls::Error::StorageKey)?;
        let opened = String::from_utf8(storage.open(purpose, sealed)?);
        Ok(opened.map_err(|_| tls::Error::Sealed { purpose: purpose.to_owned() })?)
    }
}
