//! BIOS boot by syslinux: the host's packages `syslinux` and `syslinux-common` give the binary pieces.
//!
//! Invariant: every piece is found, or the error names the file and the package, before anything is written.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Content;
use super::esp::source_date_s;
use crate::command;

/// Folders of the boot sector and of the modules: Debian, Fedora, Arch.
const FOLDERS: [&str; 4] =
    ["/usr/lib/SYSLINUX", "/usr/lib/syslinux/modules/bios", "/usr/lib/syslinux/bios", "/usr/share/syslinux"];

/// The pieces of syslinux on this host.
#[derive(Clone, Debug)]
pub struct Syslinux {
    boot_sector: PathBuf,
    folders: Vec<PathBuf>,
}

impl Syslinux {
    /// Looks for the pieces where distributions put them.
    ///
    /// # Errors
    /// When a piece is missing: its name and the package that has it.
    pub fn find() -> Result<Self> {
        Self::find_in(FOLDERS.map(PathBuf::from).to_vec())
    }

    fn find_in(folders: Vec<PathBuf>) -> Result<Self> {
        let boot_sector = piece(&folders, "gptmbr.bin")?;
        Ok(Self { boot_sector, folders })
    }

    /// The disk's boot sector code, which starts the partition marked [`super::BOOTS_BIOS`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn boot_code(&self) -> Result<Vec<u8>> {
        Content::File(self.boot_sector.clone()).read()
    }

    /// A module such as `mboot.c32`, to be put in the root folder of the ESP beside `syslinux.cfg`.
    ///
    /// # Errors
    /// When there is no such module.
    pub fn module(&self, name: &str) -> Result<Content> {
        Ok(Content::File(piece(&self.folders, name)?))
    }

    /// Makes the FAT file system in the file `esp` bootable by BIOS.
    ///
    /// # Errors
    /// When syslinux is not installed or refuses.
    pub fn install(&self, esp: &Path) -> Result<()> {
        let mut command = Command::new("syslinux");
        command.arg("--install").arg(esp);
        command.env("SOURCE_DATE_EPOCH", source_date_s().to_string()).env("TZ", "UTC");
        command::run(&mut command)
            .context("cannot make the disk boot by BIOS: apt-get install syslinux mtools")
    }
}

fn piece(folders: &[PathBuf], name: &str) -> Result<PathBuf> {
    match folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("{name} of syslinux not found: apt-get install syslinux syslinux-common mtools"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_piece_is_named_with_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let error = Syslinux::find_in(vec![folder.path().to_owned()]).unwrap_err().to_string();
        assert_eq!(
            error,
            "gptmbr.bin of syslinux not found: apt-get install syslinux syslinux-common mtools"
        );
    }
}
