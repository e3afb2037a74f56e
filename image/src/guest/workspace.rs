//! The workspace that the application is built in, generated below `target/`.
//!
//! It is the checkout's manifest with the ports patched in; every member is a symbolic link, so an edit in `service`
//! is seen at once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::link::link;
use crate::port::Port;
use crate::{Layout, layout};

#[derive(Deserialize)]
struct Manifest {
    workspace: Workspace,
}

#[derive(Deserialize)]
struct Workspace {
    members: Vec<String>,
}

/// Writes what has changed and returns the workspace's folder.
pub(super) fn generate(layout: &Layout, ports: &[Port]) -> Result<PathBuf> {
    let folder = layout.build("guest-workspace");
    let text = read(&layout.root().join("Cargo.toml"))?;
    let manifest: Manifest = toml::from_str(&text).context("the checkout's Cargo.toml is no workspace")?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for member in &manifest.workspace.members {
        // A member may lie in another one's folder.
        let top = member.split('/').next().unwrap_or(member);
        link(&layout.root().join(top), &folder.join(top))?;
    }
    link(&layout.build("ports"), &folder.join("ports"))?;
    let manifest = text + &super::patches(ports);
    layout::replace_with(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    follow_lock(layout, &folder, &manifest)?;
    Ok(folder)
}

/// Starts from the checkout's lock file whenever that or the ports change; cargo then adapts only what the ports
/// touch and keeps every other version.
fn follow_lock(layout: &Layout, folder: &Path, manifest: &str) -> Result<()> {
    let lock = read(&layout.root().join("Cargo.lock"))?;
    let made_of = folder.join("lock.made-of");
    let now = format!("{manifest}\n{lock}");
    if fs::read_to_string(&made_of).is_ok_and(|then| then == now) && folder.join("Cargo.lock").exists() {
        return Ok(());
    }
    layout::replace_with(&folder.join("Cargo.lock"), lock.as_bytes())?;
    layout::replace_with(&made_of, now.as_bytes())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
