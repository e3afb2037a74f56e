//! Before anything is changed: everything that is wrong is told at once, and the image is built and put aside.
//!
//! Invariant: the image that is tried, placed and started is one and the same file, named by its sum.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::image::{Layout, command, layout, progress};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::Release;
use super::config::{Config, Keeper};
use super::evidence::{read, write};
use super::stage::{self, provider, zone};
use crate::preflight::{self, Purpose};
pub(super) use crate::provider::local::release_folder as folder;
use crate::{build, image, smoke};

/// What the next release brings.
#[derive(Serialize, Deserialize)]
pub(super) struct Prepared {
    /// SHA-256 of the image.
    pub(super) image: String,
    /// The commit that it was built from.
    pub(super) commit: String,
}

/// Where the image of this sum is put aside.
pub(super) fn image_path(layout: &Layout, sum: &str) -> PathBuf {
    folder(layout).join("images").join(format!("{sum}.raw"))
}

/// Looks at tree, configuration, provider and name servers; fails with all that is wrong.
pub(super) fn check(release: &Release, layout: &Layout, config: &Config) -> Result<()> {
    preflight::check(layout, &[Purpose::Build, Purpose::Boot], release.preflight)?;
    let mut problems = Vec::new();
    if !release.allow_dirty && release.image.is_none() {
        problems.extend(dirty(layout)?);
    }
    if config.machines.provider == Keeper::Command {
        problems.extend(outside(release, layout, config));
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("nothing was changed, for:\n  {}", problems.join("\n  "))
}

fn outside(release: &Release, layout: &Layout, config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    for path in [&config.machines.configuration, &config.machines.root].into_iter().flatten() {
        if let Err(error) = fs::read(path) {
            problems.push(format!("{}: {error}", path.display()));
        }
    }
    problems.extend(provider(layout, config).lacks());
    match zone(layout, config, release.common.dns) {
        Ok(zone) => problems.extend(stage::lacks(&zone, release.common.dns)),
        Err(error) => problems.push(format!("{error:#}")),
    }
    problems
}

fn dirty(layout: &Layout) -> Result<Option<String>> {
    let changes = git(layout, &["status", "--porcelain"])?;
    let count = changes.lines().count();
    Ok((count > 0).then(|| {
        format!(
            "{count} files differ from the commit that would be released: commit them, or add --allow-dirty"
        )
    }))
}

fn git(layout: &Layout, words: &[&str]) -> Result<String> {
    let output = command::output(Command::new("git").args(words).current_dir(layout.root()))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// Builds the image, or takes the given one, and puts it aside.
pub(super) fn image(release: &Release, layout: &Layout, config: &Config) -> Result<()> {
    let built;
    let file: &Path = match &release.image {
        Some(file) => file,
        None => {
            built = build::web(layout)?;
            built.files()[0]
        }
    };
    if config.machines.provider == Keeper::Local {
        build::db(layout, release.packages.policy())?;
    }
    // Compiled where the network is; inside the box it is only found again.
    smoke::build(layout)?;
    let (sum, _) = image::sum(file).with_context(|| format!("cannot read {}", file.display()))?;
    let aside = image_path(layout, &sum);
    if !aside.exists() {
        layout::replace(&aside, |temporary| {
            fs::copy(file, temporary).with_context(|| format!("cannot copy {}", file.display())).map(drop)
        })?;
    }
    let commit = git(layout, &["rev-parse", "HEAD"]).unwrap_or_default();
    progress::note(format!("image {} of commit {}", super::short(&sum), super::short(&commit)));
    write(&folder(layout).join("prepared.json"), &Prepared { image: sum, commit })
}

/// What was put aside last.
pub(super) fn prepared(layout: &Layout) -> Result<Prepared> {
    read(&folder(layout).join("prepared.json"))?.context("nothing was built to be released")
}
