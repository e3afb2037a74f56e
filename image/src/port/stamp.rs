//! When an edited copy may be used again: it carries the sum of everything it was made of.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The stamp's name in the edited copy. Cargo ignores it.
const NAME: &str = ".bootstack-port";

/// Changes whenever the way in which a port is applied changes.
const REVISION: &str = "1";

/// The sha256 of `content` in lower-case hexadecimal.
#[must_use]
pub fn sum(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sum of a port's folder: names and contents.
pub(super) fn of(folder: &Path) -> Result<String> {
    let mut sums = format!("{REVISION}\n");
    for file in files_below(folder)? {
        let path = folder.join(&file);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        sums += &format!("{} {file}\n", sum(&content));
    }
    Ok(sum(sums.as_bytes()))
}

pub(super) fn is_current(copy: &Path, stamp: &str) -> bool {
    fs::read_to_string(copy.join(NAME)).is_ok_and(|present| present == stamp)
}

pub(super) fn write(copy: &Path, stamp: &str) -> Result<()> {
    let path = copy.join(NAME);
    fs::write(&path, stamp).with_context(|| format!("cannot write {}", path.display()))
}

/// All files below `folder`, as paths from it, sorted. No folder means no files.
pub(super) fn files_below(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(folder, "", &mut files)?;
    files.sort_unstable();
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}
