//! What an operator may want: a replacement after a key was lost, another account key.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use db::Database;

use super::authority::Ways;
use super::machine::{healthy, wait_until};
use super::sites::Two;
use crate::fixture::{Fixture, HOST, run};

/// Says what is wanted, past any machine.
pub(crate) async fn wish(fixture: &Fixture, wish: &str) -> anyhow::Result<()> {
    let database = Database::new(&fixture.config(&[]));
    database.migrate().await;
    Ok(database.wish_renewal(HOST, wish).await?)
}

pub(crate) fn replace_and_roll(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let root = two.pebble.root().await?;
        let old = healthy(&two.first, &root).await?.serial;
        let key = account_key(fixture).await?;
        wish(fixture, "roll").await?;
        wait_until(Duration::from_secs(10), async || Ok(account_key(fixture).await? != key))
            .await
            .context("roll")?;
        let generation = two.first.status().generation;
        wish(fixture, "replace").await?;
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
