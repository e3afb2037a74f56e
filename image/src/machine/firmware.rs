//! Where the host keeps OVMF, the UEFI firmware for QEMU.
//!
//! It does not install it. Invariant: code and variables come from the same build.
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// OVMF's two halves.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// The code.
    pub code: PathBuf,
    /// The variables as they are at first.
    pub variables: PathBuf,
}

/// Code and variables as distributions lay them out: Debian 12, Debian, Arch, Fedora, Alpine (each package's file list).
const PLACES: [(&str, &str); 5] = [
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/ovmf/OVMF_CODE.fd", "/usr/share/ovmf/OVMF_VARS.fd"),
];

/// Finds the firmware.
///
/// # Errors
/// When it lies in none of the known places.
pub fn find() -> Result<Firmware> {
    let found =
        PLACES.iter().find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file());
    let (code, variables) = found
        .context("UEFI firmware (OVMF) not found: `cargo xtask up` installs it on Debian (package ovmf)")?;
    Ok(Firmware { code: code.into(), variables: variables.into() })
}

impl Firmware {
    /// Both halves as one ROM, the way a build of OVMF lays them out. The firmware then keeps its variables in memory, which
    /// suits a machine that keeps nothing: in flash, each one that it writes at a start has QEMU translate the firmware's
    /// code anew (1.4 s of 5.2 s until the loader starts, measured).
    pub(super) fn rom(&self) -> Result<Vec<u8>> {
        let read = |half: &Path| fs::read(half).with_context(|| format!("cannot read {}", half.display()));
        Ok([read(&self.variables)?, read(&self.code)?].concat())
    }
}
