//! `cargo xtask down`: stops the stack of this checkout, cleanly, whatever state it is in.
//!
//! The web machine goes first, so that nobody asks a database that is leaving. Invariant: MySQL is asked to shut down by
//! the machine's power button and waited for; it is never killed.
use std::path::Path;
use std::time::Duration;

use ::image::machine::{Ended, Machine};
use ::image::{Layout, progress};
use anyhow::{Context, Result};
use clap::Args;

use crate::{build, endpoint, lock, stack};

/// The service's drain takes 20 s at most unless configured otherwise; a machine that does not end holds no state and is
/// switched off.
const WEB_DEADLINE: Duration = Duration::from_secs(30);
/// QEMU ends within a moment of being told to.
const QUIT_DEADLINE: Duration = Duration::from_secs(10);
/// MySQL flushes its buffer pool, systemd unmounts the volume: some 5 s under emulation, more after heavy writes.
const DB_DEADLINE: Duration = Duration::from_secs(180);

/// Stop the stack: MySQL shuts down, the rows stay on the volume
#[derive(Debug, Args)]
pub(crate) struct Down {}

impl Down {
    #[expect(clippy::unused_self, reason = "every verb is run alike")]
    pub(crate) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let _lock = lock::stack(&layout)?;
        endpoint::remove(&layout)?;
        let web = stop("web", &stack::web_folder(&layout), switch_off)?;
        build::remove_own_disk(&stack::web_folder(&layout))?;
        let db = stop("db", &stack::db_folder(&layout), shut_down)?;
        if !web && !db {
            println!("nothing ran");
        }
        Ok(())
    }
}

/// Whether there was something to stop.
fn stop(name: &str, folder: &Path, how: fn(&mut Machine) -> Result<Ended>) -> Result<bool> {
    let Some(mut machine) = Machine::find(name, folder) else { return clear(name, folder) };
    let step = progress::start(format!("{name} machine stops"));
    let how_it_ended = how(&mut machine)?;
    Machine::clear_traces(folder)?;
    step.done(match how_it_ended {
        Ended::Unseen | Ended::Status(0) => String::new(),
        ended => ended.to_string(),
    });
    Ok(true)
}

fn clear(name: &str, folder: &Path) -> Result<bool> {
    if !Machine::left_traces(folder) {
        return Ok(false);
    }
    Machine::clear_traces(folder)?;
    progress::note(format!(
        "the {name} machine had ended by itself: its last words are in {}",
        folder.display()
    ));
    Ok(true)
}

fn switch_off(machine: &mut Machine) -> Result<Ended> {
    if let Ok(ended) = machine.power_down(WEB_DEADLINE) {
        return Ok(ended);
    }
    // No error when it has ended in the meantime: the wait tells.
    let _ = machine.control("quit");
    machine.wait_for_end(QUIT_DEADLINE)
}

fn shut_down(machine: &mut Machine) -> Result<Ended> {
    machine
        .power_down(DB_DEADLINE)
        .context("MySQL is still shutting down and was left alone: run `down` again")
}
