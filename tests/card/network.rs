//! A network namespace with one tap interface, made as an ordinary user can.
//!
//! Invariant: everything in it is gone when the last process in it ends.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// The interface's name; nobody else is in the namespace.
pub(super) const TAP: &str = "tap0";
/// Our end of the cable.
const ADDRESS: &str = "10.77.0.1/24";
/// Set for the process inside.
const INSIDE: &str = "BOOTSTACK_TEST_NAMESPACE";

/// Where this process is.
pub(super) enum Place {
    /// In the namespace, with the interface up.
    Inside,
    /// Outside: this is how the process inside ended.
    Outside(ExitCode),
}

/// Starts this program again inside (unshare(1)), or prepares the namespace if this is inside.
pub(super) fn enter() -> Result<Place> {
    if env::var_os(INSIDE).is_some() {
        prepare()?;
        return Ok(Place::Inside);
    }
    let program = env::current_exe().context("which program is this?")?;
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .arg(program)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .context("unshare cannot be started: apt-get install util-linux")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(Place::Outside(code.into()))
}

fn prepare() -> Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    ip(&["tuntap", "add", TAP, "mode", "tap", "vnet_hdr"])?;
    ip(&["address", "add", ADDRESS, "dev", TAP])?;
    ip(&["link", "set", TAP, "up"])
}

/// The greatest packet that we send.
pub(super) fn set_mtu(bytes: u32) -> Result<()> {
    ip(&["link", "set", TAP, "mtu", &bytes.to_string()])
}

/// Forgets that a machine before this one did not answer.
pub(super) fn forget_neighbors() -> Result<()> {
    ip(&["neighbor", "flush", "dev", TAP])
}

fn ip(arguments: &[&str]) -> Result<()> {
    let status = Command::new("ip")
        .args(arguments)
        .status()
        .context("ip cannot be started: apt-get install iproute2")?;
    ensure!(status.success(), "ip {} failed", arguments.join(" "));
    Ok(())
}
