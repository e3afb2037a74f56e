//! What the image is made from, as one digest: an image whose inputs are as they were is not built again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::Layout;
use crate::debian::{Lock, Use};

/// The code that decides what the image looks like.
const BUILDERS: [&str; 8] = [
    include_str!("build.rs"),
    include_str!("contents.rs"),
    include_str!("credentials.rs"),
    include_str!("initrd.rs"),
    include_str!("linux.rs"),
    include_str!("modules.rs"),
    include_str!("root.rs"),
    include_str!("uki.rs"),
];

/// Digest of the packages, the machine's own files, the code and the time stamp that is put on files.
pub(super) fn digest(layout: &Layout, lock: &Lock, epoch_s: u64) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(lock.digest_of(Use::Guest));
    hash.update(lock.digest_of(Use::Tool));
    hash.update(epoch_s.to_le_bytes());
    BUILDERS.iter().for_each(|source| hash.update(source));
    add(&mut hash, &layout.root().join("image/linux"))?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Adds names, targets of links, modes that matter and content below `folder`, in the order of their names.
fn add(hash: &mut Sha256, folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let metadata = path.symlink_metadata()?;
        hash.update(path.strip_prefix(folder)?.as_os_str().as_encoded_bytes());
        if metadata.is_dir() {
            hash.update(b"/");
            add(hash, &path)?;
        } else if metadata.is_symlink() {
            hash.update(b"@");
            hash.update(fs::read_link(&path)?.as_os_str().as_encoded_bytes());
        } else {
            hash.update(if runs(&metadata) { b"*" } else { b"=" });
            hash.update(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(())
}

fn runs(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_or_a_new_file_changes_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let root = folder.path().join("image/linux/root");
        fs::create_dir_all(&root).unwrap();
        let lock = Lock { wanted: String::new(), packages: Vec::new() };
        let mut seen = vec![digest(&layout, &lock, 0).unwrap()];
        fs::write(root.join("a"), "1").unwrap();
        seen.push(digest(&layout, &lock, 0).unwrap());
        fs::write(root.join("a"), "2").unwrap();
        seen.push(digest(&layout, &lock, 0).unwrap());
        seen.push(digest(&layout, &lock, 1).unwrap());
        assert_eq!(seen[3], digest(&layout, &lock, 1).unwrap());
        seen.dedup();
        assert_eq!(seen.len(), 4);
    }
}
