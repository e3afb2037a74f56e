//! The volume of the local stack: a sparse file below the user's data folder, out of reach of `cargo clean`.
//!
//! It never looks inside, but for its own mark of an unused one: the db machine judges what a volume holds. Invariant:
//! a volume is made, or grown, or, with both flags given, removed; one that was used is never cut short.
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use ::image::{Layout, Stack, db, progress};
use anyhow::{Context, Result};

const MIB: u64 = 1 << 20;
/// Blocks in `stat` count 512 bytes (stat(2)).
const BLOCK_BYTES: u64 = 512;

/// Where the volume is.
pub(crate) fn path(layout: &Layout) -> PathBuf {
    layout.data().join("volume.raw")
}

/// The volume's file, made or grown to the size of `stack.toml`.
pub(crate) fn open(layout: &Layout, stack: &Stack, fresh: bool) -> Result<PathBuf> {
    let path = path(layout);
    if fresh {
        remove(&path)?;
    }
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot open the volume {}", path.display()))?;
    let metadata = file.metadata()?;
    let (present, wanted) = (metadata.len(), u64::from(stack.db.volume_mib) * MIB);
    if present < wanted {
        grow(&file, present, wanted).with_context(|| format!("cannot grow the volume {}", path.display()))?;
    }
    if present > wanted {
        progress::note(format!("the volume keeps its {}: it is never cut short", progress::size(present)));
    }
    let used = progress::size(metadata.blocks() * BLOCK_BYTES);
    progress::note(format!("volume: {} ({used} used)", path.display()));
    Ok(path)
}

/// Grows the file; one in which nothing was ever stored says so to the db machine, which then need not read it all.
fn grow(file: &File, present: u64, wanted: u64) -> std::io::Result<()> {
    let unused = present == 0 || db::is_marked_blank(file)?;
    if unused {
        file.set_len(0)?;
    }
    file.set_len(wanted)?;
    if unused { db::mark_blank(file) } else { Ok(()) }
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

    fn opened(folder: &std::path::Path, volume_mib: u32, fresh: bool) -> PathBuf {
        let mut stack = Stack::load(&Layout::here().unwrap()).unwrap();
        stack.db.volume_mib = volume_mib;
        fs::create_dir_all(folder.join("data")).unwrap();
        open(&Layout::below(folder), &stack, fresh).unwrap()
    }

    #[test]
    fn a_volume_grows_and_never_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let path = opened(folder.path(), 512, false);
        fs::write(&path, "rows").unwrap();
        for (asked, expected) in [(600, 600), (512, 600)] {
            opened(folder.path(), asked, false);
            assert_eq!(fs::metadata(&path).unwrap().len(), expected * MIB);
        }
        assert!(!db::is_marked_blank(&File::open(&path).unwrap()).unwrap());
        let mut start = [0; 4];
        std::io::Read::read_exact(&mut File::open(&path).unwrap(), &mut start).unwrap();
        assert_eq!(&start, b"rows");
    }

    #[test]
    fn a_fresh_volume_is_marked_blank_and_takes_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = opened(folder.path(), 512, false);
        fs::write(&path, "rows").unwrap();
        opened(folder.path(), 512, true);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.mode() & 0o777), (512 * MIB, 0o600));
        assert!(metadata.blocks() * BLOCK_BYTES <= 8192);
        assert!(db::is_marked_blank(&File::open(&path).unwrap()).unwrap());
    }
}
