//! `cargo xtask bench tls`: the service's TLS beside that of nginx with OpenSSL, on this host.
//!
//! What counts is the server's own processor time: handshakes for each second of it, as one core would do them. The
//! visitors' cost, and whatever else the host does, are left out that way. Both servers present the same certificate
//! (ECDSA P-256), agree on X25519 and AES-128-GCM, and write the same number of tickets.
//! Invariant: the two are measured in turns, each in a process of its own for every round.
use std::time::Duration;

use ::image::{Layout, Stack, layout, progress, yardstick};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::figures::Spread;
use crate::build::Packages;
use crate::preflight::{self, Purpose};

mod renewal;
mod server;
mod visitor;

use server::Server;
use visitor::{Kind, Visitor};

/// TLS handshakes for each second of processor time, memory of idle connections, answers during renewals
#[derive(Debug, Args)]
pub(super) struct Handshakes {
    /// Rounds; in each, every server is measured once in every way
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    repetitions: u16,
    /// Handshakes of each kind in a round: processor time is told in hundredths of a second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    handshakes: u32,
    /// Idle connections whose memory is measured
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=5000))]
    idle: u32,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: Packages,
}

/// Starts one of the two servers anew.
type Start<'a> = &'a dyn Fn() -> Result<Server>;

/// Everything measured in one run.
#[derive(Debug, Serialize)]
struct Report {
    repetitions: u16,
    rows: Vec<Row>,
}

/// One comparison.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    service: Spread,
    /// Of nginx, or of the service at another time.
    other: Spread,
    /// The service's median by the other's.
    ratio: f64,
    /// What is asked for.
    asked: &'static str,
}

impl Handshakes {
    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        let purposes = [Purpose::Build, Purpose::Compare, Purpose::Load, Purpose::Judge];
        preflight::check(&layout, &purposes, self.preflight)?;
        let binary = yardstick::service(&layout, stack.web.optimisation)?;
        let folder = tempfile::tempdir()?;
        let names = server::lay_out(folder.path())?;
        let visitor = Visitor::new(&names)?;
        let service = || Server::service(&binary, folder.path(), &names);
        let nginx = || Server::nginx(folder.path(), &names);
        let mut report = self.report(&[&service, &nginx], &visitor)?;
        report.rows.push(self.renewals(&layout, &stack)?);
        print!("{}", table(&report));
        let path = layout.target().join("bench/tls.json");
        layout::replace_with(&path, (serde_json::to_string_pretty(&report)? + "\n").as_bytes())?;
        println!("\n{}", path.display());
        Ok(())
    }

    fn report(&self, servers: &[Start<'_>; 2], visitor: &Visitor) -> Result<Report> {
        let mut measured: [[Vec<f64>; 3]; 2] = Default::default();
        for round in 1..=self.repetitions {
            let step = progress::start(format!("round {round} of {}", self.repetitions));
            for (start, into) in servers.iter().zip(&mut measured) {
                let server = start()?;
                // A process's first visitors pay for its tables and caches.
                self.per_second(&server, visitor, Kind::Full, 20)?;
                // Before the others: what they leave free in the heap would hold the idle ones for nothing.
                into[2].push(self.idle_kib(&server, visitor)?);
                into[0].push(self.per_second(&server, visitor, Kind::Full, self.handshakes)?);
                into[1].push(self.per_second(&server, visitor, Kind::Resumed, self.handshakes)?);
            }
            step.done("");
        }
        let [service, nginx] = &measured;
        let rows = [
            ("full handshakes / s of CPU", "at least 1.5"),
            ("resumed handshakes / s of CPU", "at least 1.5"),
            ("KiB for an idle connection", "at most 0.5"),
        ];
        let rows = rows
            .into_iter()
            .enumerate()
            .map(|(at, (what, asked))| Row::of(what, &service[at], &nginx[at], asked));
        let rows = rows.collect::<Option<_>>().context("nothing was measured")?;
        Ok(Report { repetitions: self.repetitions, rows })
    }

    /// Beside answers in between, in the place of nginx's.
    fn renewals(&self, layout: &Layout, stack: &Stack) -> Result<Row> {
        let stage = renewal::Stage::new(layout, stack, self.packages)?;
        let seen = (1..=self.repetitions).map(|round| stage.measure(round)).collect::<Result<Vec<_>>>()?;
        let renewing: Vec<f64> = seen.iter().map(|seen| seen.renewing).collect();
        let quiet: Vec<f64> = seen.iter().map(|seen| seen.quiet).collect();
        let row = Row::of("p99 in ms, renewing beside quiet", &renewing, &quiet, "at most 1.1");
        row.context("nothing was measured")
    }

    fn per_second(&self, server: &Server, visitor: &Visitor, kind: Kind, times: u32) -> Result<f64> {
        let before = server.processor_time()?;
        visitor.handshakes(server.port, kind, times)?;
        let spent: Duration = server.processor_time()?.saturating_sub(before);
        Ok(f64::from(times) / spent.as_secs_f64().max(0.01))
    }

    fn idle_kib(&self, server: &Server, visitor: &Visitor) -> Result<f64> {
        let before = server.resident_kib()?;
        let connections = visitor.open(server.port, self.idle)?;
        let grown = server.resident_kib()?.saturating_sub(before);
        drop(connections);
        server.await_no_connection()?;
        Ok(grown as f64 / f64::from(self.idle))
    }
}

impl Row {
    /// `None` of no measurements.
    fn of(what: &'static str, service: &[f64], other: &[f64], asked: &'static str) -> Option<Self> {
        let (service, other) = (Spread::of(service)?, Spread::of(other)?);
        Some(Self { what, service, other, ratio: service.median / other.median, asked })
    }
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "\nmedians of {} rounds in turns (least to most)\n\n\
         | what                             | service                | beside                 | ratio | asked        |\n\
         |----------------------------------|------------------------|------------------------|-------|--------------|\n",
        report.repetitions
    );
    for row in &report.rows {
        text += &format!(
            "| {:<32} | {:<22} | {:<22} | {:>5.2} | {:<12} |\n",
            row.what,
            spread(&row.service),
            spread(&row.other),
            row.ratio,
            row.asked
        );
    }
    text
}

fn spread(spread: &Spread) -> String {
    let Spread { median, least, most } = spread;
    if *median < 1000.0 {
        format!("{median:.1} ({least:.1} to {most:.1})")
    } else {
        format!("{median:.0} ({least:.0} to {most:.0})")
    }
}
