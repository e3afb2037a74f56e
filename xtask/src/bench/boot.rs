//! `cargo xtask bench boot`: from power-on to the first verified HTTPS 200 of a web machine.
//!
//! The clock starts before QEMU does and stops when the answer's first line is read; the database plays no part.
//! Invariant: each boot is a cold one, in a folder of its own, and its machine is gone before the next begins.
use std::fs;
use std::time::Duration;

use ::image::machine::{Accel, free_port};
use ::image::{Layout, Stack, layout, progress};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::figures::Spread;
use crate::build::{self, Boot, Web};
use crate::preflight::{self, Purpose};
use crate::site::Site;
use crate::stack::{self, Host, Ports};
use crate::visit;

/// Power-on to the first verified HTTPS 200 of the web machine, by each way of booting
#[derive(Debug, Args)]
pub(super) struct Boots {
    /// Boots by each way
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repetitions: u16,
    /// Only this way of booting
    #[arg(long, value_enum)]
    boot: Option<Boot>,
    #[command(flatten)]
    preflight: preflight::Flags,
}

/// Everything measured in one run.
#[derive(Debug, Serialize)]
struct Report {
    accelerator: &'static str,
    memory_mib: u32,
    image_raw_bytes: u64,
    image_qcow2_bytes: u64,
    boots: Vec<Row>,
}

/// One way of booting.
#[derive(Debug, Serialize)]
struct Row {
    boot: String,
    repetitions: u16,
    /// Power-on to the line by which the service says that it listens.
    serving_s: Spread,
    /// Power-on to the first verified 200.
    answer_s: Spread,
    /// What QEMU occupies of the host's memory after that answer.
    resident_mib: Spread,
}

/// One boot.
struct Measured {
    serving_s: f64,
    answer_s: f64,
    resident_mib: f64,
}

impl Boots {
    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        preflight::check(&layout, &[Purpose::Build, Purpose::Boot], self.preflight)?;
        let parts = build::web(&layout)?;
        let site = Site::open(&layout, &stack)?;
        let ports = Ports { https: free_port()?, http: free_port()?, mysql: free_port()? };
        let accel = stack::accelerator(&layout, &stack, &site, &parts, ports)?;
        let host = Host { layout: &layout, stack: &stack, site: &site, ports, accel };
        let report = self.report(&host, &parts)?;
        print!("{}", table(&report));
        let path = layout.target().join("bench/boot.json");
        layout::replace_with(&path, (serde_json::to_string_pretty(&report)? + "\n").as_bytes())?;
        println!("\n{}", path.display());
        Ok(())
    }

    fn report(&self, host: &Host<'_>, parts: &Web) -> Result<Report> {
        let ways: Vec<Boot> =
            Boot::ALL.into_iter().filter(|way| self.boot.is_none_or(|only| only == *way)).collect();
        let mut measured: Vec<Vec<Measured>> = ways.iter().map(|_| Vec::new()).collect();
        for round in 1..=self.repetitions {
            let step = progress::start(format!("round {round} of {}", self.repetitions));
            for (way, results) in ways.iter().zip(&mut measured) {
                step.update(way.title());
                results.push(measure(host, parts, *way)?);
            }
            step.done("");
        }
        let rows = ways
            .iter()
            .zip(&measured)
            .map(|(way, results)| self.row(*way, results))
            .collect::<Result<_>>()?;
        let [raw, qcow2] = parts.files().map(|file| fs::metadata(file).map(|metadata| metadata.len()));
        Ok(Report {
            accelerator: if host.accel == Accel::Kvm { "kvm" } else { "tcg" },
            memory_mib: host.stack.web.memory_mib,
            image_raw_bytes: raw?,
            image_qcow2_bytes: qcow2?,
            boots: rows,
        })
    }

    fn row(&self, way: Boot, results: &[Measured]) -> Result<Row> {
        let spread = |figure: fn(&Measured) -> f64| {
            Spread::of(&results.iter().map(figure).collect::<Vec<_>>()).context("nothing was measured")
        };
        Ok(Row {
            boot: way.title(),
            repetitions: self.repetitions,
            serving_s: spread(|boot| boot.serving_s)?,
            answer_s: spread(|boot| boot.answer_s)?,
            resident_mib: spread(|boot| boot.resident_mib)?,
        })
    }
}

fn measure(host: &Host<'_>, parts: &Web, way: Boot) -> Result<Measured> {
    let folder = host.layout.run().join("bench");
    let mut machine = host.start_web(&folder, parts, way, host.stack.web.cpus)?;
    let visitor = host.visitor()?;
    stack::await_serving(&mut machine)?;
    let serving = machine.powered_on().elapsed();
    stack::await_ok(&mut machine, &visitor, visit::LIVES, stack::WEB_DEADLINE)?;
    let answer = machine.powered_on().elapsed();
    let resident_kib = machine.resident_kib().context("the machine ended after its answer")?;
    machine.cut()?;
    build::remove_own_disk(&folder)?;
    Ok(Measured {
        serving_s: seconds(serving),
        answer_s: seconds(answer),
        resident_mib: resident_kib as f64 / 1024.0,
    })
}

/// To the millisecond: the polls are coarser than that.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "\nweb machine, {} MiB, accelerator {}; image {} raw, {} qcow2\n\n\
         | boot   | runs | power-on to serving | to a verified 200, median | least | most  | QEMU's memory |\n\
         |--------|------|---------------------|---------------------------|-------|-------|---------------|\n",
        report.memory_mib,
        report.accelerator,
        progress::size(report.image_raw_bytes),
        progress::size(report.image_qcow2_bytes),
    );
    for row in &report.boots {
        text += &format!(
            "| {:<6} | {:>4} | {:>17.2} s | {:>23.2} s | {:>5.2} | {:>5.2} | {:>9.0} MiB |\n",
            row.boot,
            row.repetitions,
            row.serving_s.median,
            row.answer_s.median,
            row.answer_s.least,
            row.answer_s.most,
            row.resident_mib.median,
        );
    }
    text
}
