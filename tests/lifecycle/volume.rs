//! What a db machine does with the volume it finds: its own it uses, a blank one it makes its own, anything else it
//! leaves alone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use image::command;
use image::machine::Ended;
use image::wait::{Status, wait_until};
use tests::stand::volume::{Foreign, blank};
use tests::stand::{Stand, random_word};

/// Moments after power-on at which the power goes, in milliseconds, drawn from these ranges: while the kernel starts and
/// the volume is formatted; while MySQL lays out its data.
const CUTS_MS: [(u64, u64); 3] = [(4_000, 9_000), (9_000, 14_000), (14_000, 20_000)];

pub(super) fn a_blank_volume_cut_while_it_is_initialised_is_started_over(stand: &mut Stand) -> Result<()> {
    let volume = blank(&stand.folder()?.join("volume.raw"))?;
    let password = random_word()?;
    for (least, most) in CUTS_MS {
        let moment = Duration::from_millis(stand.dice().between(least, most));
        let mut db = stand.start_db(&volume, &password)?;
        passed(db.machine.powered_on(), moment)?;
        ensure!(db.machine.ended()?.is_none(), "the machine ended before it was cut");
        db.cut()?;
    }
    let mut db = stand.start_db(&volume, &password)?;
    db.wait_until_ready()?;
    stand.hand_on(db);
    Ok(())
}

/// From the machine's own disk, by UEFI, with the credentials that lie there. What the host has made is not made again, and
/// there is nothing to recover.
pub(super) fn a_volume_made_on_the_host_is_taken_up(stand: &mut Stand) -> Result<()> {
    let volume = stand.new_volume()?;
    let mut db = stand.start_db_from_its_disk(&volume, &random_word()?)?;
    db.wait_until_ready()?;
    let ended = db.power_down()?;
    ensure!(ended == Ended::Status(0), "the machine ended with {ended}");
    let console = db.console()?;
    let made_again = ["initializing of server", "crash recovery"];
    let found = made_again.iter().find(|words| console.to_lowercase().contains(**words));
    ensure!(found.is_none(), "the machine did not take the volume as it was: {found:?}");
    Ok(())
}

/// From the compressed disk, by BIOS.
pub(super) fn a_machine_without_credentials_touches_no_volume(stand: &mut Stand) -> Result<()> {
    let volume = blank(&stand.folder()?.join("volume.raw"))?;
    let before = sha256(&volume)?;
    let mut db = stand.start_db_without_credentials(&volume)?;
    let (line, _) = db.wait_until_refused()?;
    ensure!(line.contains("credential bootstack.db."), "the refusal names no credential: {line}");
    ensure!(before == sha256(&volume)?, "the volume was written to");
    Ok(())
}

/// Waits for a moment, not for a state: a power cut does not look what it interrupts.
fn passed(since: Instant, moment: Duration) -> Result<()> {
    wait_until(moment * 2, "a moment", || {
        let passed = since.elapsed();
        Ok(if passed >= moment { Status::Reached(()) } else { Status::Pending(format!("{passed:?}")) })
    })
}

pub(super) fn a_foreign_file_system_is_refused_untouched(stand: &mut Stand) -> Result<()> {
    refused_untouched(stand, Foreign::Ext4, "ext4")
}

pub(super) fn a_foreign_partition_table_is_refused_untouched(stand: &mut Stand) -> Result<()> {
    refused_untouched(stand, Foreign::Gpt, "gpt")
}

pub(super) fn a_swap_area_is_refused_untouched(stand: &mut Stand) -> Result<()> {
    refused_untouched(stand, Foreign::Swap, "swap")
}

pub(super) fn random_bytes_are_refused_untouched(stand: &mut Stand) -> Result<()> {
    refused_untouched(stand, Foreign::RandomBytes, "")
}

pub(super) fn a_mebibyte_of_data_somewhere_is_refused_untouched(stand: &mut Stand) -> Result<()> {
    refused_untouched(stand, Foreign::DataSomewhere, "")
}

/// The console names the volume and `found`; the machine ends by itself; no bit has changed.
fn refused_untouched(stand: &mut Stand, kind: Foreign, found: &str) -> Result<()> {
    let path = stand.folder()?.join("volume.raw");
    let volume = kind.volume(&path, stand.dice())?;
    let before = sha256(&volume)?;
    let mut db = stand.start_db(&volume, &random_word()?)?;
    let (line, ended) = db.wait_until_refused()?;
    ensure!(
        line.contains("mysqldata") && line.contains(found),
        "the refusal names neither volume nor find: {line}"
    );
    ensure!(matches!(ended, Ended::Status(_)), "the machine ended with {ended}");
    let after = sha256(&volume)?;
    ensure!(before == after, "the volume was written to: sha256 {before} before, {after} after");
    Ok(())
}

/// By the host's program: an unoptimised build of ours would take most of the story's time.
fn sha256(path: &Path) -> Result<String> {
    let line = command::output(Command::new("sha256sum").arg("--").arg(path))?;
    Ok(String::from_utf8_lossy(&line).chars().take_while(char::is_ascii_hexdigit).collect())
}
