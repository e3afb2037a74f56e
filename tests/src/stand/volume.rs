//! Volumes for db machines: blank ones, and ones that hold what is not ours.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use image::command;

const MIB: u64 = 1 << 20;
/// Enough for MySQL; the file is sparse.
const SIZE_MIB: u64 = 1024;

/// A volume on which nothing was ever written.
///
/// # Errors
/// When the file cannot be made.
pub fn blank(path: &Path) -> Result<PathBuf> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.set_len(SIZE_MIB * MIB).with_context(|| format!("cannot size {}", path.display()))?;
    Ok(path.to_owned())
}

/// What somebody else may have on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A file system with a file, as `mkfs.ext4` makes it.
    Ext4,
    /// A partition table of another machine.
    Gpt,
    /// A swap area.
    Swap,
    /// Ciphertext, or a format that nobody knows: no signature at all.
    RandomBytes,
    /// Blank at its beginning and end; the data lie in the middle.
    DataInTheMiddle,
}

impl Foreign {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Ext4, Self::Gpt, Self::Swap, Self::RandomBytes, Self::DataInTheMiddle];

    /// A volume that holds it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn volume(self, path: &Path) -> Result<PathBuf> {
        blank(path)?;
        match self {
            Self::Ext4 => ext4(path)?,
            Self::Gpt => write_at(path, 512, &gpt_header())?,
            Self::Swap => write_at(path, 4096 - 10, b"SWAPSPACE2")?,
            Self::RandomBytes => write_at(path, 0, &random(4 * MIB)?)?,
            Self::DataInTheMiddle => write_at(path, SIZE_MIB / 2 * MIB, &random(MIB)?)?,
        }
        Ok(path.to_owned())
    }
}

/// Debian keeps the program in `/sbin`, which is not on everybody's PATH.
fn ext4(path: &Path) -> Result<()> {
    let program =
        ["/sbin/mke2fs", "/usr/sbin/mke2fs"].into_iter().find(|program| Path::new(program).exists());
    let mut mke2fs = Command::new(program.unwrap_or("mke2fs"));
    mke2fs.args(["-q", "-F", "-t", "ext4", "-L", "photographs"]).arg(path);
    command::run(&mut mke2fs)
}

/// The head of a GPT (UEFI 2.10, 5.3.2) of 128 entries, without checksums: what a damaged table looks like.
fn gpt_header() -> Vec<u8> {
    let mut header = b"EFI PART".to_vec();
    header.extend([0, 0, 1, 0, 92, 0, 0, 0]);
    header.resize(512, 0);
    header
}

fn write_at(path: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn random(bytes: u64) -> Result<Vec<u8>> {
    let mut random = Vec::new();
    File::open("/dev/urandom")?.take(bytes).read_to_end(&mut random)?;
    Ok(random)
}
