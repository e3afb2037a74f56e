//! A machine whose keys could be guessed does not start.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::stand::{Stand, Way, is_failure};

/// What a refusing machine says first.
const REFUSED: &str = "bootstack: refused:";
/// A direct boot takes half a second under emulation on a quiet host; a busy one may need many times that.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn a_processor_without_random_numbers_is_refused_with_a_line(stand: &mut Stand) -> Result<()> {
    let plan = stand.web(Way::Direct, 1, "nobody-asks-for-it");
    let mut web = plan.without(&["rdseed", "rdrand"]).start()?;
    let line = web.machine.wait_for_line(DEADLINE, REFUSED)?;
    ensure!(line.contains("RDSEED") && line.contains("RDRAND"), "the line does not name the source: {line}");
    let ended = web.machine.wait_for_end(DEADLINE)?;
    ensure!(is_failure(ended), "refused with {ended}");
    ensure!(!web.console()?.contains("serving"), "it served before it refused");
    Ok(())
}
