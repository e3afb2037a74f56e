//! The first certificate, and whose work it is.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use db::renewals::Wish;
use service::certificates::Clock;

use super::authority::{Pebble, SHORT_LIVED, Ways};
use super::machine::{
    Machine, acme, forget_everything, free_port, healthy, much_later, plain, request, sql, visitor,
    wait_until,
};
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
        let root = two.pebble.root().await?;
        let mut generation = two.first.status().generation;
        for _ in 0..3 {
            two.pebble.says_of(&healthy(&two.first, &root).await?.serial, "nothing").await?;
            let end_s = two.first.status().not_after_s.context("nothing presented")?;
            generation = two.both_present(generation).await?;
            let left_s = end_s - Clock::default().now_s();
            ensure!((1..=12).contains(&left_s), "renewed {left_s} s before the end");
        }
        Ok(())
    })
}

/// Long before two thirds of the life, because the authority says so; the new order names what it replaces. Before that
/// the machines asked, and did nothing.
pub(crate) fn as_the_authority_says(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let root = two.pebble.root().await?;
        let generation = two.first.status().generation;
        much_later(fixture).await?;
        wait_until(Duration::from_secs(10), async || Ok(two.pebble.asked() > 0)).await.context("asked")?;
        let now = r#"{"suggestedWindow":{"start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z"}}"#;
        let old = healthy(&two.first, &root).await?.serial;
        ensure!((two.pebble.orders(), two.pebble.replacements()) == (1, 0), "renewed unasked");
        two.pebble.says_of(&old, now).await?;
        much_later(fixture).await?;
        two.both_present(generation).await?;
        ensure!(healthy(&two.second, &root).await?.serial != old, "the old certificate");
        ensure!((two.pebble.orders(), two.pebble.replacements()) == (2, 1), "the order replaces nothing");
        Ok(())
    })
}

/// A window that lies behind the certificate's end, and one that is no window.
pub(crate) fn a_late_window(fixture: &Fixture) -> anyhow::Result<()> {
    run_for(Duration::from_secs(120), async {
        let two = Two::issued(fixture, Ways { lifetime_s: 60, ..Ways::default() }).await?;
        let root = two.pebble.root().await?;
        let late = r#"{"suggestedWindow":{"start":"2120-01-01T00:00:00Z","end":"2120-01-02T00:00:00Z"}}"#;
        two.pebble.says_of(&healthy(&two.first, &root).await?.serial, late).await?;
        let (end_s, generation) = (two.first.status().not_after_s, two.first.status().generation);
        wait_until(Duration::from_secs(70), async || Ok(two.first.status().generation > generation)).await?;
        let left_s = end_s.context("nothing presented")? - Clock::default().now_s();
        ensure!((1..=6).contains(&left_s), "renewed {left_s} s before the end");
        Ok(())
    })
}

/// One of the authority's kinds of certificate, by name; one that it does not have is told, with those that it has.
pub(crate) fn a_profile(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        forget_everything(fixture).await?;
        let (http, https) = (free_port()?, free_port()?);
        let pebble = Pebble::start(http, https, Ways { profiles: true, ..Ways::default() }).await?;
        let authorities = [(pebble.directory(), pebble.roots.clone())];
        let asking = |profile: &str| -> anyhow::Result<config::Config> {
            let mut tls = acme(&authorities, &["tls-alpn-01"]);
            let authority = tls["acme"]["authorities"].get_mut(0).and_then(toml::Value::as_table_mut);
            authority.context("no authority")?.insert("profile".to_owned(), profile.into());
            let mut config = fixture.config_with(tls, &[]);
            config.listen.https.set_port(https);
            Ok(config)
        };
        let mut wrong = Machine::new(&asking("everlasting")?, Clock::default()).await?;
        wrong.run();
        wait_until(Duration::from_secs(20), async || Ok(wrong.status().failures == 1)).await?;
        let error = wrong.status().last_error.unwrap_or_default();
        ensure!(error.contains(r#"no profile "everlasting", but: default, shortlived"#), "{error}");
        wrong.kill();
        let mut machine = Machine::new(&asking(SHORT_LIVED.0)?, Clock::default()).await?;
        machine.run();
        much_later(fixture).await?;
        machine.presents(0).await?;
        let end_s = machine.status().not_after_s.context("nothing presented")?;
        let lives_s = end_s - Clock::default().now_s();
        ensure!((SHORT_LIVED.1 - 60..=SHORT_LIVED.1).contains(&lives_s), "{lives_s} s to live");
        healthy(&machine, &pebble.root().await?).await.map(drop)
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
