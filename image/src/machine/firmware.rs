//! Where the host keeps OVMF, the UEFI firmware for QEMU.
//!
//! It does not install it. Invariant: code and variables come from the same build.
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// OVMF's two halves.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// Read-only code.
    pub code: PathBuf,
    /// Template of the variables, copied for each machine.
    pub variables: PathBuf,
}

/// Code and variables as distributions lay them out: Debian, Arch, Fedora, Alpine (each package's file list).
const PLACES: [(&str, &str); 5] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
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
