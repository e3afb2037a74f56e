//! The power button while somebody reads: what was begun is finished, nobody else is let in, and then the machine is off.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::stand::{Stand, is_failure};
use tests::wire::{HTTP, is_whole};

use super::secure::{self, Talk};
use super::site::{PATIENCE, Site};

/// The longest answer of a machine without a database: the description of what the site offers to programs.
const PATH: &str = "/api/v1/openapi.json";
/// A reader takes so much at once, and then nothing for a while.
const WINDOW_BYTES: usize = 2 << 10;
const PAUSE: Duration = Duration::from_millis(1000);
/// How long reading may take, far more than it does; and the power-off after it.
const DEADLINE: Duration = Duration::from_secs(60);
/// What the service says once nobody is let in.
const DRAINING: &str = "draining";
/// How long a reader who is gone may keep the machine on: half a second of notice, two in which the service lingers, four of
/// silence, and a little. TCP's own patience would be 20 s.
const LONGEST: Duration = Duration::from_secs(15);

pub(super) fn a_slow_reader_gets_the_rest_before_the_machine_powers_off(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let whole = secure::get(stand, &mut site, PATH, "", PATIENCE)?.len();
    let mut reader = reads_slowly(stand, &mut site)?;
    site.web.machine.control("system_powerdown")?;
    site.web.machine.wait_for_line(PATIENCE, DRAINING)?;
    nobody_is_let_in(&mut site)?;
    let start = Instant::now();
    let mut took = start;
    site.peer.until(DEADLINE, "the rest of the answer", |peer| {
        if took.elapsed() >= PAUSE {
            took = Instant::now();
            reader
                .turn(peer)
                .with_context(|| format!("after {} of some {whole} bytes", reader.heard.len()))?;
        }
        Ok(is_whole(&reader.heard).then_some(()))
    })?;
    eprintln!("{} bytes were read in {:?} after the button", reader.heard.len(), start.elapsed());
    is_off(&mut site, DEADLINE)
}

/// A reader that is gone in the middle is not waited for longer than promised.
pub(super) fn a_reader_that_is_gone_does_not_keep_the_machine_on(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open(stand)?;
    let reader = reads_slowly(stand, &mut site)?;
    site.peer.vanish(reader.handle);
    let pressed = Instant::now();
    site.web.machine.control("system_powerdown")?;
    is_off(&mut site, LONGEST)?;
    eprintln!("off after {:?}", pressed.elapsed());
    Ok(())
}

/// Somebody who has asked and whose window is full of the answer's beginning.
fn reads_slowly(stand: &Stand, site: &mut Site) -> Result<Talk> {
    let mut reader = Talk::begin(site, secure::trust(stand)?, WINDOW_BYTES)?;
    reader.ask(PATH, "")?;
    reader.be_heard(site, PATIENCE)?;
    site.peer.until(PATIENCE, "the beginning of the answer", |peer| {
        Ok((peer.socket(reader.handle).recv_queue() > WINDOW_BYTES / 2).then_some(()))
    })?;
    Ok(reader)
}

fn nobody_is_let_in(site: &mut Site) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let newcomer = site.peer.connect(HTTP, WINDOW_BYTES)?;
        if site.peer.established(newcomer, PATIENCE).is_err_and(|error| error.to_string() == "refused") {
            return Ok(());
        }
        site.peer.vanish(newcomer);
    }
    anyhow::bail!("newcomers are let in for {} s", PATIENCE.as_secs())
}

fn is_off(site: &mut Site, deadline: Duration) -> Result<()> {
    let ended = site.web.machine.wait_for_end(deadline)?;
    ensure!(!is_failure(ended), "the machine ended with {ended}");
    Ok(())
}
