//! Random numbers: from any source that there is, from none not at all, and never the same ones twice.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::StatusCode;
use image::machine::Variation;
use tests::stand::{Stand, Way, is_failure};

/// What a refusing machine says first.
const REFUSED: &str = "bootstack: refused:";
/// What a machine says that finds itself a copy.
const COPY: &str = "restored from a snapshot";
/// A direct boot takes half a second under emulation on a quiet host; a busy one may need many times that.
const DEADLINE: Duration = Duration::from_secs(60);
/// The processor's own sources.
const INSTRUCTIONS: [&str; 2] = ["rdseed", "rdrand"];

pub(super) fn a_machine_without_random_numbers_is_refused_with_a_line(stand: &mut Stand) -> Result<()> {
    let without_device = Variation { no_rng: true, ..Variation::default() };
    let plan = stand.web(Way::Direct, 1, "nobody-asks-for-it").varied(without_device);
    let mut web = plan.without(&INSTRUCTIONS).start()?;
    let line = web.machine.wait_for_line(DEADLINE, REFUSED)?;
    ensure!(line.contains("RDSEED") && line.contains("RDRAND"), "the line does not name the source: {line}");
    let ended = web.machine.wait_for_end(DEADLINE)?;
    ensure!(is_failure(ended), "refused with {ended}");
    ensure!(!web.console()?.contains("serving"), "it served before it refused");
    Ok(())
}

pub(super) fn the_hosts_random_device_is_enough(stand: &mut Stand) -> Result<()> {
    let web = stand.web(Way::Direct, 1, "nobody-asks-for-it").without(&INSTRUCTIONS).serve()?;
    web.client().get("/healthz")?.expect(StatusCode::OK).map(drop)
}

/// What the platform tells is the generation id of the virtual machine.
pub(super) fn a_copy_of_a_machine_draws_other_numbers(stand: &mut Stand) -> Result<()> {
    let named =
        |guid: &str| Variation { devices: vec![format!("vmgenid,guid={guid}")], ..Variation::default() };
    let mut first = stand
        .web(Way::Direct, 1, "nobody-asks-for-it")
        .varied(named("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"))
        .serve()?;
    let saved = stand.folder()?.join("saved");
    first.machine.save(&saved)?;
    ensure!(!first.console()?.contains(COPY), "the first machine takes itself for a copy");
    let second = named("75a1b9c2-0c3b-4f3e-9d6e-1b2f3a4c5d6e");
    let mut second = stand
        .web(Way::Direct, 1, "nobody-asks-for-it")
        .varied(Variation { saved: Some(saved), ..second })
        .start()?;
    // It was saved while it stood still, so it begins standing still.
    second.machine.control("cont")?;
    second.wait_until("/healthz", StatusCode::OK, DEADLINE)?;
    second.machine.wait_for_line(DEADLINE, COPY)?;
    Ok(())
}
