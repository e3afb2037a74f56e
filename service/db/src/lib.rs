//! MySQL: the pool, the migrations that run before anything is read, and the time a request may wait.
//!
//! Each table has a module of its own below. Invariant: no query is sent before this program's migrations have run,
//! and no request waits for MySQL longer than the configured limit.

pub mod certificates;
pub mod comments;
pub mod events;
mod machines;
mod migrations;
mod patience;
pub mod posts;
pub mod rates;
pub mod renewals;
pub mod sessions;
pub mod tickets;
pub mod tokens;
pub mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use config::{Config, Limits};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode};
use sqlx::{ConnectOptions as _, Connection as _, MySqlPool};
use tokio::time::timeout;

pub use migrations::Refusal;
pub use patience::for_request;

/// How long to wait before the database is tried again. Short enough that a restart is hardly noticed.
const RETRY: Duration = Duration::from_millis(500);

/// A connection that was used within this time is taken to be alive; an older one is asked first.
const TRUSTED: Duration = Duration::from_secs(1);

/// How long one run of the migrations may take, the wait for another machine's run included.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(600);

/// How long the last word to MySQL may take: nobody is served any more.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why there is no answer from the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// MySQL cannot be reached, or its migrations have not run yet: it may work in a moment.
    #[error("the database is away")]
    Away(#[source] Option<sqlx::Error>),
    /// MySQL did not answer in time.
    #[error("the database did not answer in time")]
    Slow,
    /// MySQL refused a statement: a mistake of ours.
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Away(None),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed => Self::Away(Some(error)),
            sqlx::Error::Database(ref refusal) if !refusal_is_ours(refusal.code().as_deref()) => {
                Self::Away(Some(error))
            }
            _ => Self::Statement(error),
        }
    }
}

/// How often work is begun that MySQL undoes each time.
const ATTEMPTS: u32 = 10;

fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|refusal| refusal.code()).as_deref() == Some("40001")
}

/// SQLSTATE classes that say something about the server's state, not about our statement: 08 connection, 28 login
/// refused, 40 rolled back for a deadlock, and 70 killed (MySQL's reference: server error messages).
fn refusal_is_ours(sqlstate: Option<&str>) -> bool {
    !sqlstate.is_some_and(|state| ["08", "28", "40", "70"].iter().any(|class| state.starts_with(class)))
}

/// How busy the connections to MySQL are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pool {
    /// Open connections.
    pub open: u32,
    /// Of these, connections that do nothing.
    pub idle: u32,
    /// The most that may be open.
    pub most: u32,
}

/// The database as requests see it. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Database {
    pool: MySqlPool,
    options: Arc<MySqlConnectOptions>,
    migrated: Arc<AtomicBool>,
    /// The number of this machine among those that serve; 0 before it has one.
    machine: Arc<AtomicU64>,
    patience: Duration,
}

impl Database {
    /// A pool that connects when it is first used. Nothing is sent yet.
    pub fn new(config: &Config) -> Self {
        let options = options(&config.database);
        let pool = pool(&config.limits).connect_lazy_with(options.clone());
        Self {
            pool,
            options: Arc::new(options),
            migrated: Arc::default(),
            machine: Arc::default(),
            patience: config.limits.database(),
        }
    }

    /// Runs the migrations as soon as the database answers, however long that takes. Ends when they have run.
    pub async fn migrate(&self) {
        while let Err(error) = self.try_migrate().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "migrations wait for the database");
            tokio::time::sleep(RETRY).await;
        }
        tracing::info!("migrations have run");
    }

    /// The same for who cannot wait. sqlx holds MySQL's named lock while it works, so of several machines one migrates and
    /// the others wait.
    ///
    /// # Errors
    /// When the database is away, or is not as this program needs it.
    pub async fn try_migrate(&self) -> Result<(), Refusal> {
        let run = timeout(MIGRATION_DEADLINE, migrations::run(&self.options)).await;
        let machine = run.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))?;
        self.machine.store(machine, Ordering::Release);
        self.migrated.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes leave of MySQL. A machine that was only switched off would leave sessions behind, which count as connections
    /// until MySQL finds out.
    pub async fn close(&self) {
        if timeout(FAREWELL, self.pool.close()).await.is_err() {
            tracing::warn!("MySQL was left without a farewell");
        }
    }

    /// Whether the database answers and its tables are as this program needs them.
    ///
    /// # Errors
    /// When not.
    pub async fn ready(&self) -> Result<(), Error> {
        self.ask(async |pool| sqlx::query!("SELECT 1 AS one").fetch_one(pool).await.map(drop)).await
    }

    /// For work that no visitor waits for.
    #[cfg(not(target_os = "hermit"))]
    pub fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    /// How busy the pool is.
    pub fn busy(&self) -> Pool {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        Pool { open: self.pool.size(), idle, most: self.pool.options().get_max_connections() }
    }

    /// Runs a query within the time that a request may wait, waiting for a free connection included. One that MySQL chose
    /// to end a deadlock is begun anew: a transaction is undone whole then (MySQL's reference, 17.7.5.3).
    async fn ask<T>(
        &self,
        query: impl AsyncFnOnce(&MySqlPool) -> Result<T, sqlx::Error> + Copy,
    ) -> Result<T, Error> {
        if !self.migrated.load(Ordering::Acquire) {
            return Err(Error::Away(None));
        }
        for attempt in 1.. {
            match patience::wait(self.patience, query(&self.pool)).await {
                Some(Err(error)) if is_deadlock(&error) && attempt < ATTEMPTS => {
                    tracing::debug!(%error, "begun anew");
                }
                Some(answer) => return Ok(answer?),
                None => break,
            }
        }
        Err(Error::Slow)
    }
}

/// How to log in: over TLS, with the name verified, and with the site's certificate where the configuration has one.
pub fn options(database: &config::Database) -> MySqlConnectOptions {
    let options = MySqlConnectOptions::new()
        .host(&database.host)
        .port(database.port)
        .database(&database.name)
        .username(&database.user)
        .password(database.password.reveal())
        .ssl_mode(MySqlSslMode::VerifyIdentity)
        .ssl_ca_from_pem(database.ca.clone().into_bytes())
        .disable_statement_logging();
    match (&database.certificate, &database.key) {
        (Some(certificate), Some(key)) => {
            options.ssl_client_cert_from_pem(certificate).ssl_client_key_from_pem(key.reveal())
        }
        _ => options,
    }
}

fn pool(limits: &Limits) -> MySqlPoolOptions {
    MySqlPoolOptions::new()
        .max_connections(limits.database_connections)
        .acquire_timeout(limits.database())
        // MySQL closes a connection that was idle for eight hours; a firewall in between does much earlier.
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(3600))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_is_the_databases_state_and_a_wrong_statement_is_ours() {
        for (sqlstate, ours) in [
            ("28000", false),
            ("08004", false),
            ("40001", false),
            ("70100", false),
            ("42S02", true),
            ("23000", true),
            ("HY000", true),
        ] {
            assert_eq!(refusal_is_ours(Some(sqlstate)), ours, "{sqlstate}");
        }
        assert!(refusal_is_ours(None));
    }
}
