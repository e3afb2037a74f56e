//! What a program may expect of the kernel, told by one that runs in the service's place (`tests/inside`).

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::stand::{Stand, Way, is_failure};

/// The claims take half a minute of emulation on a quiet host; a lost wake-up takes for ever.
const DEADLINE: Duration = Duration::from_secs(300);
/// The program's last line.
const ALL_HOLD: &str = "claims hold";

pub(super) fn the_kernel_keeps_its_promises_to_a_program(stand: &mut Stand) -> Result<()> {
    for cpus in [1, 2, 3] {
        let plan = stand.web(Way::Direct, 1, "nobody-asks-for-it").cpus(cpus).judged_from_inside();
        let mut machine = plan.kernel_arguments(&format!("env=PROCESSORS={cpus}")).start()?.machine;
        let ended = machine.wait_for_end(DEADLINE)?;
        let log = machine.serial_log();
        let console = std::fs::read_to_string(&log)?;
        ensure!(
            !is_failure(ended) && console.contains(ALL_HOLD),
            "with {cpus} processors the machine ended with {ended}: {}",
            log.display()
        );
    }
    Ok(())
}
