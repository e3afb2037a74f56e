//! Tables `machines` and `schema_floor`: who serves, and when what only older services needed may go (expand, then contract).
//!
//! A contraction is a file of `migrations/contract`, whose README says how it is written. Invariant: it begins only when every
//! machine that was seen lately knows the migration that its first line names, and from then on no machine joins that does
//! not: both are decided under the lock of the floor's one row.

use std::error::Error as StdError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::mysql::MySqlConnection;
use sqlx::{ConnectOptions as _, Connection as _};

use super::migrations::Refusal;
use crate::{Database, Error};

/// How often a machine says that it is there.
const BEAT: Duration = Duration::from_secs(15);

/// A machine that has missed eight beats is taken to be gone, in seconds.
const GONE_S: u32 = 120;

/// Where sqlx keeps which contractions have run.
const TABLE: &str = "_contractions";

/// What a contraction's first line begins with.
const SINCE: &str = "-- since: ";

impl Database {
    /// Says again and again that this machine is there, and takes away what none needs any more. Never ends.
    pub async fn attend(&self) {
        loop {
            tokio::time::sleep(BEAT).await;
            match self.beat().await {
                Ok(()) => {}
                Err(Error::Away(_) | Error::Slow) => continue,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn StdError,
                        "this machine cannot say that it is there"
                    )
                }
            }
            if let Err(error) = self.contract(sqlx::migrate!("migrations/contract")).await {
                tracing::warn!(error = &error as &dyn StdError, "the schema cannot be contracted");
            }
        }
    }

    /// Takes this machine's word back: it serves nobody any more.
    pub async fn leave(&self) {
        let id = self.machine.swap(0, Ordering::AcqRel);
        if id == 0 {
            return;
        }
        let left = self
            .ask(async |pool| sqlx::query!("DELETE FROM machines WHERE id = ?", id).execute(pool).await)
            .await;
        if let Err(error) = left {
            tracing::debug!(
                error = &error as &dyn StdError,
                "the others will notice within two minutes that this machine is gone"
            );
        }
    }

    /// Who was taken to be gone while it was cut off joins again, or finds that it cannot.
    async fn beat(&self) -> Result<(), Error> {
        let id = self.machine.load(Ordering::Acquire);
        let done = self
            .ask(async |pool| {
                sqlx::query!(
                    "UPDATE machines SET seen_at = UTC_TIMESTAMP(6)
                     WHERE id = ? AND seen_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND",
                    id,
                    GONE_S
                )
                .execute(pool)
                .await
            })
            .await?;
        if done.rows_affected() > 0 {
            return Ok(());
        }
        if let Err(error @ Refusal::TooOld { .. }) = self.try_migrate().await {
            // For good: `/readyz` says no, and the pages that need rows say so too.
            self.migrated.store(false, Ordering::Release);
            tracing::error!(error = &error as &dyn StdError, "this machine was cut off for too long");
        }
        Ok(())
    }

    /// Runs those contractions, in their order, that no machine stands against.
    ///
    /// # Errors
    /// When the database is away, or refuses one.
    pub async fn contract(&self, mut contractions: Migrator) -> Result<(), MigrateError> {
        if contractions.migrations.is_empty() {
            return Ok(());
        }
        contractions.dangerous_set_table_name(TABLE);
        let mut connection = self.options.connect().await?;
        let outcome = contract(&mut connection, &contractions).await;
        // The lock is given up by this, or else by MySQL when it notices that nobody is there.
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "the connection of the contractions was not closed in order");
        }
        outcome
    }
}

async fn contract(connection: &mut MySqlConnection, contractions: &Migrator) -> Result<(), MigrateError> {
    let mut last = None;
    for contraction in contractions.iter() {
        if !raise(connection, since(contraction)?).await? {
            break;
        }
        last = Some(contraction.version);
    }
    match last {
        Some(last) => contractions.run_direct(Some(last), connection, false).await,
        None => Ok(()),
    }
}

/// The migration since which nobody needs what a contraction takes away.
fn since(contraction: &Migration) -> Result<i64, MigrateError> {
    let number = contraction.sql.as_str().lines().next().and_then(|line| line.strip_prefix(SINCE));
    number.and_then(|number| number.trim().parse().ok()).ok_or_else(|| {
        let text = format!("contraction {} does not begin with `{SINCE}` and a number", contraction.version);
        MigrateError::Source(text.into())
    })
}

/// Raises the floor unless a machine stands below; says whether it has.
async fn raise(connection: &mut MySqlConnection, floor: i64) -> Result<bool, sqlx::Error> {
    let mut work = connection.begin().await?;
    sqlx::query!("SELECT knows FROM schema_floor FOR UPDATE").fetch_one(&mut *work).await?;
    let below = sqlx::query_scalar!(
        r#"SELECT COUNT(*) AS "below!" FROM machines
           WHERE knows < ? AND seen_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND"#,
        floor,
        GONE_S
    );
    let below = below.fetch_one(&mut *work).await?;
    if below == 0 {
        sqlx::query!("UPDATE schema_floor SET knows = GREATEST(knows, ?)", floor).execute(&mut *work).await?;
        sqlx::query!("DELETE FROM machines WHERE seen_at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY")
            .execute(&mut *work)
            .await?;
    }
    work.commit().await?;
    Ok(below == 0)
}

/// Writes down a machine that knows this migration, and gives its number.
pub(super) async fn join(connection: &mut MySqlConnection, knows: i64) -> Result<u64, Refusal> {
    let mut work = connection.begin().await?;
    let floor = sqlx::query_scalar!("SELECT knows FROM schema_floor FOR SHARE").fetch_one(&mut *work).await?;
    if knows < floor {
        return Err(Refusal::TooOld { knows, floor });
    }
    let insert = sqlx::query!("INSERT INTO machines (knows, seen_at) VALUES (?, UTC_TIMESTAMP(6))", knows);
    let id = insert.execute(&mut *work).await?.last_insert_id();
    work.commit().await?;
    Ok(id)
}
