//! What strangers' bytes meet first, guided by coverage (`tests/fuzz`): cargo-fuzz, fetched once, and each target for a while.
//!
//! Invariant: what was found stays: inputs that reach something new join the target's corpus, one that fails lies below
//! `tests/fuzz/artifacts`.
use std::fs;
use std::path::{Path, PathBuf};

use ::image::{Layout, kernel, progress, toolchain};
use anyhow::{Context, Result, ensure};
use xshell::Shell;

use crate::nested::cargo;

/// In the registry that cargo uses.
const PACKAGE: &str = "cargo-fuzz";
const VERSION: &str = "0.13.2";
/// Of one target.
const SECONDS: u32 = 60;
/// More than a frame of the usual MTU.
const MOST_BYTES: u32 = 2048;

/// Runs every target.
///
/// # Errors
/// When cargo-fuzz cannot be had, or a target fails; the others are run all the same.
pub(super) fn run(layout: &Layout, shell: &Shell) -> Result<()> {
    let program = fetch(layout, shell)?;
    let folder = layout.root().join("tests/fuzz");
    // A target compiles the kernel's smoltcp.
    let link = layout.build("fuzz").join("smoltcp");
    fs::create_dir_all(layout.build("fuzz"))?;
    kernel::link_smoltcp(layout, &toolchain::find(layout)?, &link)?;
    let targets = targets(&folder)?;
    let failed: Vec<&String> =
        targets.iter().filter(|target| !holds(layout, shell, &program, &folder, target)).collect();
    ensure!(
        failed.is_empty(),
        "failed: {failed:?}; the inputs lie below {}",
        folder.join("artifacts").display()
    );
    Ok(())
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(folder.join("targets")).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for file in files {
        names.extend(file?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn holds(layout: &Layout, shell: &Shell, program: &Path, folder: &Path, target: &str) -> bool {
    eprintln!("fuzzing {target} for {SECONDS} s");
    // Without sanitizers, which want a nightly compiler: what is judged is safe code, and a panic is a finding.
    let run = shell.cmd(program).args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"]).arg(folder);
    let run = run.arg("--target-dir").arg(layout.target().join("fuzz")).arg(target).arg("--");
    run.arg(format!("-max_total_time={SECONDS}")).arg(format!("-max_len={MOST_BYTES}")).run().is_ok()
}

/// The program, compiled once for this user.
fn fetch(layout: &Layout, shell: &Shell) -> Result<PathBuf> {
    let root = layout.cache().join(format!("{PACKAGE}-{VERSION}"));
    let program = root.join("bin").join(PACKAGE);
    if program.exists() {
        return Ok(program);
    }
    let step = progress::start(format!("{PACKAGE} {VERSION}"));
    let install = cargo(shell, &["install", "--quiet", "--locked", "--version", VERSION, PACKAGE, "--root"]);
    install.arg(&root).run()?;
    step.done("");
    Ok(program)
}
