//! schemathesis for the suite of programs: fetched once by pip, into a folder of its own.
//!
//! Invariant: the folder has its final name only when everything is in it.
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ::image::{Layout, command, progress};
use anyhow::{Context, Result};

/// Names the Python that has it.
pub(super) const PYTHON: &str = "BOOTSTACK_SCHEMATHESIS";
/// In the Python package index.
const PACKAGE: &str = "schemathesis==4.32.5";

/// The Python that has it.
pub(super) fn fetch(layout: &Layout) -> Result<PathBuf> {
    let folder = layout.cache().join(PACKAGE);
    let python = folder.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    let step = progress::start(PACKAGE.to_owned());
    fs::create_dir_all(layout.cache())?;
    let fetched = tempfile::tempdir_in(layout.cache())?;
    let environment = fetched.path().join("environment");
    command::run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]);
    command::run(&mut pip)?;
    fs::rename(&environment, &folder).with_context(|| format!("cannot create {}", folder.display()))?;
    step.done("");
    Ok(python)
}
