//! How the certificate stands, for whoever shows it: metrics, status page, log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use db::renewals::Renewal;

/// Where the certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration file, or an operator by way of the database.
    Configuration,
    /// A certificate authority, by way of the database.
    Authority,
    /// This machine, for development.
    SelfSigned,
}

/// How the certificate stands. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it comes from.
    pub source: Source,
    /// What it shall be valid for.
    pub names: Vec<String>,
    /// Who signed what is presented; `None` before there is a certificate.
    pub issuer: Option<String>,
    /// When what is presented ends.
    pub not_after_s: Option<i64>,
    /// Seconds until then; negative when it is over.
    pub left_s: Option<i64>,
    /// Counts certificates up; 0 for one that is not the database's.
    pub generation: u64,
    /// When a certificate was had last from an authority.
    pub last_renewal_s: Option<i64>,
    /// When an authority is asked next.
    pub next_attempt_s: Option<i64>,
    /// Attempts that failed since the last that did not.
    pub failures: u32,
    /// The last error of renewal, reload or reading; `None` when all is well.
    pub last_error: Option<String>,
    /// By how much the machine's clock was found wrong, in seconds.
    pub clock_wrong_s: i64,
}

impl Status {
    /// Whole days until what is presented ends; negative when it is over.
    pub fn days_left(&self) -> Option<i64> {
        self.left_s.map(|left_s| left_s.div_euclid(86_400))
    }
}

/// Where the parts of a status are noted.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    issuer: Option<String>,
    not_before_s: Option<i64>,
    not_after_s: Option<i64>,
    generation: u64,
    renewal: Renewal,
    error: Option<String>,
    clock_wrong_s: i64,
}

impl Board {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn presented(&self, facts: &tls::Facts, generation: u64) {
        let mut notes = self.notes();
        notes.issuer = Some(facts.issuer.clone());
        notes.not_before_s = Some(facts.not_before_s);
        notes.not_after_s = Some(facts.not_after_s);
        notes.generation = generation;
    }

    pub(super) fn generation(&self) -> u64 {
        self.notes().generation
    }

    /// When what is presented was written; `None` before there is a certificate.
    pub(super) fn not_before_s(&self) -> Option<i64> {
        self.notes().not_before_s
    }

    pub(super) fn renewal(&self, renewal: Renewal) {
        self.notes().renewal = renewal;
    }

    pub(super) fn clock(&self, wrong_s: i64) {
        self.notes().clock_wrong_s += wrong_s;
    }

    /// Notes what went wrong here, or that nothing does any more. Says whether that is news.
    pub(super) fn error(&self, error: Option<String>) -> bool {
        let mut notes = self.notes();
        let news = notes.error != error;
        notes.error = error;
        news
    }

    pub(super) fn read(&self, source: Source, names: &[String], now_s: i64) -> Status {
        let notes = self.notes();
        let by_authority = source == Source::Authority;
        Status {
            source,
            names: names.to_vec(),
            issuer: notes.issuer.clone(),
            not_after_s: notes.not_after_s,
            left_s: notes.not_after_s.map(|end_s| end_s - now_s),
            generation: notes.generation,
            last_renewal_s: notes.renewal.last_renewal_s,
            next_attempt_s: by_authority.then_some(notes.renewal.next_attempt_s),
            failures: notes.renewal.failures,
            last_error: notes.error.clone().or_else(|| notes.renewal.last_error.clone()),
            clock_wrong_s: notes.clock_wrong_s,
        }
    }
}
