//! What an operator may want: a replacement after a key was lost, another account key.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use db::Database;
use db::renewals::Wish;
use http::StatusCode;
use service::certificates::Certificates;
use service::http::Site;

use super::authority::Ways;
use super::machine::{acme, forget_everything, healthy, wait_until};
use super::sites::Two;
use crate::fixture::{Fixture, HOST, run};
use crate::visitor::Visitor;

/// Says what is wanted, past any machine.
pub(crate) async fn wish(fixture: &Fixture, wish: Wish) -> anyhow::Result<()> {
    let database = Database::new(&fixture.config(&[]));
    database.migrate().await;
    Ok(database.wish_renewal(HOST, wish).await?)
}

/// No authority is asked: whether a wish is fulfilled is another claim's.
pub(crate) fn wishes_by_the_page(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, before) = fixture.empty_site().await?;
        let otto = Visitor::registered(&before, "otto").await?;
        forget_everything(fixture).await?;
        let mut config = fixture
            .config_with(acme(&[("https://localhost:1/dir".to_owned(), String::new())], &["http-01"]), &[]);
        config.operations.operators = vec!["otto".to_owned()];
        let database = Database::new(&config);
        database.migrate().await;
        let certificates = Certificates::new(&config, database.clone())?;
        let router =
            service::http::secure(Site::new(&config, database.clone()).with_certificates(certificates));
        let mut otto = otto.on(&router);
        let page = otto.get("/status").await?.expect(StatusCode::OK)?.says("an authority (ACME)")?;
        page.says("www.foobar.com, foobar.com")?.says("nobody yet")?.says("Replace and revoke it")?;
        for wish in Wish::ALL {
            let wished = [("wish", wish.as_str())];
            let answer = otto.post("/status/certificate", &wished).await?.expect(StatusCode::SEE_OTHER)?;
            otto.get(answer.location()?).await?.says("Look again in a minute.")?;
            let renewal = database.renewal(HOST).await?;
            ensure!(renewal.and_then(|row| row.wish()) == Some(wish), "{wish:?} is not in the table");
        }
        otto.post("/status/certificate", &[("wish", "sell")])
            .await?
            .expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        let mut bob = Visitor::registered(&router, "bob").await?;
        for form in ["wish=renew", "wish=sell", "", "unknown=1", "wish=%ff"] {
            bob.post_raw("/status/certificate", form).await?.expect(StatusCode::NOT_FOUND)?;
        }
        let json = bob.post_as("/status/certificate", "application/json", "{}").await?;
        json.expect(StatusCode::NOT_FOUND)?;
        let events = "SELECT COUNT(*) FROM account_events WHERE kind = 'certificate-wished'";
        ensure!(fixture.count(events).await? == 3, "other events");
        Ok(())
    })
}

/// Whatever a machine is at: it has not read what is wanted since.
pub(crate) fn a_wish_during_an_attempt(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        forget_everything(fixture).await?;
        let database = Database::new(&fixture.config(&[]));
        database.migrate().await;
        for fulfilled in [None, Some(Wish::Roll)] {
            if let Some(first) = fulfilled {
                database.wish_renewal(HOST, first).await?;
            }
            ensure!(database.take_lease(HOST, "holder", 30).await?, "no lease");
            database.wish_renewal(HOST, Wish::Replace).await?;
            database.renewal_succeeded(HOST, "holder", fulfilled, 3600, false).await?;
            let renewal = database.renewal(HOST).await?.context("no row")?;
            ensure!(renewal.wish() == Some(Wish::Replace), "the wish is gone: {renewal:?}");
            ensure!(database.take_lease(HOST, "another", 30).await?, "it waits for an hour");
            database.renewal_succeeded(HOST, "another", Some(Wish::Replace), 0, true).await?;
            let renewal = database.renewal(HOST).await?.context("no row")?;
            ensure!(renewal.wish().is_none(), "a wish that was fulfilled: {renewal:?}");
        }
        Ok(())
    })
}

pub(crate) fn replace_and_roll(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let root = two.pebble.root().await?;
        let old = healthy(&two.first, &root).await?.serial;
        let key = account_key(fixture).await?;
        wish(fixture, Wish::Roll).await?;
        wait_until(Duration::from_secs(10), async || Ok(account_key(fixture).await? != key))
            .await
            .context("roll")?;
        let generation = two.first.status().generation;
        wish(fixture, Wish::Replace).await?;
        two.both_present(generation).await.context("replace, with the new account key")?;
        ensure!(healthy(&two.second, &root).await?.serial != old, "the old certificate");
        let serial: String = old.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = format!("/cert-status-by-serial/{serial}");
        wait_until(Duration::from_secs(10), async || Ok(two.pebble.managed(&path).await?.contains("Revoked")))
            .await
            .context("revocation")
    })
}

async fn account_key(fixture: &Fixture) -> anyhow::Result<Vec<u8>> {
    let mut connection = fixture.connection().await?;
    Ok(sqlx::query_scalar("SELECT sealed_key FROM acme_accounts").fetch_one(&mut connection).await?)
}
