//! Room on the disk, before it runs out in the middle of a build.
//!
//! It frees nothing. Invariant: a build does not begin where it cannot end.
use std::fs;
use std::path::Path;

use ::image::{Layout, progress};
use anyhow::{Context, Result, ensure};

/// A whole build from nothing: compiled dependencies for host and guest, the db machine's tree, both images.
const BUILD_BYTES: u64 = 8 << 30;
/// One more build where most is there already, and what a running stack writes.
const REBUILD_BYTES: u64 = 2 << 30;
/// Downloads, kept for the next checkout.
const CACHE_BYTES: u64 = 1 << 30;

/// Checks the folders that will be written to.
pub(super) fn check(layout: &Layout) -> Result<()> {
    let built = layout.images().is_dir();
    let needed = if built { REBUILD_BYTES } else { BUILD_BYTES };
    check_folder(layout.target(), needed, "BOOTSTACK_TARGET")?;
    check_folder(layout.cache(), if built { 0 } else { CACHE_BYTES }, "BOOTSTACK_CACHE")?;
    check_folder(layout.data(), 0, "BOOTSTACK_DATA")
}

fn check_folder(folder: &Path, needed: u64, variable: &str) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}: {}", folder.display(), elsewhere(variable)))?;
    tempfile::tempfile_in(folder)
        .with_context(|| format!("cannot write in {}: {}", folder.display(), elsewhere(variable)))?;
    let free = free_bytes(folder)?;
    ensure!(
        free >= needed,
        "{} has {} free and {} are needed: make room, or {}",
        folder.display(),
        progress::size(free),
        progress::size(needed),
        elsewhere(variable)
    );
    Ok(())
}

fn elsewhere(variable: &str) -> String {
    format!("set {variable} to a folder elsewhere")
}

/// What an ordinary user may still use.
fn free_bytes(folder: &Path) -> Result<u64> {
    let found =
        rustix::fs::statvfs(folder).with_context(|| format!("cannot examine {}", folder.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_refused_with_both_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let error = check_folder(folder.path(), u64::MAX, "BOOTSTACK_TARGET").unwrap_err().to_string();
        assert!(
            error.contains("iB free and 16.00 EiB are needed") && error.contains("BOOTSTACK_TARGET"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_refused_with_the_remedy() {
        let error =
            check_folder(Path::new("/proc/bootstack"), 0, "BOOTSTACK_TARGET").unwrap_err().to_string();
        assert!(error.ends_with("set BOOTSTACK_TARGET to a folder elsewhere"), "{error}");
    }
}
