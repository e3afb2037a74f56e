//! Renewals under a constant load: no request fails, no connection is dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::ensure;
use db::renewals::Wish;
use tls::rustls::ClientConfig;

use super::authority::Ways;
use super::machine::{request, visitor};
use super::operator::wish;
use super::sites::Two;
use crate::fixture::{Fixture, HOST, run_for};

pub(crate) fn a_renewal_fails_no_request(fixture: &Fixture) -> anyhow::Result<()> {
    renewals(fixture, 2, Duration::ZERO)
}

pub(crate) fn twenty_renewals_fail_no_request(fixture: &Fixture) -> anyhow::Result<()> {
    renewals(fixture, 20, Duration::from_secs(3))
}

/// Visitors with new connections and with sessions that they resume, at both machines, while certificates change. Between
/// renewals nothing happens for as long as `quiet`, to compare with.
fn renewals(fixture: &Fixture, times: usize, quiet: Duration) -> anyhow::Result<()> {
    run_for(Duration::from_secs(300), async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let client = visitor(&two.pebble.root().await?)?;
        let load = Arc::new(Load::default());
        let visitors: Vec<_> = [two.first.https.port(), two.second.https.port()]
            .into_iter()
            .map(|port| tokio::spawn(visit(Arc::clone(&load), port, Arc::clone(&client))))
            .collect();
        let mut generation = two.first.status().generation;
        for _ in 0..times {
            let before = load.answered();
            tokio::time::sleep(quiet).await;
            load.renewing.store(true, Ordering::Relaxed);
            wish(fixture, Wish::Renew).await?;
            generation = two.both_present(generation).await?;
            load.renewing.store(false, Ordering::Relaxed);
            ensure!(load.answered() > before, "no request during a renewal");
        }
        load.over.store(true, Ordering::Relaxed);
        for visitor in visitors {
            visitor.await??;
        }
        ensure!(two.pebble.orders() == times + 1, "{} orders for {times} renewals", two.pebble.orders());
        load.tell();
        Ok(())
    })
}

#[derive(Default)]
struct Load {
    renewing: AtomicBool,
    over: AtomicBool,
    /// How long answers took, in quiet times and during renewals.
    took: [Mutex<Vec<Duration>>; 2],
}

impl Load {
    fn answered(&self) -> usize {
        self.took.iter().map(|took| took.lock().unwrap().len()).sum()
    }

    /// A figure for whoever reads along; a busy host says nothing about the service, so nothing is judged by it.
    fn tell(&self) {
        let [quiet, renewing] = [0, 1].map(|at| p99_ms(&mut self.took[at].lock().unwrap()));
        eprintln!(
            "{} answers, p99 {quiet:.2} ms in quiet times, {renewing:.2} ms during renewals, ratio {:.2}",
            self.answered(),
            renewing / quiet
        );
    }
}

fn p99_ms(took: &mut [Duration]) -> f64 {
    took.sort_unstable();
    took.get(took.len() * 99 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
}

async fn visit(load: Arc<Load>, port: u16, client: Arc<ClientConfig>) -> anyhow::Result<()> {
    while !load.over.load(Ordering::Relaxed) {
        let (begun, renewing) = (Instant::now(), load.renewing.load(Ordering::Relaxed));
        let answer = request(port, &client, HOST, "/healthz").await?;
        ensure!(answer.status == 200 && answer.text == "alive\n", "{answer:?}");
        load.took[usize::from(renewing)].lock().unwrap().push(begun.elapsed());
    }
    Ok(())
}
