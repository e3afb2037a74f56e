//! The certificates of the site: where they come from, what renews them, and what is presented now.
//!
//! Brought ones come from the configuration, and later ones from an operator; all others from authorities. Both come by way of
//! the database, where every machine finds the newest. It serves no connection itself: the server asks for configurations, the router for answers.
//! Invariant: what is presented was checked; a newer certificate replaces it only after it was checked too.

mod answers;
mod authority;
mod backoff;
mod brought;
mod clock;
mod error;
mod keeper;
mod order;
mod renewal;
mod status;
mod tickets;
mod transport;

use std::sync::Arc;

use tls::rustls::ServerConfig;
use tls::seal::StorageKey;
use tls::{Identity, Presented, Tickets};

pub use answers::Unanswered;
pub use backoff::{delay_s, turn};
pub use clock::Clock;
use config::Config;
use db::Database;
pub use error::Error;
pub use status::{Source, Status};

/// The site's certificates. Clones share them.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The site's name, which is also what its rows are found by.
    host: String,
    /// Every name that the certificate is for: `host` first.
    names: Vec<String>,
    config: config::Tls,
    /// For a certificate that comes from a file.
    file: Option<std::path::PathBuf>,
    database: Database,
    storage: Option<StorageKey>,
    presented: Presented,
    tickets: Tickets,
    answers: answers::Answers,
    clock: Clock,
    status: status::Board,
    /// Tells this start of this machine from all others.
    holder: String,
}

impl Certificates {
    /// The certificates of a configuration. A brought one is checked; others come when [`run`](Self::run) runs.
    ///
    /// # Errors
    /// When a brought certificate is not fit for the site, or a storage key is none.
    pub fn new(config: &Config, database: Database) -> Result<Self, Error> {
        Self::with_clock(config, database, Clock::default())
    }

    /// As [`new`](Self::new), with a clock of the caller's.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(config: &Config, database: Database, clock: Clock) -> Result<Self, Error> {
        let mut names = vec![config.host.clone()];
        names.extend(config.tls.acme.iter().flat_map(|acme| acme.names.clone()));
        names.dedup();
        let keys = config.tls.storage_keys.iter().map(config::Secret::reveal);
        let storage =
            if config.tls.storage_keys.is_empty() { None } else { Some(StorageKey::from_base64(keys)?) };
        let shared = Shared {
            host: config.host.clone(),
            names,
            config: config.tls.clone(),
            file: config.file.clone(),
            database,
            storage,
            presented: Presented::default(),
            tickets: Tickets::new()?,
            answers: answers::Answers::default(),
            clock,
            status: status::Board::default(),
            holder: tls::random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let certificates = Self(Arc::new(shared));
        certificates.present_own()?;
        Ok(certificates)
    }

    /// What the server is configured with. It follows every change by itself.
    ///
    /// # Errors
    /// When rustls refuses, which it has no reason to.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        Ok(tls::server::config(&self.0.presented, &self.0.tickets)?)
    }

    /// Whether there is a certificate. Before, only challenges and `/healthz` are answered.
    pub fn ready(&self) -> bool {
        !self.0.presented.is_empty()
    }

    /// How things stand, for metrics, status page and log.
    pub fn status(&self) -> Status {
        self.0.status.read(self.source(), &self.0.names, self.0.clock.now_s())
    }

    fn source(&self) -> Source {
        match &self.0.config {
            config::Tls { acme: Some(_), .. } => Source::Authority,
            config::Tls { development_self_signed: true, .. } => Source::SelfSigned,
            _ => Source::Configuration,
        }
    }

    /// Presents from the next handshake on.
    fn present(&self, identity: Identity, facts: &tls::Facts, generation: u64) {
        self.0.presented.set(&[identity]);
        self.0.status.presented(facts, generation);
        tracing::info!(
            generation,
            names = facts.names.join(" "),
            issuer = facts.issuer,
            days_left = (facts.not_after_s - self.0.clock.now_s()) / 86_400,
            "a certificate is presented"
        );
    }
}
