//! The migrations, run by whichever machine comes first.
//!
//! What they do is in `migrations/`. Invariant: a machine that finds all of its own migrations done waits for nobody and
//! asks nothing of later ones, so that an older release comes up beside a newer one, a failed one, or a dead one. What a
//! machine that died has left half done, the next one finishes.

use std::collections::HashMap;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError};
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
        match migrations.run_direct(None, connection, false).await {
            Err(MigrateError::Dirty(version)) => {
                finish(connection, migrations, version).await?;
                migrations.run_direct(None, connection, false).await?;
            }
            outcome => outcome?,
        }
    }
    let newest = migrations.iter().map(|migration| migration.version).max();
    machines::join(connection, newest.unwrap_or_default()).await
}

/// Goes on with a migration that a machine began and did not end: it died, or MySQL refused a statement that was mended
/// since. Who is here holds the lock, so nobody else is at it.
///
/// MySQL cannot undo a table, but each statement is done or not (atomic DDL): all run once more, and those whose table,
/// column or key is there already count as done.
async fn finish(
    connection: &mut MySqlConnection,
    migrations: &Migrator,
    version: i64,
) -> Result<(), MigrateError> {
    let migration = migrations.iter().find(|migration| migration.version == version);
    let migration = migration.ok_or(MigrateError::Dirty(version))?;
    tracing::warn!(version, "a migration was left half done, and is finished");
    for statement in statements(migration.sql.as_str()) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        match sqlx::raw_sql(statement).execute(&mut *connection).await {
            Err(sqlx::Error::Database(error)) if exists_already(error.as_ref()) => {}
            outcome => {
                outcome.map_err(|error| MigrateError::ExecuteMigration(error, version))?;
            }
        }
    }
    let text = "UPDATE _sqlx_migrations SET success = TRUE, checksum = ? WHERE version = ?";
    sqlx::query(text).bind(&*migration.checksum).bind(version).execute(connection).await?;
    Ok(())
}

/// A migration's statements: each ends with a line.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    let is_words = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
    text.split(";\n").filter(move |statement| statement.lines().any(is_words))
}

/// The table, the column, the key or the constraint is there (MySQL error reference: `ER_TABLE_EXISTS_ERROR`,
/// `ER_DUP_FIELDNAME`, `ER_DUP_KEYNAME`, `ER_FK_DUP_NAME`).
fn exists_already(error: &dyn sqlx::error::DatabaseError) -> bool {
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    number.is_some_and(|number| [1050, 1060, 1061, 1826].contains(&number))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_statement_by_statement() {
        let text = "-- What; and why.\nCREATE TABLE a (\n  id INT\n);\n\n-- A comment.\nALTER TABLE a\n  ADD b INT;\n-- The end.\n";
        let found: Vec<&str> = statements(text).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].ends_with("id INT\n)") && found[1].ends_with("ADD b INT"), "{found:?}");
    }

    /// Why the release before would not go on working beside this statement, or after it; `None` when it would.
    fn contracts(statement: &str) -> Option<&'static str> {
        let lines = statement.lines().map(|line| line.split("--").next().unwrap_or_default());
        let text = lines.collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        let words: Vec<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        for word in ["DROP", "RENAME", "MODIFY", "CHANGE", "TRUNCATE"] {
            if words.contains(&word) {
                return Some("it takes away or changes what is there");
            }
        }
        let refuses = |added: &str| added.matches(" NOT NULL").count() > added.matches(" DEFAULT").count();
        let is_alteration = words.contains(&"ALTER");
        (is_alteration && text.split(" ADD ").skip(1).any(refuses))
            .then_some("a row without the new column is refused")
    }

    #[test]
    fn what_the_release_before_needs_is_taken_away_by_contractions_only() {
        for migration in sqlx::migrate!().iter() {
            for statement in statements(migration.sql.as_str()) {
                assert_eq!(contracts(statement), None, "migration {}: {statement}", migration.version);
            }
        }
    }

    #[test]
    fn a_contraction_is_known_by_its_words() {
        for statement in [
            "DROP TABLE old_things",
            "ALTER TABLE a DROP COLUMN b",
            "alter table a\n  drop key b",
            "ALTER TABLE a RENAME COLUMN b TO c",
            "RENAME TABLE a TO b",
            "ALTER TABLE a MODIFY b BIGINT NULL",
            "ALTER TABLE a CHANGE b c INT",
            "TRUNCATE TABLE a",
            "ALTER TABLE a ADD COLUMN b INT NOT NULL",
            "ALTER TABLE a ADD b INT NOT NULL DEFAULT 0, ADD c VARCHAR(3) NOT NULL",
            "ALTER TABLE a ADD b DECIMAL(3, 1) NOT NULL, ADD KEY c (b)",
            "-- More.\nALTER TABLE a\n    ADD COLUMN b DECIMAL(3, 1) NULL,\n    ADD COLUMN c INT NOT NULL, -- DEFAULT\n    ADD KEY d (c)",
        ] {
            assert!(contracts(statement).is_some(), "{statement}");
        }
        for statement in [
            "CREATE TABLE a (id INT NOT NULL, dropped_at INT NOT NULL)",
            "-- Not a DROP.\nALTER TABLE a ADD COLUMN b INT NULL, ADD KEY c (b)",
            "ALTER TABLE a ADD COLUMN b DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))",
            "INSERT IGNORE INTO a (b) VALUES ('NOT NULL')",
        ] {
            assert_eq!(contracts(statement), None, "{statement}");
        }
    }
}
