//! Migrations run once, whoever starts first.

use std::time::Duration;

use anyhow::{Context, ensure};
use db::Database;
use db::posts::Text;
use sqlx::AssertSqlSafe;
use sqlx::migrate::{Migrate as _, Migrator};
use tokio::time::timeout;

use crate::Claim;
use crate::fixture::{Fixture, run, writer};

pub(crate) const CLAIMS: &[Claim] = &[
    ("machines_that_start_together_migrate_once", machines_that_start_together_migrate_once),
    ("a_migrated_database_is_left_as_it_is", a_migrated_database_is_left_as_it_is),
    ("an_older_release_comes_up_beside_a_newer_one", an_older_release_comes_up_beside_a_newer_one),
    ("who_has_nothing_to_migrate_waits_for_nobody", who_has_nothing_to_migrate_waits_for_nobody),
    (
        "who_is_too_old_for_the_database_does_not_get_ready",
        who_is_too_old_for_the_database_does_not_get_ready,
    ),
    ("a_machine_that_leaves_stands_against_nothing", a_machine_that_leaves_stands_against_nothing),
    ("a_drained_service_leaves_no_session_behind", a_drained_service_leaves_no_session_behind),
    ("what_a_dead_machine_left_half_done_is_finished", what_a_dead_machine_left_half_done_is_finished),
    ("a_contraction_waits_for_the_last_older_machine", a_contraction_waits_for_the_last_older_machine),
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
        let entries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/db/migrations"))?;
        let files = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file())).count();
        ensure!(usize::try_from(applied)? == files, "{applied} migrations were applied out of {files}");
        Ok(())
    })
}

/// Every migration as if its machine had died before it said so, and some in the middle of their statements.
fn what_a_dead_machine_left_half_done_is_finished(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let writer = writer(&database).await?;
        let kept =
            database.add_post(writer, Text { title: "kept", body: "meanwhile", tags: &[] }).await?.unwrap();
        let mut connection = fixture.connection().await?;
        let versions: Vec<i64> =
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations").fetch_all(&mut connection).await?;
        let half_done = [
            (40, "DROP TABLE ticket_keys"),
            (40, "DROP TABLE acme_challenges, ticket_keys"),
            (10, "ALTER TABLE posts DROP KEY posts_text"),
            // Those of the tables that were made anew, and those that are there.
            (51, "ALTER TABLE acme_challenges ADD KEY acme_challenges_newest (created_at)"),
        ];
        let all_done = versions.iter().map(|version| (*version, "DO 0"));
        for (version, undo) in all_done.chain(half_done) {
            sqlx::query(undo).execute(&mut connection).await?;
            let died = "UPDATE _sqlx_migrations SET success = FALSE WHERE version = ?";
            sqlx::query(died).bind(version).execute(&mut connection).await?;
            let next = Database::new(&fixture.config(&[]));
            next.try_migrate().await.with_context(|| format!("{version} after {undo}"))?;
        }
        for there in [
            "SELECT COUNT(*) FROM _sqlx_migrations HAVING MIN(success) = 1",
            "SELECT COUNT(*) FROM ticket_keys, acme_challenges",
            "SELECT COUNT(*) FROM posts WHERE MATCH (title, body) AGAINST ('meanwhile')",
        ] {
            fixture.count(there).await.context(there)?;
        }
        ensure!(database.post(kept).await?.is_some(), "a row is gone");
        Ok(())
    })
}

fn a_migrated_database_is_left_as_it_is(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let writer = writer(&database).await?;
        let text = Text { title: "kept", body: "over a restart", tags: &[] };
        let id = database.add_post(writer, text).await?.unwrap();
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

fn a_contraction_waits_for_the_last_older_machine(fixture: &Fixture) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // The newest migration is known to whoever runs this; the older machine is a row.
    std::fs::write(folder.path().join("0900_old.sql"), "-- since: 50\nDROP TABLE old_things;\n")?;
    run(async {
        let (database, _) = fixture.empty_site().await?;
        fixture.execute("DROP TABLE IF EXISTS old_things, _contractions").await?;
        fixture.execute("CREATE TABLE old_things (id INT)").await?;
        fixture.execute("DELETE FROM machines WHERE knows < 50").await?;
        fixture.execute("UPDATE schema_floor SET knows = 0").await?;
        fixture.execute("INSERT INTO machines (knows, seen_at) VALUES (49, UTC_TIMESTAMP(6))").await?;
        let left = "SELECT COUNT(*) FROM information_schema.tables \
                    WHERE table_schema = DATABASE() AND table_name = 'old_things'";
        database.contract(Migrator::new(folder.path()).await?).await?;
        ensure!(fixture.count(left).await? == 1, "an older machine serves, and lost its table");
        let floor = "SELECT knows FROM schema_floor";
        ensure!(fixture.count(floor).await? == 0, "an older machine serves, and could not join again");
        // It is switched off and says nothing any more.
        fixture.execute("UPDATE machines SET seen_at = seen_at - INTERVAL 3 MINUTE WHERE knows = 49").await?;
        database.contract(Migrator::new(folder.path()).await?).await?;
        ensure!(fixture.count(left).await? == 0, "nobody needs the table, and it is there");
        ensure!(fixture.count(floor).await? == 50, "an older machine may join");
        database.contract(Migrator::new(folder.path()).await?).await?;
        Ok(())
    })
}

fn who_is_too_old_for_the_database_does_not_get_ready(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let _site = fixture.empty_site().await?;
        fixture.execute("UPDATE schema_floor SET knows = 9999").await?;
        let older = Database::new(&fixture.config(&[]));
        let refused = older.try_migrate().await;
        fixture.execute("UPDATE schema_floor SET knows = 0").await?;
        let words = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(words.contains("for services that know migration 9999"), "{words:?}");
        ensure!(older.ready().await.is_err(), "it is ready");
        Ok(())
    })
}

fn a_machine_that_leaves_stands_against_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let serving = "SELECT COUNT(*) FROM machines";
        let before = fixture.count(serving).await?;
        database.leave().await;
        ensure!(fixture.count(serving).await? == before - 1, "its row is there");
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
