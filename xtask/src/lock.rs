//! One at a time: a build of a checkout, and a change of its running stack.
//!
//! The kernel drops a lock with its holder, however that dies, so there are no stale locks. Invariant: a lock file is
//! never removed, and its text (the holder's process id) is for people only.
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::process;

use ::image::{Layout, progress};
use anyhow::{Context, Result, bail};

/// For a target folder that cannot be written.
const REMEDY: &str = "set BOOTSTACK_TARGET to a folder elsewhere";

/// Held while it lives.
#[must_use]
pub(crate) struct Lock {
    _file: File,
}

/// The right to build in this checkout; waits for another builder, and says so.
pub(crate) fn build(layout: &Layout) -> Result<Lock> {
    let path = layout.target().join("build.lock");
    let file = open(&path)?;
    if !try_lock(&file, &path)? {
        progress::note(format!("{} is building in this checkout: waiting for it", holder(&path)));
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    for folder in [layout.target().to_owned(), layout.images(), layout.build("db")] {
        clear_partial(&folder)?;
    }
    held(file, &path)
}

/// The right to start and stop the stack of this checkout.
pub(crate) fn stack(layout: &Layout) -> Result<Lock> {
    or_refuse(layout, "stack.lock", "starts or stops the stack of")
}

/// The right to move records and machines.
pub(crate) fn release(layout: &Layout) -> Result<Lock> {
    or_refuse(layout, "release.lock", "releases from")
}

/// The right to measure: two that measure at once measure each other, and share a folder.
pub(crate) fn bench(layout: &Layout) -> Result<Lock> {
    or_refuse(layout, "bench.lock", "measures in")
}

/// Held, or a refusal that says who does what meanwhile.
fn or_refuse(layout: &Layout, name: &str, does: &str) -> Result<Lock> {
    let path = layout.target().join(name);
    let file = open(&path)?;
    if !try_lock(&file, &path)? {
        bail!("{} {does} this checkout: wait until it is done", holder(&path));
    }
    held(file, &path)
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}: {REMEDY}", folder.display()))?;
    }
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).with_context(|| format!("cannot write {}: {REMEDY}", path.display()))
}

fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn held(mut file: File, path: &Path) -> Result<Lock> {
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
    noted.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Lock { _file: file })
}

fn holder(path: &Path) -> String {
    let id = fs::read_to_string(path).unwrap_or_default();
    let id = id.trim();
    if id.is_empty() {
        "another `cargo xtask`".to_owned()
    } else {
        format!("another `cargo xtask` (process {id})")
    }
}

/// Clears what interrupted builds left: files and folders that never got their final names (`image::layout::replace`).
fn clear_partial(folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".partial-") {
            let is_folder = entry.file_type()?.is_dir();
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_with_the_first_ones_process() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        for lock in [stack, release, bench] {
            let first = lock(&layout).unwrap();
            let refused = lock(&layout).err().unwrap().to_string();
            assert!(refused.contains(&format!("(process {})", process::id())), "{refused}");
            drop(first);
            let _second = lock(&layout).unwrap();
        }
    }

    #[test]
    fn what_an_interrupted_build_left_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        fs::create_dir_all(layout.images()).unwrap();
        let (left, whole) = (layout.images().join(".partial-Xy"), layout.images().join("web.raw"));
        fs::write(&left, "").unwrap();
        fs::write(&whole, "").unwrap();
        let unpacked = layout.build("db").join(".partial-Zq");
        fs::create_dir_all(unpacked.join("root/usr")).unwrap();
        let _lock = build(&layout).unwrap();
        assert!(!left.exists() && !unpacked.exists() && whole.exists());
    }
}
