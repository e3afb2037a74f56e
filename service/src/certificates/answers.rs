//! Answers to authorities' questions, by any machine: the rows that the machine with the order has written.
//!
//! Anybody may ask. Invariant: however often they do, the database is asked at most once a second.

use std::sync::Arc;
use std::time::Duration;

use tls::rustls::ServerConfig;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Certificates, Error};
use db::certificates::Challenge;

/// How long rows are taken for the truth. A question that they do not answer waits for the next reading.
const FRESH: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody has asked an authority to ask this.
    #[error("no such challenge")]
    Unknown,
    /// The database, which has the answers, is away.
    #[error("the answers are in the database")]
    Away(#[source] db::Error),
    /// The answer cannot be given.
    #[error("the answer cannot be made")]
    Broken(#[source] Error),
}

#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Option<(Instant, Vec<Challenge>)>>);

impl Certificates {
    /// What http-01 answers under this token.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn answer(&self, token: &str) -> Result<String, Unanswered> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if self.0.config.acme.is_none() || token.len() > tls::acme::TOKEN_MAX || !token.bytes().all(known) {
            return Err(Unanswered::Unknown);
        }
        let challenge = self.challenge(|challenge| challenge.token == token).await?;
        Ok(challenge.key_authorization)
    }

    /// What tls-alpn-01 is answered with for this name.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn proof(&self, name: &str) -> Result<Arc<ServerConfig>, Unanswered> {
        if self.0.config.acme.is_none() {
            return Err(Unanswered::Unknown);
        }
        let challenge = self.challenge(|challenge| challenge.name.eq_ignore_ascii_case(name)).await?;
        let proof = tls::acme::proof(&challenge.name, &challenge.key_authorization);
        let config = proof.and_then(tls::server::challenge);
        config.map_err(|error| Unanswered::Broken(error.into()))
    }

    async fn challenge(&self, is: impl Fn(&Challenge) -> bool) -> Result<Challenge, Unanswered> {
        // Whoever waits here waits for the same reading as all others.
        let mut kept = self.0.answers.0.lock().await;
        if let Some((read, rows)) = kept.as_ref().filter(|(read, _)| read.elapsed() < FRESH) {
            if let Some(found) = rows.iter().find(|row| is(row)) {
                return Ok(found.clone());
            }
            tokio::time::sleep_until(*read + FRESH).await;
        }
        let rows = self.0.database.acme_challenges().await.map_err(Unanswered::Away)?;
        let found = rows.iter().find(|row| is(row)).cloned();
        *kept = Some((Instant::now(), rows));
        found.ok_or(Unanswered::Unknown)
    }
}

impl edge::Challenges for Certificates {
    fn proof<'a>(&'a self, name: &'a str) -> edge::Proof<'a> {
        Box::pin(async move { Self::proof(self, name).await.ok() })
    }
}
