//! Symbolic links: they put a source into a generated workspace without a copy.
//!
//! Cargo names a package inside its workspace by the path from there, and one outside by its whole path, which ends up
//! in the symbols and so in the bytes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Makes `at` a symbolic link to `to`, unless it is one already. Only links are replaced.
pub(crate) fn link(to: &Path, at: &Path) -> Result<()> {
    match fs::read_link(at) {
        Ok(present) if present == to => return Ok(()),
        Ok(_) => fs::remove_file(at).with_context(|| format!("cannot remove {}", at.display()))?,
        Err(_) if at.exists() => bail!("{} is in the way: remove it", at.display()),
        Err(_) => {}
    }
    symlink(to, at).with_context(|| format!("cannot create {}", at.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_renewed_and_a_file_is_spared() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("at");
        link(Path::new("first"), &at).unwrap();
        link(Path::new("second"), &at).unwrap();
        assert_eq!(fs::read_link(&at).unwrap(), Path::new("second"));
        let file = folder.path().join("file");
        fs::write(&file, "kept").unwrap();
        assert!(
            link(Path::new("first"), &file).unwrap_err().to_string().ends_with("is in the way: remove it")
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }
}
