//! `cargo xtask check`: what every change passes before it is committed: format, lints, fast tests.
//!
//! It boots nothing and starts no database. Invariant: it changes no file of the checkout.
use ::image::Layout;
use anyhow::Result;
use clap::Args;
use xshell::{Shell, cmd};

use crate::nested::cargo;
use crate::preflight::{self, Purpose};

/// The workspaces beside the main one that hold sources of ours.
const OTHER_WORKSPACES: [&str; 1] = ["image/boot"];

/// Check format and lints and run the fast tests: before every commit
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    preflight: preflight::Flags,
}

impl Check {
    pub(crate) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        preflight::check(&layout, &[Purpose::Judge], self.preflight)?;
        check(&layout)
    }
}

/// All checks, the quickest first.
pub(crate) fn check(layout: &Layout) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(layout.root());
    cargo(&shell, &["fmt", "--all", "--check"]).run()?;
    for workspace in OTHER_WORKSPACES {
        let manifest = format!("{workspace}/Cargo.toml");
        cargo(&shell, &["fmt", "--all", "--check", "--manifest-path", &manifest]).run()?;
    }
    cargo(&shell, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run()?;
    cargo(&shell, &["test", "--workspace"]).run()?;
    deny(&shell)
}

/// Licences, advisories and sources of dependencies, where cargo-deny is installed: it is no package of Debian's, and
/// building it takes longer than everything else here.
fn deny(shell: &Shell) -> Result<()> {
    if cmd!(shell, "cargo deny --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        eprintln!(
            "cargo-deny is not installed: licences and advisories were not checked (cargo install cargo-deny)"
        );
        return Ok(());
    }
    cargo(shell, &["deny", "--offline", "check", "bans", "licenses", "sources"]).run()?;
    Ok(())
}
