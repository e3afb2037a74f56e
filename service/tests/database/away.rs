//! While MySQL is away, slow or refuses, a page says so within two seconds, and works again by itself.

pub(crate) mod door;

use std::time::{Duration, Instant};

use anyhow::ensure;
use db::Error;
use http::StatusCode;
use service::assets;
use service::http::Front;
use sqlx::Connection as _;

use crate::Claim;
use crate::fixture::{Fixture, HOST, get, run, site, wait_for};
use door::{Door, Way};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_lost_database_is_told_in_time_and_found_again", a_lost_database_is_told_in_time_and_found_again),
    ("a_database_that_never_answers_is_told_in_time", a_database_that_never_answers_is_told_in_time),
    ("a_service_started_first_migrates_when_the_database_comes", started_first),
    ("a_wrong_password_is_no_fault_of_the_statement", a_wrong_password_is_no_fault_of_the_statement),
    ("a_certificate_of_another_root_is_refused", a_certificate_of_another_root_is_refused),
    ("mysql_is_shown_this_machines_certificate_and_judges_it", mysql_judges_this_machines_certificate),
    ("the_password_alone_opens_nothing", the_password_alone_opens_nothing),
    ("one_of_two_roots_is_enough_while_they_change", one_of_two_roots_is_enough_while_they_change),
    ("what_a_deadlock_undid_is_begun_anew", what_a_deadlock_undid_is_begun_anew),
];

/// What a visitor may have to wait (issue: 503 within 2 s).
const PATIENCE: Duration = Duration::from_secs(2);

async fn ensure_away(router: &Front) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (parts, _) = get(router, "/").await?;
    ensure!(parts.status == StatusCode::SERVICE_UNAVAILABLE, "{parts:?}");
    ensure!(parts.headers.contains_key("retry-after"), "{parts:?}");
    ensure!(begun.elapsed() < PATIENCE, "told after {:?}", begun.elapsed());
    let (parts, _) = get(router, assets::path("site.css")).await?;
    ensure!(parts.status == StatusCode::OK, "static: {}", parts.status);
    Ok(())
}

fn a_lost_database_is_told_in_time_and_found_again(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let door = Door::open(fixture.port()).await?;
        let (database, router) = site(&fixture.config(&[("port", i64::from(door.port()).into())]));
        database.migrate().await;
        wait_for(&router, "/", StatusCode::OK).await?;
        door.set(Way::Shut);
        ensure_away(&router).await?;
        door.set(Way::Open);
        wait_for(&router, "/", StatusCode::OK).await
    })
}

fn a_database_that_never_answers_is_told_in_time(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let door = Door::open(fixture.port()).await?;
        let (database, router) = site(&fixture.config(&[("port", i64::from(door.port()).into())]));
        database.migrate().await;
        door.set(Way::Silent);
        ensure_away(&router).await?;
        door.set(Way::Open);
        wait_for(&router, "/", StatusCode::OK).await
    })
}

fn started_first(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let door = Door::open(fixture.port()).await?;
        door.set(Way::Shut);
        let (database, router) = site(&fixture.config(&[("port", i64::from(door.port()).into())]));
        let migration = tokio::spawn(async move { database.migrate().await });
        ensure_away(&router).await?;
        door.set(Way::Open);
        migration.await?;
        wait_for(&router, "/readyz", StatusCode::OK).await
    })
}

fn a_wrong_password_is_no_fault_of_the_statement(fixture: &Fixture) -> anyhow::Result<()> {
    refused_as_away(fixture, ("password", "not the password".into()))
}

fn a_certificate_of_another_root_is_refused(fixture: &Fixture) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let stranger = tls::authority::Authority::open(folder.path())?;
    refused_as_away(fixture, ("ca", stranger.certificate_pem().into()))
}

/// MySQL verifies what a client shows: a stranger's certificate ends the connection although the password is right.
fn mysql_judges_this_machines_certificate(fixture: &Fixture) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let stranger = tls::authority::Authority::open(folder.path())?.issue(&["www.foobar.com"], 1)?;
    let shown = [("certificate", stranger.certificate_chain.into()), ("key", stranger.private_key.into())];
    run(async {
        let (database, router) = site(&fixture.config(&shown));
        let migration = tokio::time::timeout(Duration::from_secs(2), database.migrate()).await;
        ensure!(migration.is_err(), "MySQL took a stranger's certificate");
        ensure_away(&router).await
    })
}

/// Whoever reads the password has no key to go with it.
fn the_password_alone_opens_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    let mut config = fixture.config(&[]);
    (config.database.certificate, config.database.key) = (None, None);
    run(async {
        let (database, router) = site(&config);
        let migration = tokio::time::timeout(Duration::from_secs(2), database.migrate()).await;
        ensure!(migration.is_err(), "MySQL took a login without a certificate");
        ensure_away(&router).await
    })
}

/// A root is replaced by trusting both for a while: no connection is ever refused.
fn one_of_two_roots_is_enough_while_they_change(fixture: &Fixture) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let next = tls::authority::Authority::open(folder.path())?;
    let both = format!("{}{}", next.certificate_pem(), fixture.config(&[]).database.ca);
    run(async {
        let (database, router) = site(&fixture.config(&[("ca", both.into())]));
        database.migrate().await;
        wait_for(&router, "/readyz", StatusCode::OK).await
    })
}

/// A login that cannot work is tried again for ever: the operator may repair the database's side of it.
fn refused_as_away(fixture: &Fixture, change: (&str, toml::Value)) -> anyhow::Result<()> {
    run(async {
        let (database, router) = site(&fixture.config(&[change]));
        let migration = tokio::time::timeout(Duration::from_secs(2), database.migrate()).await;
        ensure!(migration.is_err(), "migrated with a wrong login");
        ensure!(matches!(database.ready().await, Err(Error::Away(_))), "not away");
        ensure_away(&router).await
    })
}

/// One who has written more holds the order that a transaction is about to forget, and wants the lease that it has read:
/// MySQL undoes the one that has written less.
fn what_a_deadlock_undid_is_begun_anew(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        for statement in [
            "DELETE FROM certificates",
            "REPLACE INTO renewals (host, holder) VALUES ('www.foobar.com', 'me')",
            "REPLACE INTO acme_orders (host, authority, url, names, sealed_key) VALUES ('www.foobar.com', '', '', '', '')",
        ] {
            fixture.execute(statement).await?;
        }
        let mut other = fixture.connection().await?;
        let mut work = other.begin().await?;
        sqlx::query(
            "INSERT INTO rate_limits VALUES ('1', 1), ('2', 1), ('3', 1), ('4', 1), ('5', 1), ('6', 1)",
        )
        .execute(&mut *work)
        .await?;
        let order = sqlx::query("SELECT 1 FROM acme_orders WHERE host = 'www.foobar.com' FOR UPDATE");
        order.execute(&mut *work).await?;
        let add = tokio::spawn(async move { database.add_certificate(HOST, "me", "", "", &[]).await });
        const FORGETTING: &str =
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'DELETE FROM acme_orders%'";
        while fixture.count(FORGETTING).await? == 0 {
            tokio::task::yield_now().await;
        }
        sqlx::query("UPDATE renewals SET failures = 1 WHERE host = 'www.foobar.com'")
            .execute(&mut *work)
            .await?;
        work.commit().await?;
        ensure!(add.await??, "not stored");
        ensure!(fixture.count("SELECT COUNT(*) FROM certificates").await? == 1, "not stored once");
        ensure!(fixture.count("SELECT COUNT(*) FROM acme_orders").await? == 0, "its order was not forgotten");
        Ok(())
    })
}
