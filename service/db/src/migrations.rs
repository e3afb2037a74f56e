//! The migrations, run by whichever machine comes first.
//!
//! What they do is in `migrations/`. Invariant: a machine that finds all of its own migrations done waits for nobody and
//! asks nothing of later ones, so that an older release comes up beside a newer one, a failed one, or a dead one.

use std::collections::HashMap;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::machines;

/// MySQL: the table does not exist (error reference, `ER_NO_SUCH_TABLE`).
const NO_SUCH_TABLE: &str = "42S02";

/// Why a database cannot be used by this program.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is away, or has other migrations than this program knows.
    #[error(transparent)]
    Migrations(#[from] MigrateError),
    /// A newer release took away what this one needs.
    #[error(
        "the database is for services that know migration {floor}, and this one knows {knows}: start a newer image"
    )]
    TooOld {
        /// The newest migration of this program.
        knows: i64,
        /// The least that it must know.
        floor: i64,
    },
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Migrations(error.into())
    }
}

/// Runs what is missing and joins the machines that serve; gives the number among them. It has a connection of its own:
/// sqlx's named lock belongs to the session and must end with it, whatever happens in between.
pub(super) async fn run(options: &MySqlConnectOptions) -> Result<u64, Refusal> {
    let mut migrations = sqlx::migrate!();
    // A newer release has migrated already: what it took away is the floor's affair.
    migrations.set_ignore_missing(true);
    let mut connection = options.connect().await?;
    let outcome = migrate_and_join(&mut connection, &migrations).await;
    // The lock is given up by this, or else by MySQL when it notices that nobody is there.
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the connection of the migrations was not closed in order");
    }
    outcome
}

async fn migrate_and_join(connection: &mut MySqlConnection, migrations: &Migrator) -> Result<u64, Refusal> {
    if !all_done(connection, migrations).await? {
        // What `run` calls, whose bounds a spawned task cannot meet ("not general enough"); sqlx is pinned to one version.
        migrations.run_direct(None, connection, false).await?;
    }
    let newest = migrations.iter().map(|migration| migration.version).max();
    machines::join(connection, newest.unwrap_or_default()).await
}

/// Whether each of `migrations` has been run, as it is now.
async fn all_done(connection: &mut MySqlConnection, migrations: &Migrator) -> Result<bool, sqlx::Error> {
    let text = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
    let rows: Vec<(i64, Vec<u8>)> = match sqlx::query_as(text).fetch_all(connection).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_TABLE) => Vec::new(),
        answer => answer?,
    };
    let done: HashMap<i64, Vec<u8>> = rows.into_iter().collect();
    Ok(migrations
        .iter()
        .all(|migration| done.get(&migration.version).is_some_and(|sum| sum == &*migration.checksum)))
}
