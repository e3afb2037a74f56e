//! A cargo inside a cargo: as a person would have typed it, for packages that run on this host.
//!
//! Invariant: it sees nothing of the cargo that started this program but where build results go.
use std::env;
use std::path::Path;
use std::process::Command;

use ::image::command;
use xshell::{Cmd, Shell, cmd};

/// Where a person has put build results; the guest's own go elsewhere.
const TARGET: &str = "CARGO_TARGET_DIR";

/// For output that is read here.
pub(crate) fn command() -> Command {
    let mut cargo = command::cargo(Path::new("cargo"));
    if let Some(folder) = env::var_os(TARGET) {
        cargo.env(TARGET, folder);
    }
    cargo
}

/// For output that goes to the person.
pub(crate) fn cargo<'a>(shell: &'a Shell, arguments: &[&str]) -> Cmd<'a> {
    let cargo = cmd!(shell, "cargo").args(arguments);
    command().get_envs().fold(cargo, |cargo, (name, value)| match value {
        Some(value) => cargo.env(name, value),
        None => cargo.env_remove(name),
    })
}
