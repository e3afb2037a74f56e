//! The first certificate, and whose work it is.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use db::renewals::Wish;

use super::authority::Ways;
use super::machine::{healthy, much_later, plain, request, sql, visitor, wait_until};
use super::sites::Two;
use crate::fixture::{Fixture, HOST, run, run_for};

pub(crate) fn before_a_certificate(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let mut two = Two::new(fixture, &["http-01"], Ways::default()).await?;
        let root = two.pebble.root().await?;
        two.pebble.stop();
        two.first.run();
        let port = two.first.http.port();
        ensure!(plain(port, HOST, "/healthz").await?.0 == 200, "no health");
        ensure!(plain(port, HOST, "/").await?.0 == 503, "a page without a certificate");
        // As soon as the migrations have run.
        let unknown = "/.well-known/acme-challenge/unknown";
        wait_until(Duration::from_secs(10), async || Ok(plain(port, HOST, unknown).await?.0 == 404)).await?;
        let refused = request(two.first.https.port(), &visitor(&root)?, HOST, "/healthz").await;
        ensure!(refused.is_err(), "{refused:?}");
        ensure!(!two.first.certificates.ready(), "ready without a certificate");
        Ok(())
    })
}

/// By each way of proving, at the machine that does not order; the certificate is for all names, and aliases lead home.
pub(crate) fn one_order(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        for way in ["http-01", "tls-alpn-01"] {
            let mut two = Two::new(fixture, &[way], Ways::default()).await?;
            two.first.run();
            two.second.run();
            two.both_present(0).await.with_context(|| way.to_owned())?;
            ensure!(two.pebble.orders() == 1, "{way}: {} orders", two.pebble.orders());
            let root = two.pebble.root().await?;
            let (one, other) = (healthy(&two.first, &root).await?, healthy(&two.second, &root).await?);
            ensure!(one.serial == other.serial && !one.serial.is_empty(), "two certificates");
            let alias = request(two.first.https.port(), &visitor(&root)?, "foobar.com", "/").await?;
            ensure!(alias.status == 308, "{alias:?}");
            ensure!(plain(two.first.http.port(), HOST, "/").await?.0 == 308, "no redirect");
            ensure!(sql(fixture, "DELETE FROM acme_challenges").await? == 0, "answers were left");
        }
        Ok(())
    })
}

pub(crate) fn an_order_is_inherited(fixture: &Fixture) -> anyhow::Result<()> {
    /// The authority sleeps for a random time; one that hardly did looks before the second machine can answer.
    const TRIES: usize = 4;
    run_for(Duration::from_secs(280), async {
        for _ in 0..TRIES {
            // The second machine answers, but the first one has the lease, and the authority takes its time.
            let mut two = Two::new(fixture, &["tls-alpn-01"], Ways { slow: true, ..Ways::default() }).await?;
            two.first.run();
            let held = "SELECT COUNT(*) FROM renewals WHERE holder <> ''";
            wait_until(Duration::from_secs(10), async || Ok(fixture.count(held).await? > 0)).await?;
            two.second.run();
            let asked = "SELECT COUNT(*) FROM acme_challenges";
            wait_until(Duration::from_secs(20), async || Ok(fixture.count(asked).await? > 0)).await?;
            two.first.kill();
            // The dead machine's lease runs out.
            much_later(fixture).await?;
            let presented = two.second.presents(0).await;
            if presented.is_err() && two.second.status().failures > 0 {
                continue;
            }
            presented?;
            ensure!(two.pebble.orders() == 1, "{} orders", two.pebble.orders());
            return healthy(&two.second, &two.pebble.root().await?).await.map(drop);
        }
        bail!("the authority looked too soon {TRIES} times")
    })
}

/// Short-lived certificates: each is replaced when two thirds of its life are over, and before its end.
pub(crate) fn two_thirds(fixture: &Fixture) -> anyhow::Result<()> {
    run_for(Duration::from_secs(180), async {
        let two = Two::issued(fixture, Ways { lifetime_s: 30, ..Ways::default() }).await?;
        let mut generation = two.first.status().generation;
        for _ in 0..3 {
            let end_s = two.first.status().not_after_s.context("nothing presented")?;
            generation = two.both_present(generation).await?;
            let left_s = end_s - service::certificates::Clock::default().now_s();
            ensure!((1..=12).contains(&left_s), "renewed {left_s} s before the end");
        }
        Ok(())
    })
}

/// Random sleeps before each look, half of the proofs used again, one nonce in twenty refused.
pub(crate) fn pebble_with_delays(fixture: &Fixture) -> anyhow::Result<()> {
    run_for(Duration::from_secs(240), async {
        let two = Two::issued(fixture, Ways { slow: true, ..Ways::default() }).await?;
        let mut generation = two.first.status().generation;
        for _ in 0..5 {
            super::operator::wish(fixture, Wish::Renew).await?;
            generation = two.both_present(generation).await?;
        }
        ensure!(two.pebble.orders() == 6, "{} orders", two.pebble.orders());
        Ok(())
    })
}
