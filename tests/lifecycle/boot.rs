//! Every way to boot gives the same site.

use anyhow::Result;
use tests::claims;
use tests::stand::{Stand, Way};

pub(super) fn a_web_machine_boots_directly_with_1_cpu(stand: &mut Stand) -> Result<()> {
    boots(stand, Way::Direct, 1)
}

pub(super) fn a_web_machine_boots_directly_with_2_cpus(stand: &mut Stand) -> Result<()> {
    boots(stand, Way::Direct, 2)
}

pub(super) fn a_web_machine_boots_by_uefi_with_1_cpu(stand: &mut Stand) -> Result<()> {
    boots(stand, Way::Uefi, 1)
}

pub(super) fn a_web_machine_boots_by_uefi_with_2_cpus(stand: &mut Stand) -> Result<()> {
    boots(stand, Way::Uefi, 2)
}

pub(super) fn a_web_machine_boots_by_bios_with_1_cpu(stand: &mut Stand) -> Result<()> {
    boots(stand, Way::Bios, 1)
}

pub(super) fn a_web_machine_boots_by_bios_with_2_cpus(stand: &mut Stand) -> Result<()> {
    boots(stand, Way::Bios, 2)
}

fn boots(stand: &mut Stand, way: Way, cpus: u32) -> Result<()> {
    let db = stand.db()?;
    let web = stand.web(way, db.port(), db.password()).cpus(cpus).ready()?;
    claims::judge(web.client())?;
    stand.hand_on(db);
    Ok(())
}
