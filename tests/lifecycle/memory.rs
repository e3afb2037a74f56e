//! A machine that is too small says so.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::stand::{Stand, Way, is_failure};

/// Less than loader and application need together: 2 MiB below the application, its 9 MiB, and 8 MiB to work in.
const TOO_LITTLE_MIB: u32 = 18;
/// What a refusing loader says first.
const REFUSED: &str = "bootstack: refused:";
/// UEFI firmware starts the loader in this, which it does not in 40 MiB, and leaves too little (OVMF, measured).
const TOO_LITTLE_FOR_UEFI_MIB: u32 = 44;
/// A boot by UEFI takes some 4 s under emulation on a quiet host; a busy one may need many times that.
const DEADLINE: Duration = Duration::from_secs(90);

pub(super) fn too_little_memory_is_refused_with_a_line(stand: &mut Stand) -> Result<()> {
    for (way, memory_mib) in
        [(Way::Direct, TOO_LITTLE_MIB), (Way::Bios, TOO_LITTLE_MIB), (Way::Uefi, TOO_LITTLE_FOR_UEFI_MIB)]
    {
        let mut web = stand.web(way, 1, "nobody-asks-for-it").memory_mib(memory_mib).start()?;
        let line = web.machine.wait_for_line(DEADLINE, REFUSED)?;
        ensure!(
            line.contains("memory") && line.contains("MiB"),
            "{}: the line does not name the memory: {line}",
            way.name()
        );
        let ended = web.machine.wait_for_end(DEADLINE)?;
        ensure!(is_failure(ended), "{}: {memory_mib} MiB refused with {ended}", way.name());
    }
    Ok(())
}
