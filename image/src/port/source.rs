//! A crate's pristine source: cargo fetches it and checks its sum; we copy it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::manifest::Manifest;
use crate::{Layout, Toolchain, command, layout};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
}

/// The folder in cargo's registry that holds the crate as it was published. Offline when it is there already.
pub(super) fn fetch(layout: &Layout, toolchain: &Toolchain, port: &Manifest) -> Result<PathBuf> {
    let folder = layout.build("ports").join("fetch").join(&port.name);
    write_asking_package(&folder, port)?;
    let offline = metadata(toolchain, &folder, &["--offline"]);
    let json = match offline {
        Ok(json) => json,
        Err(_) => metadata(toolchain, &folder, &[])
            .with_context(|| format!("cannot fetch the crate {} {}", port.name, port.version))?,
    };
    let found: Metadata = serde_json::from_slice(&json).context("cargo metadata printed no metadata")?;
    let package = found.packages.into_iter().find(|p| p.name == port.name && p.version == port.version);
    let manifest = package.with_context(|| format!("cargo did not fetch {} {}", port.name, port.version))?;
    manifest.manifest_path.parent().map(Path::to_owned).context("a manifest lies in no folder")
}

/// A package whose only purpose is to depend on the crate.
fn write_asking_package(folder: &Path, port: &Manifest) -> Result<()> {
    let manifest = format!(
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n\
         [dependencies.{}]\nversion = \"={}\"\ndefault-features = false\n\n[workspace]\n",
        port.name, port.version
    );
    layout::replace_with(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    layout::replace_with(&folder.join("lib.rs"), b"")
}

fn metadata(toolchain: &Toolchain, folder: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut cargo = toolchain.cargo();
    cargo.current_dir(folder).args(["metadata", "--quiet", "--format-version=1"]);
    cargo.args(["--filter-platform", "x86_64-unknown-none"]).args(arguments);
    command::output(&mut cargo)
}

pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_folder(&path, &to.join(name))?;
        } else {
            copy_file(&path, &to.join(name))?;
        }
    }
    Ok(())
}

/// Copies content only, so that a read-only registry does not make the copy read-only.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(to, content).with_context(|| format!("cannot write {}", to.display()))
}
