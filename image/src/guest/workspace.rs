//! The workspace that the application is built in, generated below `target/`.
//!
//! It is the checkout's manifest with the ports patched in; every member is a symbolic link, so an edit in `service`
//! is seen at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

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
        link(&layout.root().join(member), &folder.join(member))?;
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

/// Makes `at` a symbolic link to `to`, unless it is one already.
pub(super) fn link(to: &Path, at: &Path) -> Result<()> {
    match fs::read_link(at) {
        Ok(present) if present == to => return Ok(()),
        Ok(_) => fs::remove_file(at).with_context(|| format!("cannot remove {}", at.display()))?,
        Err(_) if at.exists() => bail!("{} is in the way: remove it", at.display()),
        Err(_) => {}
    }
    symlink(to, at).with_context(|| format!("cannot create {}", at.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
