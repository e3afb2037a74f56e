//! This program once more, in a network namespace where it may make interfaces: as any user may, without root.
//!
//! Invariant: what is made there is gone with the last program in it.
use std::env;
use std::process::{self, Command};

use anyhow::{Context, Result};

/// Runs the same command line with `--inside` in new user, network and mount namespaces, and ends as it ends.
pub(in crate::bench) fn enter() -> Result<()> {
    let program = env::current_exe().context("this program does not know its own file")?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--net", "--mount", "--"]).arg(program);
    unshare.args(env::args_os().skip(1)).arg("--inside");
    let status = unshare.status().context("unshare cannot be run")?;
    if status.success() { Ok(()) } else { process::exit(status.code().unwrap_or(1)) }
}
