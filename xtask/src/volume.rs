//! The volume of the local stack: a sparse file below the user's data folder, out of reach of `cargo clean`.
//!
//! It never looks inside: the db machine judges what a volume holds. Invariant: a volume is made, or grown, or, with both
//! flags given, removed; it is never cut short.
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ::image::debian::Policy;
use ::image::{Layout, Stack, db, progress};
use anyhow::{Context, Result};

use crate::mysql;

const MIB: u64 = 1 << 20;
/// Blocks in `stat` count 512 bytes (stat(2)).
const BLOCK_BYTES: u64 = 512;

/// Where the volume is.
pub(crate) fn path(layout: &Layout) -> PathBuf {
    layout.data().join("volume.raw")
}

/// The volume's file, made or grown to the size of `stack.toml`. A new one is made on the host, which is quicker than the
/// machine by a minute.
pub(crate) fn open(layout: &Layout, stack: &Stack, fresh: bool, policy: Policy) -> Result<PathBuf> {
    let path = path(layout);
    if fresh {
        remove(&path)?;
    }
    let wanted = u64::from(stack.db.volume_mib) * MIB;
    match fs::metadata(&path).map(|metadata| metadata.len()) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            db::make_volume(&mysql::prepare(layout, policy)?, &path, wanted)?;
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        Ok(present) if present < wanted => grow(&path, wanted)?,
        Ok(present) if present > wanted => {
            progress::note(format!(
                "the volume keeps its {}: it is never cut short",
                progress::size(present)
            ));
        }
        Ok(_) => {}
    }
    let used = fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * BLOCK_BYTES);
    progress::note(format!("volume: {} ({} used)", path.display(), progress::size(used)));
    Ok(path)
}

fn grow(path: &Path, wanted: u64) -> Result<()> {
    let grown = File::options().write(true).open(path).and_then(|file| file.set_len(wanted));
    grown.with_context(|| format!("cannot grow the volume {}", path.display()))
}

fn remove(path: &PathBuf) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => {
            progress::note(format!("destroyed the volume {}", path.display()));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_grows_and_never_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let mut stack = Stack::load(&Layout::here().unwrap()).unwrap();
        let layout = Layout::below(folder.path());
        fs::create_dir_all(layout.data()).unwrap();
        fs::write(path(&layout), "rows").unwrap();
        for (asked, expected) in [(600, 600), (512, 600)] {
            stack.db.volume_mib = asked;
            let path = open(&layout, &stack, false, Policy::Locked).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), expected * MIB);
        }
        let mut start = [0; 4];
        std::io::Read::read_exact(&mut File::open(path(&layout)).unwrap(), &mut start).unwrap();
        assert_eq!(&start, b"rows");
    }
}
