//! `cargo xtask bench net`: the web machine against a Linux machine with the same service, and with nginx.
//!
//! All of it runs in a network namespace of its own, on a bridge: no other program of the host is in the way, and
//! nothing leaves it. Invariant: the subjects of one work are measured in turns, and every figure is a ratio of one run.
use std::path::Path;

use ::image::{Layout, Stack, layout};
use anyhow::{Result, ensure};
use clap::Args;

use crate::preflight::{self, Purpose};

mod chart;
mod echo;
mod history;
mod instructions;
mod latency;
mod load;
mod memory;
mod rate;
mod report;
mod starts;
mod work;

use super::stage::{Built, Stage, namespace};
use report::Report;
use work::Work;

/// Requests, handshakes, downloads, latency, memory and boots of the web machine, as ratios to Linux
#[derive(Debug, Args)]
pub(super) struct Net {
    /// Only works whose name contains one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Measurements of each work and subject
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    repetitions: u16,
    /// Length of each measurement under load
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    /// Memory of each machine, in MiB, but where the least is looked for
    #[arg(long, default_value_t = 256)]
    memory_mib: u32,
    /// Fail where a figure is over 5 % worse than the newest recorded one
    #[arg(long)]
    compare: bool,
    /// Record the figures in bench-history.jsonl
    #[arg(long)]
    record: bool,
    /// In the namespace already
    #[arg(long, hide = true)]
    inside: bool,
    #[command(flatten)]
    preflight: preflight::Flags,
}

impl Net {
    /// Whether this is the part within the namespace.
    pub(super) fn is_inside(&self) -> bool {
        self.inside
    }

    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        if !self.inside {
            preflight::check(
                &layout,
                &[Purpose::Build, Purpose::Boot, Purpose::Load, Purpose::Wire],
                self.preflight,
            )?;
            Built::build(&layout, &Stack::load(&layout)?)?;
            return namespace::enter();
        }
        let report = self.measure(&layout)?;
        print!("{}", report.table());
        write(&layout.target().join("bench"), &report)?;
        let history = history::path(&layout);
        if self.compare {
            history::compare(&history, &report)?;
        }
        if self.record { history::record(&history, &report) } else { Ok(()) }
    }

    fn measure(&self, layout: &Layout) -> Result<Report> {
        let works: Vec<Work> = Work::ALL.into_iter().filter(|work| self.wants(*work)).collect();
        ensure!(!works.is_empty(), "--only names no work: there are {}", Work::titles().join(", "));
        let stack = Stack::load(layout)?;
        let stage = Stage::set(layout, &stack, self.memory_mib)?;
        let mut report = Report::default();
        for kind in work::KINDS {
            let works: Vec<Work> = works.iter().copied().filter(|work| work.kind() == kind).collect();
            if !works.is_empty() {
                report.rows.extend(kind.measure(&stage, &works, self.repetitions, self.seconds)?);
            }
        }
        Ok(report)
    }

    fn wants(&self, work: Work) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| work.title().contains(word.as_str()))
    }
}

fn write(folder: &Path, report: &Report) -> Result<()> {
    let json = serde_json::to_string_pretty(report)? + "\n";
    layout::replace_with(&folder.join("net.json"), json.as_bytes())?;
    layout::replace_with(&folder.join("net.svg"), chart::svg(report).as_bytes())?;
    println!("\n{}\n{}", folder.join("net.json").display(), folder.join("net.svg").display());
    Ok(())
}
