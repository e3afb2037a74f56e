//! `cargo xtask check`: what every change passes before it is committed: format, lints, fast tests.
//!
//! It boots nothing, and starts a database only for queries or tables that have changed. Invariant: it changes no file of
//! the checkout unless it is asked to.
use ::image::Layout;
use anyhow::Result;
use clap::Args;
use xshell::{Shell, cmd};

use crate::build::Packages;
use crate::nested::cargo;
use crate::preflight::{self, Purpose};

mod queries;

pub(crate) use queries::Found;

/// The loader's workspace: its pure parts are judged on this host, its machine code by the boots of `test`.
const LOADER: &str = "image/boot/Cargo.toml";

/// Check format and lints and run the fast tests: before every commit
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// First write the descriptions of the site's queries anew (service/db/.sqlx), after a change of a query or a migration
    #[arg(long)]
    write_queries: bool,
    #[command(flatten)]
    preflight: preflight::Flags,
    #[command(flatten)]
    packages: Packages,
}

impl Check {
    pub(crate) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        preflight::check(&layout, &[Purpose::Judge], self.preflight)?;
        let found = if self.write_queries { Found::Write } else { Found::Refuse };
        check(&layout, found, self.packages, self.preflight)
    }
}

/// All checks, the quickest first.
pub(crate) fn check(
    layout: &Layout,
    found: Found,
    packages: Packages,
    flags: preflight::Flags,
) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(layout.root());
    cargo(&shell, &["fmt", "--all", "--check"]).run()?;
    cargo(&shell, &["fmt", "--all", "--check", "--manifest-path", LOADER]).run()?;
    // Without it the next two would fail for a new query, and not say why.
    queries::prove(layout, found, packages.policy(), flags)?;
    cargo(&shell, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run()?;
    // `--all-targets` leaves out what a plain `cargo test` does: the suites that need a machine.
    cargo(&shell, &["clippy", "--package", "tests", "--test", "*", "--", "--deny", "warnings"]).run()?;
    cargo(&shell, &["test", "--workspace"]).run()?;
    loader(layout, &shell)?;
    deny(&shell)
}

/// Its build results go to `target`, not beside its sources.
fn loader(layout: &Layout, shell: &Shell) -> Result<()> {
    let target = layout.build("loader-on-host");
    let common = ["--workspace", "--lib", "--tests", "--manifest-path", LOADER, "--target-dir"];
    cargo(shell, &["clippy"]).args(common).arg(&target).args(["--", "--deny", "warnings"]).run()?;
    cargo(shell, &["test"]).args(common).arg(&target).run()?;
    Ok(())
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
