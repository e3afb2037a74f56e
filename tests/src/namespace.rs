//! A network namespace of a suite's own, as an ordinary user can have it.
//!
//! Invariant: everything in it is gone when the last process in it ends, and the host's own network is never touched.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// Set for the process inside.
const INSIDE: &str = "BOOTSTACK_TEST_NAMESPACE";

/// Where this process is.
pub enum Place {
    /// In the namespace, with nothing there but the loopback interface, which is up.
    Inside,
    /// Outside: this is how the process inside ended.
    Outside(ExitCode),
}

/// Starts this program again inside (unshare(1)), unless this is inside.
///
/// # Errors
/// When the host lets no user make namespaces, or has no unshare(1).
pub fn enter() -> Result<Place> {
    if env::var_os(INSIDE).is_some() {
        ip("link set lo up")?;
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

/// ip(8) with these words.
///
/// # Errors
/// When it is not there, or refuses.
pub fn ip(words: &str) -> Result<()> {
    let status = Command::new("ip")
        .args(words.split(' '))
        .status()
        .context("ip cannot be started: apt-get install iproute2")?;
    ensure!(status.success(), "ip {words} failed");
    Ok(())
}
