//! Migrations run once, whoever starts first.

use anyhow::ensure;
use service::db::Database;
use service::db::posts::Text;

use crate::Claim;
use crate::fixture::{Fixture, run};

pub(crate) const CLAIMS: &[Claim] = &[
    ("machines_that_start_together_migrate_once", machines_that_start_together_migrate_once),
    ("a_migrated_database_is_left_as_it_is", a_migrated_database_is_left_as_it_is),
];

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
