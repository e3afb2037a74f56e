//! What `cargo xtask test --long` runs after everything else: suites that take too long for each change.
//!
//! A suite is a line in [`SUITES`]. Invariant: images are built and the host is equipped when the first one starts; a
//! suite that fails does not keep the next from running, and all failures are named at the end.
use ::image::Layout;
use anyhow::{Result, bail};
use xshell::Shell;

use super::fuzz;
use crate::nested::cargo;

/// One `cargo` command.
struct Suite {
    /// What it judges, as a reader of the output knows it.
    name: &'static str,
    /// Arguments of `cargo`, from `test` on.
    arguments: &'static [&'static str],
    /// How often: a suite that draws at random finds something else each time.
    rounds: u32,
}

/// In this order. `tests` targets here have `test = false` and read what they need from `target/bootstack`.
const SUITES: &[Suite] = &[
    Suite {
        name: "a real browser at the site in QEMU",
        arguments: &["test", "--package", "tests", "--test", "browser"],
        rounds: 1,
    },
    Suite {
        name: "lifecycle, with other moments for power cuts and other damage each time",
        arguments: &["test", "--package", "tests", "--test", "lifecycle"],
        rounds: 9,
    },
    Suite {
        name: "lifecycle, what takes minutes",
        arguments: &["test", "--package", "tests", "--test", "lifecycle", "--", "long"],
        rounds: 1,
    },
    Suite {
        name: "releases under load, in a box with name servers",
        arguments: &["test", "--package", "tests", "--test", "release"],
        rounds: 1,
    },
    Suite {
        name: "every kind of network card",
        arguments: &["test", "--package", "tests", "--test", "card"],
        rounds: 1,
    },
    Suite {
        name: "hostile peers at full size",
        arguments: &["test", "--package", "tests", "--test", "hostile", "--", "long"],
        rounds: 1,
    },
];

/// Runs every suite.
pub(super) fn run(layout: &Layout, shell: &Shell) -> Result<()> {
    let mut failed: Vec<&str> =
        SUITES.iter().filter(|suite| !passes(shell, suite)).map(|suite| suite.name).collect();
    if let Err(error) = fuzz::run(layout, shell) {
        eprintln!("{error:#}");
        failed.push("strangers' bytes");
    }
    if !failed.is_empty() {
        bail!("{} of {} long suites failed:\n  {}", failed.len(), SUITES.len() + 1, failed.join("\n  "));
    }
    Ok(())
}

fn passes(shell: &Shell, suite: &Suite) -> bool {
    (1..=suite.rounds).all(|round| {
        eprintln!("long suite: {} ({round} of {})", suite.name, suite.rounds);
        cargo(shell, suite.arguments).run().is_ok()
    })
}
