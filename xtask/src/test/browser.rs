//! axe for the browser suite: fetched once by npm.
//!
//! Invariant: what comes from the registry is used only with the sum that stands here.
use std::fs;
use std::process::Command;

use ::image::{Layout, command, progress};
use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha512};

/// Name and version in the npm registry; the suite looks for the files under this name in the cache.
const AXE: (&str, &str) = ("axe-core", "4.14.1");
/// SHA-512 of its package, as the registry's `integrity` says in base64.
const AXE_SHA512: &str = concat!(
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73",
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
);

/// axe into the cache, by npm itself.
pub(super) fn fetch_axe(layout: &Layout) -> Result<()> {
    let (name, version) = AXE;
    let folder = layout.cache().join(format!("{name}-{version}"));
    if folder.join("package/axe.min.js").exists() {
        return Ok(());
    }
    let step = progress::start(format!("{name} {version}"));
    fs::create_dir_all(layout.cache())?;
    let fetched = tempfile::tempdir_in(layout.cache())?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", &format!("{name}@{version}"), "--pack-destination"]).arg(fetched.path());
    command::run(&mut npm)?;
    let package = fetched.path().join(format!("{name}-{version}.tgz"));
    let bytes = fs::read(&package).with_context(|| format!("cannot read {}", package.display()))?;
    let sum: String = Sha512::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(sum == AXE_SHA512, "{name} {version} has the SHA-512 {sum}, not the one that is pinned");
    let unpacked = fetched.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--file"]).arg(&package).arg("--directory").arg(&unpacked);
    command::run(&mut tar)?;
    fs::rename(&unpacked, &folder).with_context(|| format!("cannot create {}", folder.display()))?;
    step.done("");
    Ok(())
}
