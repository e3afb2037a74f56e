//! Whatever fails on the way to a new certificate, the old one is presented and the reason is known.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use db::renewals::Wish;
use service::certificates::{Clock, Status};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::authority::{EXTERNAL_KEY, Pebble, Ways};
use super::machine::{Machine, acme, forget_everything, free_port, healthy, much_later, wait_until};
use super::operator::wish;
use super::sites::Two;
use crate::away::door::{Door, Way};
use crate::fixture::{Fixture, run};

/// A day of outage: every attempt that a day sees, each as soon as it is due.
pub(crate) fn an_authority_is_down(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let mut two = Two::issued(fixture, Ways::default()).await?;
        let root = two.pebble.root().await?;
        two.pebble.stop();
        wish(fixture, Wish::Renew).await?;
        for failures in 1..=4 {
            two_know(&two, |status| status.failures >= failures).await.context("a failure is known")?;
            healthy(&two.first, &root).await?;
            much_later(fixture).await?;
        }
        let status = two.first.status();
        ensure!(status.last_error.is_some_and(|error| error.contains("cannot be reached")), "no reason");
        let generation = status.generation;
        two.pebble.resume().await?;
        // The authority has forgotten the account: the first attempt finds out, the next makes it anew.
        wait_until(Duration::from_secs(30), async || {
            much_later(fixture).await?;
            Ok(two.first.status().generation > generation)
        })
        .await?;
        two_know(&two, |status| status.failures == 0 && status.last_error.is_none()).await
    })
}

async fn two_know(two: &Two, is_so: impl Fn(&Status) -> bool) -> anyhow::Result<()> {
    let known = wait_until(Duration::from_secs(20), async || {
        Ok(is_so(&two.first.status()) && is_so(&two.second.status()))
    });
    known.await.with_context(|| format!("{:?}", two.first.status()))
}

/// The authority reaches somebody else, who answers nonsense; then us.
pub(crate) fn a_wrong_answer_is_told_and_mended(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        forget_everything(fixture).await?;
        let (http, https) = (free_port()?, free_port()?);
        let pebble = Pebble::start(http, https, Ways::default()).await?;
        let authorities = [(pebble.directory(), pebble.roots.clone())];
        let stranger = tokio::spawn(nonsense(TcpListener::bind(("127.0.0.1", http)).await?));
        let mut config = fixture.config_with(acme(&authorities, &["http-01"]), &[]);
        let mut first = Machine::new(&config, Clock::default()).await?;
        first.run();
        wait_until(Duration::from_secs(20), async || Ok(first.status().failures == 1)).await?;
        let error = first.status().last_error.unwrap_or_default();
        ensure!(error.contains("not proven by http-01"), "{error}");
        ensure!(!first.certificates.ready(), "a certificate without a proof");
        stranger.abort();
        let _ = stranger.await;
        config.listen.http.set_port(http);
        let mut second = Machine::new(&config, Clock::default()).await?;
        second.run();
        much_later(fixture).await?;
        first.presents(0).await?;
        Ok(())
    })
}

async fn nonsense(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nnonsense").await;
    }
}

/// The first authority never answers; the second one wants an external account.
pub(crate) fn a_second_authority_takes_over(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        forget_everything(fixture).await?;
        let (http, https) = (free_port()?, free_port()?);
        let pebble = Pebble::start(http, https, Ways { bound: true, ..Ways::default() }).await?;
        let nobody = format!("https://127.0.0.1:{}/dir", free_port()?);
        let authorities = [(nobody, pebble.roots.clone()), (pebble.directory(), pebble.roots.clone())];
        let mut tls = acme(&authorities, &["tls-alpn-01"]);
        bind_externally(&mut tls).context("no second authority")?;
        let mut config = fixture.config_with(tls, &[]);
        config.listen.https.set_port(https);
        let mut machine = Machine::new(&config, Clock::default()).await?;
        machine.run();
        wait_until(Duration::from_secs(30), async || {
            much_later(fixture).await?;
            Ok(machine.certificates.ready())
        })
        .await
        .with_context(|| format!("{:?}", machine.status()))?;
        healthy(&machine, &pebble.root().await?).await?;
        Ok(())
    })
}

fn bind_externally(tls: &mut toml::Table) -> Option<()> {
    let authority = tls.get_mut("acme")?.get_mut("authorities")?.get_mut(1)?.as_table_mut()?;
    authority.insert("external_account_id".to_owned(), "kid-1".into());
    authority.insert("external_account_key".to_owned(), EXTERNAL_KEY.into());
    Some(())
}

/// Years early or late at boot, and a database that goes away: what the others had ordered is presented all the same.
pub(crate) fn a_wrong_clock(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let root = two.pebble.root().await?;
        let door = Door::open(fixture.port()).await?;
        let tls = acme(&[(two.pebble.directory(), two.pebble.roots.clone())], &["http-01"]);
        let config = fixture.config_with(tls, &[("port", i64::from(door.port()).into())]);
        for wrong_s in [-4000 * 86_400, 4000 * 86_400] {
            let mut late = Machine::new(&config, Clock::wrong_by(wrong_s)).await?;
            late.run();
            late.presents(0).await?;
            ensure!(
                late.status().clock_wrong_s == -wrong_s || (late.status().clock_wrong_s + wrong_s).abs() < 5
            );
            door.set(Way::Shut);
            wait_until(Duration::from_secs(10), async || Ok(late.status().last_error.is_some())).await?;
            healthy(&late, &root).await.context("while the database is away")?;
            door.set(Way::Open);
            wait_until(Duration::from_secs(10), async || Ok(late.status().last_error.is_none())).await?;
        }
        ensure!(two.pebble.orders() == 1, "{} orders", two.pebble.orders());
        Ok(())
    })
}

/// A clock chip tells whole seconds, and nobody corrects what is less than a minute: the authority writes "from now on".
pub(crate) fn a_slow_clock(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let mut two = Two::at(&[-50; 2], fixture, &["http-01"], Ways::default()).await?;
        two.first.run();
        two.second.run();
        two.both_present(0).await?;
        ensure!(two.pebble.orders() == 1, "{} orders", two.pebble.orders());
        Ok(())
    })
}
