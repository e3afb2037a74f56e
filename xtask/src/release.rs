//! `cargo xtask release`: from a commit to the record, judged at every step, without a lost request.
//!
//! The flow is in `flow`, what it acts upon in `stage`; here are the words that a person types. Invariant: every problem that
//! can be seen beforehand is told at once, before anything is changed.
pub(crate) mod config;
mod evidence;
mod flow;
#[cfg(test)]
mod flow_tests;
mod history;
mod leak;
mod prepare;
mod retire;
mod stage;
mod status;
mod trial;
mod verdict;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use ::image::{Layout, Stack, progress};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use crate::build::Packages;
use crate::provider::local::{self, cloud};
use crate::{build, lock, preflight, site};
use config::{Config, Keeper};
use evidence::Evidence;
use flow::{Flow, Outcome, Plan};
use stage::Stage;

/// Bring this commit to the visitors: build, boot, judge, place, judge again, move the record, drain the old machine
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Release {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    common: Common,
    /// Stop where the record would change, and show the change
    #[arg(long)]
    dry_run: bool,
    /// Release this disk image instead of building one
    #[arg(long)]
    image: Option<PathBuf>,
    /// Release although the tree has changes that no commit has
    #[arg(long)]
    allow_dirty: bool,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: Packages,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Return to the previous image and its record
    Rollback(Common),
    /// What runs where, since when, with which certificate, under which record
    Status(Common),
    /// Take the local provider's box down: machines, name servers, network. Rows, images and records stay
    Down,
    /// Start a machine in the box, for whoever lets it live on
    #[command(hide = true)]
    StartMachine { folder: PathBuf, number: u8 },
    /// Start the box's db machine
    #[command(hide = true)]
    StartDb,
}

/// What all acts take.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Where machines run and which records lead to them, instead of xtask/release.toml
    #[arg(long)]
    config: Option<PathBuf>,
    /// Who changes the zone: this program, or a person who is shown the lines
    #[arg(long, value_enum, default_value_t = Dns::Update)]
    dns: Dns,
    /// Take the records as they are, although another tool changed them
    #[arg(long)]
    accept_records: bool,
}

/// Who changes the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dns {
    /// By RFC 2136
    Update,
    /// A person, who is shown the lines and waited for
    Manual,
}

impl Release {
    pub(crate) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let stack = Stack::load(&layout)?;
        match &self.act {
            None => self.release(&layout, &stack),
            Some(Act::Rollback(flags)) => rollback(&layout, &stack, flags),
            Some(Act::Status(flags)) => {
                let config = flags.config(&layout)?;
                inside(&layout, &config)?;
                status::print(&mut Stage::look(&layout, &stack, &config, flags.dns)?)
            }
            Some(Act::Down) => down(&layout),
            Some(Act::StartMachine { folder, number }) => local::Room::start(folder, &stack, *number),
            Some(Act::StartDb) => {
                let image = build::db(&layout, Packages::kept())?;
                local::db::start(&layout, &stack, &site::Site::open(&layout, &stack)?, &image)
            }
        }
    }

    fn release(&self, layout: &Layout, stack: &Stack) -> Result<()> {
        let config = self.common.config(layout)?;
        if !cloud::is_inside() {
            prepare::check(self, layout, &config)?;
            prepare::image(self, layout, &config)?;
        }
        inside(layout, &config)?;
        let _lock = lock::release(layout)?;
        let prepared = prepare::prepared(layout)?;
        let mut stage = Stage::open(layout, stack, &config, self.common.dns)?;
        stage.choose(&prepared.image)?;
        let known = stage.evidence(&prepared.image)?;
        let evidence = known.unwrap_or_else(|| Evidence::new(&prepared.image, &prepared.commit));
        let plan = Plan { dry_run: self.dry_run, ..self.common.plan(&config) };
        conclude(&mut stage, evidence, plan)
    }
}

impl Common {
    fn config(&self, layout: &Layout) -> Result<Config> {
        let committed = || layout.root().join("xtask/release.toml");
        Config::read(&self.config.clone().unwrap_or_else(committed))
    }

    fn plan(&self, config: &Config) -> Plan {
        Plan {
            ttl_s: config.records.ttl_s,
            low_ttl_s: config.records.low_ttl_s,
            dry_run: false,
            known: false,
            accept_records: self.accept_records,
        }
    }
}

/// The local provider's machines and name servers are reached from inside its box only: this program goes there.
fn inside(layout: &Layout, config: &Config) -> Result<()> {
    if config.machines.provider == Keeper::Local && !cloud::is_inside() {
        cloud::enter(layout, &config.records.zone)?;
    }
    Ok(())
}

fn down(layout: &Layout) -> Result<()> {
    let _lock = lock::release(layout)?;
    if !cloud::take_down(layout)? {
        println!("there is no box");
    }
    Ok(())
}

fn rollback(layout: &Layout, stack: &Stack, flags: &Common) -> Result<()> {
    let config = flags.config(layout)?;
    inside(layout, &config)?;
    let _lock = lock::release(layout)?;
    let mut stage = Stage::open(layout, stack, &config, flags.dns)?;
    let history = world::World::history(&mut stage)?;
    let previous = history.previous().context("there is no release to return to")?;
    progress::note(format!("back to {} of commit {}", short(&previous.image), short(&previous.commit)));
    stage.choose(&previous.image)?;
    let evidence = stage.evidence(&previous.image)?;
    let evidence = evidence.unwrap_or_else(|| Evidence::new(&previous.image, &previous.commit));
    conclude(&mut stage, evidence, Plan { known: true, ..flags.plan(&config) })
}

fn conclude(stage: &mut Stage<'_>, evidence: Evidence, plan: Plan) -> Result<()> {
    let started = Instant::now();
    let image = short(&evidence.image).to_owned();
    match (Flow { world: stage, evidence, plan }).run()? {
        Outcome::Released => println!("released {image} after {} s", started.elapsed().as_secs()),
        Outcome::Shown => println!("{image} would be released; nothing was changed (--dry-run)"),
        Outcome::Held(reasons) => {
            bail!("held: the record is as it was\n  {}", reasons.join("\n  "))
        }
    }
    Ok(())
}

/// The first digits of a sum, as people compare them.
fn short(sum: &str) -> &str {
    &sum[..sum.len().min(12)]
}
