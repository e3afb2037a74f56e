//! Migrations run once, whoever starts first.

use std::time::Duration;

use anyhow::{Context, ensure};
use service::db::Database;
use service::db::posts::Text;
use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrate as _;
use tokio::time::timeout;

use crate::Claim;
use crate::fixture::{Fixture, run};

pub(crate) const CLAIMS: &[Claim] = &[
    ("machines_that_start_together_migrate_once", machines_that_start_together_migrate_once),
    ("a_migrated_database_is_left_as_it_is", a_migrated_database_is_left_as_it_is),
    ("an_older_release_comes_up_beside_a_newer_one", an_older_release_comes_up_beside_a_newer_one),
    ("who_has_nothing_to_migrate_waits_for_nobody", who_has_nothing_to_migrate_waits_for_nobody),
    ("a_drained_service_leaves_no_session_behind", a_drained_service_leaves_no_session_behind),
    ("a_seed_says_why_the_migrations_are_refused", a_seed_says_why_the_migrations_are_refused),
];

/// Longer than any answer of MySQL's takes.
const SHORT: Duration = Duration::from_secs(10);

fn machines_that_start_together_migrate_once(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let mut connection = fixture.connection().await?;
        fixture.empty_schema().await?;
        let config = fixture.config(&[]);
        let machines: Vec<Database> = (0..4).map(|_| Database::new(&config)).collect();
        tokio::join!(
            machines[0].migrate(),
            machines[1].migrate(),
            machines[2].migrate(),
            machines[3].migrate()
        );
        let applied: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut connection)
            .await?;
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))?.count();
        ensure!(usize::try_from(applied)? == files, "{applied} migrations were applied out of {files}");
        Ok(())
    })
}

fn a_migrated_database_is_left_as_it_is(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let text = Text { title: "kept", body: "over a restart", tags: &[] };
        let id = database.add_post(7, text).await?;
        let restarted = Database::new(&fixture.config(&[]));
        restarted.migrate().await;
        let newest = restarted.newest_posts(1).await?;
        ensure!(newest.first().is_some_and(|post| post.id == id), "{newest:?}");
        Ok(())
    })
}

/// Whatever became of the newer one's migration: it may fail.
fn an_older_release_comes_up_beside_a_newer_one(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let _site = fixture.empty_site().await?;
        for success in ["TRUE", "FALSE"] {
            let insert =
                format!("INSERT INTO _sqlx_migrations VALUES (9999, 'newer', NOW(), {success}, 'x', 1)");
            let mut connection = fixture.connection().await?;
            sqlx::query(AssertSqlSafe(insert)).execute(&mut connection).await?;
            let older = Database::new(&fixture.config(&[]));
            let done = timeout(SHORT, older.migrate()).await;
            fixture.execute("DELETE FROM _sqlx_migrations WHERE version = 9999").await?;
            done.with_context(|| format!("a newer migration with success = {success} is waited for"))?;
            older.ready().await?;
        }
        Ok(())
    })
}

fn who_has_nothing_to_migrate_waits_for_nobody(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let _site = fixture.empty_site().await?;
        let mut other = fixture.connection().await?;
        other.lock().await?;
        let database = Database::new(&fixture.config(&[]));
        timeout(SHORT, database.migrate()).await.context("it waits for another machine's lock")?;
        Ok(())
    })
}

fn a_drained_service_leaves_no_session_behind(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        database.ready().await?;
        database.close().await;
        ensure!(database.busy().open == 0, "{:?}", database.busy());
        Ok(())
    })
}

fn a_seed_says_why_the_migrations_are_refused(fixture: &Fixture) -> anyhow::Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    let tls = "certificate_chain = ''\nprivate_key = ''".parse()?;
    std::fs::write(&file, fixture.config_text(tls, &[]))?;
    run(async {
        let _ = fixture.empty_site().await?;
        fixture
            .execute("UPDATE _sqlx_migrations SET checksum = CONCAT(checksum, 'x') WHERE version = 1")
            .await
    })?;
    let mut seed = std::process::Command::new(env!("CARGO_BIN_EXE_service"));
    let told = seed.args(["seed", "1", "--config"]).arg(file.path()).output()?;
    run(async {
        let mend =
            "UPDATE _sqlx_migrations SET checksum = LEFT(checksum, LENGTH(checksum) - 1) WHERE version = 1";
        fixture.execute(mend).await
    })?;
    let words = String::from_utf8_lossy(&told.stderr);
    ensure!(told.status.code() == Some(2), "{:?}: {words}", told.status);
    ensure!(words.starts_with("service: refused: migration 1 was previously applied"), "{words}");
    Ok(())
}
