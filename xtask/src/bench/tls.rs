//! `cargo xtask bench tls`: the service's TLS beside that of nginx with OpenSSL, on this host and in machines.
//!
//! What counts is the server's own processor time: handshakes for each second of it, as one core would do them. The
//! visitors' cost, and whatever else the host does, are left out that way. Both servers present the same kind of
//! certificate (ECDSA P-256), agree on X25519 and AES-128-GCM, and write the same number of tickets.
//! Invariant: the two are measured in turns, each in a process of its own for every round.
use ::image::{Layout, Stack, layout, progress, yardstick};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::figures::Spread;
use super::processor;
use super::stage::{self, Built, namespace};
use crate::build::Packages;
use crate::preflight::{self, Purpose};

mod guest;
mod renewal;
mod server;
mod visitor;

use server::Server;
use visitor::{Kind, Visitor};

/// A server's first visitors pay for its tables and caches.
const WARM_UP: u32 = 20;
/// An emulated processor makes a twentieth of the handshakes in the same time.
const EMULATED: u32 = 20;
/// Of each machine.
const MEMORY_MIB: u32 = 256;

/// TLS handshakes for each second of processor time, memory of idle connections, answers during renewals
#[derive(Debug, Args)]
pub(super) struct Handshakes {
    /// Only these parts
    #[arg(long, value_delimiter = ',', default_value = "host,renewals,guest")]
    only: Vec<Part>,
    /// Rounds; in each, every server is measured once in every way
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    repetitions: u16,
    /// Handshakes of each kind in a round, in a guest a twentieth: processor time is told in hundredths of a second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(400..=100_000))]
    handshakes: u32,
    /// Idle connections whose memory is measured
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1000))]
    idle: u32,
    /// In the namespace already
    #[arg(long, hide = true)]
    inside: bool,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: Packages,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Processes of this host
    Host,
    /// Answers during renewals, on this host
    Renewals,
    /// The same of machines
    Guest,
}

/// Starts one of the two servers anew.
type Start<'a> = &'a dyn Fn() -> Result<Server>;

/// Everything measured in one run.
#[derive(Debug, Serialize)]
struct Report {
    repetitions: u16,
    place: &'static str,
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
    /// Whether this is the part within the namespace.
    pub(super) fn is_inside(&self) -> bool {
        self.inside
    }

    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        if self.inside {
            return self.in_machines(&layout, &stack);
        }
        preflight::check(&layout, &self.purposes(), self.preflight)?;
        if self.wants(Part::Host) {
            tell(&layout, "tls", &self.on_host(&layout, &stack)?)?;
        }
        if self.wants(Part::Renewals) {
            tell(&layout, "tls-renewals", &self.renewals(&layout, &stack)?)?;
        }
        if self.wants(Part::Guest) {
            Built::build(&layout, &stack)?;
            namespace::enter()?;
        }
        Ok(())
    }

    fn wants(&self, part: Part) -> bool {
        self.only.contains(&part)
    }

    fn purposes(&self) -> Vec<Purpose> {
        let host = [Purpose::Build, Purpose::Compare, Purpose::Load, Purpose::Judge];
        let guest = [Purpose::Boot, Purpose::Wire];
        host.into_iter().chain(guest.into_iter().filter(|_| self.wants(Part::Guest))).collect()
    }

    fn in_machines(&self, layout: &Layout, stack: &Stack) -> Result<()> {
        let extent = guest::Extent {
            repetitions: self.repetitions,
            handshakes: self.handshakes / EMULATED,
            idle: self.idle,
        };
        let stage = stage::Stage::set(layout, stack, MEMORY_MIB)?;
        let mut report = guest::report(&stage, &extent)?;
        report.rows.push(self.slowest(&renewal::Stage::in_guest(&stage)?)?);
        tell(layout, "tls-guest", &report)
    }

    fn on_host(&self, layout: &Layout, stack: &Stack) -> Result<Report> {
        let binary = yardstick::service(layout, stack.web.optimisation)?;
        let folder = tempfile::tempdir()?;
        let names = server::lay_out(folder.path())?;
        let visitor = Visitor::new(server::HOST, &names.root)?;
        let service = || Server::service(&binary, folder.path(), &names);
        let nginx = || Server::nginx(folder.path(), &names);
        let servers: [Start<'_>; 2] = [&service, &nginx];
        let mut measured: [[Vec<f64>; 3]; 2] = Default::default();
        for round in 1..=self.repetitions {
            let step = progress::start(format!("round {round} of {}", self.repetitions));
            for (start, into) in servers.iter().zip(&mut measured) {
                let server = start()?;
                handshakes(&server, &visitor, Kind::Full, WARM_UP)?;
                // Before the others: what they leave free in the heap would hold the idle ones for nothing.
                into[2].push(self.idle_kib(&server, &visitor)?);
                into[0].push(handshakes(&server, &visitor, Kind::Full, self.handshakes)?);
                into[1].push(handshakes(&server, &visitor, Kind::Resumed, self.handshakes)?);
            }
            step.done("");
        }
        Report::of(self.repetitions, "on this host", &measured)
    }

    /// Beside answers in between, in the place of nginx's.
    fn renewals(&self, layout: &Layout, stack: &Stack) -> Result<Report> {
        let rows = vec![self.slowest(&renewal::Stage::on_host(layout, stack, self.packages)?)?];
        Ok(Report { repetitions: self.repetitions, place: "on this host", rows })
    }

    fn slowest(&self, stage: &renewal::Stage) -> Result<Row> {
        let seen = (1..=self.repetitions).map(|round| stage.measure(round)).collect::<Result<Vec<_>>>()?;
        let renewing: Vec<f64> = seen.iter().map(|seen| seen.renewing).collect();
        let quiet: Vec<f64> = seen.iter().map(|seen| seen.quiet).collect();
        let row = Row::of("p99 in ms, renewing beside quiet", &renewing, &quiet, "at most 1.1");
        row.context("nothing was measured")
    }

    fn idle_kib(&self, server: &Server, visitor: &Visitor) -> Result<f64> {
        let before = server.resident_kib()?;
        let connections = visitor.open(server.address(), self.idle)?;
        let grown = server.resident_kib()?.saturating_sub(before);
        drop(connections);
        server.await_no_connection()?;
        Ok(grown as f64 / f64::from(self.idle))
    }
}

fn handshakes(server: &Server, visitor: &Visitor, kind: Kind, times: u32) -> Result<f64> {
    per_second(server.process_id(), times, || visitor.handshakes(server.address(), kind, times))
}

/// So many of what `work` does, for each second of processor time that it costs a process.
fn per_second(process: u32, times: u32, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = processor::time(process)?;
    work()?;
    let spent = processor::time(process)?.saturating_sub(before);
    Ok(f64::from(times) / spent.as_secs_f64().max(0.01))
}

/// For a person, and kept for a program.
fn tell(layout: &Layout, name: &str, report: &Report) -> Result<()> {
    print!("{}", table(report));
    let path = layout.target().join("bench").join(name).with_extension("json");
    layout::replace_with(&path, (serde_json::to_string_pretty(report)? + "\n").as_bytes())?;
    println!("\n{}", path.display());
    Ok(())
}

impl Report {
    /// Of the service's and nginx's figures: full handshakes, resumed ones, memory.
    fn of(repetitions: u16, place: &'static str, [service, nginx]: &[[Vec<f64>; 3]; 2]) -> Result<Self> {
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
        Ok(Self { repetitions, place, rows })
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
        "\nmedians of {} rounds in turns (least to most), {}\n\n\
         | what                             | service                | beside                 | ratio | asked        |\n\
         |----------------------------------|------------------------|------------------------|-------|--------------|\n",
        report.repetitions, report.place
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
