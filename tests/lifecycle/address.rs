//! Addresses by boot argument: a wrong one is named, never passed over for another address.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::stand::{Stand, Way, is_failure};

/// Under emulation it takes under a second; a busy host may need many times that.
const DEADLINE: Duration = Duration::from_secs(60);

/// Each argument that gives an address, with a typical slip; with `DHCP` instead the machine would serve elsewhere.
const SLIPS: [&str; 4] = [
    "env=HERMIT_IP=192.0.2.300/24",
    "env=HERMIT_IP=192.0.2.3/33",
    "env=HERMIT_IP=192.0.2.3/24 env=HERMIT_GATEWAY=192.0.2",
    "env=HERMIT_IP6=2001:db8::1::2/64",
];

pub(super) fn a_boot_argument_that_is_no_address_is_refused_with_a_line(stand: &mut Stand) -> Result<()> {
    for slip in SLIPS {
        let mut web = stand.web(Way::Direct, 1, "nobody-asks-for-it").kernel_arguments(slip).start()?;
        let line = web.machine.wait_for_line(DEADLINE, "bootstack: refused: the boot argument env=")?;
        let (_, wrong) = slip.rsplit_once("env=").unwrap_or_default();
        ensure!(line.contains(&format!("env={wrong} is no address")), "{slip}: {line}");
        let ended = web.machine.wait_for_end(DEADLINE)?;
        ensure!(is_failure(ended), "{slip}: the machine ended as if all were well");
    }
    Ok(())
}
