//! Opens `.deb`s without running anything that is in them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Package, cache};
use crate::{Layout, command};

/// Unpacks `package` into `folder`. Its maintainer scripts stay where they are.
///
/// # Errors
/// When the cached file is damaged, or the disk is full.
pub fn unpack(layout: &Layout, package: &Package, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = cache::path(layout, package);
    if let Err(error) = cache::verify(&file, package) {
        return Err(error.context(format!("remove {} and build again", file.display())));
    }
    command::run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(folder))
}
