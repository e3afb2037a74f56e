//! Volumes for db machines: blank ones, and ones that hold what is not ours.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use image::command;
use image::disk::{Content, Disk, Partition, kind};

use crate::Dice;

const MIB: u64 = 1 << 20;
/// Enough for MySQL; the file is sparse.
const SIZE_MIB: u64 = 1024;
pub(super) const SIZE_BYTES: u64 = SIZE_MIB * MIB;
/// What Linux on x86-64 swaps in.
const PAGE_BYTES: usize = 4096;

/// A volume on which nothing was ever written.
///
/// # Errors
/// When the file cannot be made.
pub fn blank(path: &Path) -> Result<PathBuf> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    size(&file, path)?;
    Ok(path.to_owned())
}

fn size(file: &File, path: &Path) -> Result<()> {
    file.set_len(SIZE_MIB * MIB).with_context(|| format!("cannot size {}", path.display()))
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
    /// Blank but for one MiB somewhere.
    DataSomewhere,
}

impl Foreign {
    /// A volume that holds it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn volume(self, path: &Path, dice: &mut Dice) -> Result<PathBuf> {
        blank(path)?;
        match self {
            Self::Ext4 => ext4(path)?,
            Self::Gpt => gpt(path)?,
            Self::Swap => write_at(path, 0, &swap_page())?,
            Self::RandomBytes => write_at(path, 0, &random(4 * MIB)?)?,
            Self::DataSomewhere => write_at(path, dice.between(1, SIZE_MIB - 2) * MIB, &random(MIB)?)?,
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

/// A table as another machine's disk has it, with one partition.
fn gpt(path: &Path) -> Result<()> {
    let partition = Partition {
        label: "photographs".to_owned(),
        kind: kind::LINUX_FS,
        attributes: 0,
        content: Content::Bytes(random(MIB)?),
    };
    Disk { partitions: vec![partition], boot_code: None }.write(path)?;
    size(&File::options().write(true).open(path)?, path)
}

/// The first page of a swap area as `mkswap` leaves it: version and last page from byte 1024 on, the magic at the end
/// (Linux: include/linux/swap.h, `union swap_header`).
fn swap_page() -> Vec<u8> {
    let mut page = vec![0; PAGE_BYTES];
    page[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    page[1028..1032].copy_from_slice(&1023_u32.to_le_bytes());
    page[PAGE_BYTES - 10..].copy_from_slice(b"SWAPSPACE2");
    page
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
