//! How one machine runs: the configuration file, and nothing else. No default of the machine's identity is guessed.
//!
//! Invariant: a [`Config`] was read from a file without unknown keys, and each of its values was checked.
//! Secrets show as `[secret]` in `Debug` and never occur in an error.

mod check;
mod secret;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use secret::Secret;
pub use tls::{Acme, Authority, Tls, Way};

/// The file a machine is started with (TOML).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The host name of the site, as in its A record: lower case, no port. Requests for another are answered 421.
    pub host: String,
    /// Where to listen.
    pub listen: Listen,
    /// What to present to browsers.
    pub tls: Tls,
    /// Where the rows are.
    pub database: Database,
    /// What a client may cost. Every one has a default.
    #[serde(default)]
    pub limits: Limits,
    /// The file that this was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Who may look behind the pages. Nobody by default.
    #[serde(default)]
    pub operations: Operations,
}

/// Addresses to listen on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Plain HTTP, `0.0.0.0:80`: redirects to HTTPS and answers `/healthz`.
    pub http: SocketAddr,
    /// HTTPS, `0.0.0.0:443`.
    pub https: SocketAddr,
    /// The HTTPS port that browsers use, for redirects. Another than 443 only behind a forwarded port.
    #[serde(default = "https_port")]
    pub public_port: u16,
}

/// The MySQL server. The connection is always over TLS, with certificate and name verified.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Name or address, which the server's certificate must be valid for.
    pub host: String,
    /// Usually 3306.
    pub port: u16,
    /// The schema.
    pub name: String,
    /// The account.
    pub user: String,
    /// The account's password.
    pub password: Secret,
    /// The root that signed the server's certificate, PEM. Several while one is being replaced by another.
    pub ca: String,
    /// What this machine shows to MySQL, PEM, with its key. The db machine asks for it in addition to the password.
    pub certificate: Option<String>,
    /// The certificate's key, not encrypted.
    pub key: Option<Secret>,
}

/// What operators see.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operations {
    /// `/metrics` is there for whoever sends this as a bearer token; 32 characters or more. Without it: for nobody.
    pub metrics_token: Option<Secret>,
    /// Names of the accounts that may see `/status`. Each must have its account first: while a name stands here, nobody
    /// can register it, also when its account is gone.
    pub operators: Vec<String>,
}

/// Limits on what one client, or all together, may use.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections of each listener. More wait in the kernel's queue. (256: about 100 KiB each under TLS.)
    pub connections: u32,
    /// Requests at once in one HTTP/2 connection (RFC 9113 recommends no less than 100).
    pub streams: u32,
    /// Requests at once in all connections together. More: 503. (Each may hold a page of some tens of KiB.)
    pub requests: u32,
    /// A request's head, in KiB. Larger: 431.
    pub header_kib: u32,
    /// A request's path and query, in bytes. Longer: 414.
    pub url_bytes: u32,
    /// A request's body, in KiB. Larger: 413.
    pub body_kib: u32,
    /// From the connection to the end of the TLS handshake, in seconds.
    pub handshake_s: u32,
    /// From the first byte of a request's head (HTTP/1.1) to its last, in seconds.
    pub header_s: u32,
    /// From a request's head to its answer, the reading of its body included, in seconds. Later: 408.
    pub request_s: u32,
    /// Without a request that arrives, or an answer that gets on, in seconds. Then the connection is closed.
    pub idle_s: u32,
    /// Connections to MySQL.
    pub database_connections: u32,
    /// Waiting for MySQL in one request, in milliseconds, all its queries together. Longer: 503.
    pub database_ms: u32,
    /// Accounts made from one address (of IPv6: one /64) at once, and again in each hour. More: 429.
    pub registrations_per_hour: u32,
    /// Passwords given from one address at once, and again in each hour. More: 429.
    pub sign_ins_per_hour: u32,
    /// Posts, comments and edits of one account in an hour, a twelfth of them at once. More: 429.
    pub writes_per_hour: u32,
    /// From the drain's start, when `/readyz` says no, to the closing of the listeners, in milliseconds.
    pub notice_ms: u32,
    /// From the closing of the listeners to the end of the last request, in seconds. Then connections are cut.
    pub drain_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            streams: 100,
            requests: 512,
            header_kib: 16,
            url_bytes: 4096,
            // 10,000 characters of a post, each up to four bytes, percent-encoded to twelve.
            body_kib: 128,
            handshake_s: 10,
            header_s: 10,
            request_s: 15,
            idle_s: 60,
            database_connections: 8,
            database_ms: 1500,
            // A class or an office behind one address.
            registrations_per_hour: 60,
            sign_ins_per_hour: 300,
            // A person who writes fast: a hundred at once, then one in three seconds.
            writes_per_hour: 1200,
            notice_ms: 500,
            drain_s: 20,
        }
    }
}

impl Limits {
    /// The time that one request may wait for MySQL.
    pub fn database(&self) -> Duration {
        Duration::from_millis(self.database_ms.into())
    }
}

fn https_port() -> u16 {
    443
}

/// Why a configuration is refused. The file's own text is never part of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a valid configuration.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong where, and the remedy.
        reason: String,
    },
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, has an unknown or a missing key or a value out of range.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let config = Self::parse(&text);
        let config = config.map_err(|reason| Error::Invalid { path: path.to_owned(), reason })?;
        Ok(Self { file: Some(path.to_owned()), ..config })
    }

    /// Checks a configuration's text.
    ///
    /// # Errors
    /// As [`read`](Self::read); the text of the error has no path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error| located(text, &error))?;
        check::keys(&table)?;
        let config: Self = toml::from_str(text).map_err(|error| located(text, &error))?;
        check::values(&config)?;
        Ok(config)
    }
}

/// `toml` quotes the offending line, which may be the one with the password: its number must do.
fn located(text: &str, error: &toml::de::Error) -> String {
    let line =
        error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}
