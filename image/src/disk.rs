//! Disks: one GPT with partitions that other steps have made, bootable by UEFI and by BIOS.
//!
//! It does not know what the machines are; `web` and `db` say what goes onto their disks.
//! Invariant: the bytes of a disk depend on its contents only. GUIDs and volume ids are derived from the
//! contents by SHA-256, and file times come from `SOURCE_DATE_EPOCH`.

mod esp;
mod syslinux;
mod window;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write, copy};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition as Entry;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

pub use esp::{Esp, read_file, write_file};
pub use gpt::partition_types as kind;
pub use syslinux::Syslinux;

/// The sector size that every virtio and IDE disk of QEMU and of the clouds shows.
const SECTOR_BYTES: u64 = 512;
/// Partitions and the whole disk begin and end on whole MiB, as partitioning tools have done since 2010.
const ALIGN_BYTES: u64 = 1 << 20;
/// The second copy of the table: 32 sectors of entries and the header (UEFI 2.10, 5.3.1).
const BACKUP_BYTES: u64 = 33 * SECTOR_BYTES;

/// The partition attribute that tells a BIOS boot sector which partition to start (UEFI 2.10, table 5.8, bit 2).
pub const BOOTS_BIOS: u64 = 1 << 2;
/// The partition attribute "mount read-only" of the discoverable partitions specification (bit 60).
pub const READ_ONLY: u64 = 1 << 60;

/// The bytes of a file or of a partition.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file, which is read when the disk is written.
    File(PathBuf),
}

impl Content {
    /// How many bytes there are.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn size_bytes(&self) -> Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => Ok(std::fs::metadata(path).with_context(|| unreadable(path))?.len()),
        }
    }

    /// All the bytes, in memory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::File(path) => std::fs::read(path).with_context(|| unreadable(path)),
        }
    }

    fn write_to(&self, target: &mut impl Write) -> Result<()> {
        match self {
            Self::Bytes(bytes) => target.write_all(bytes)?,
            Self::File(path) => {
                let mut source = File::open(path).with_context(|| unreadable(path))?;
                copy(&mut source, target).with_context(|| format!("cannot copy {}", path.display()))?;
            }
        }
        Ok(())
    }
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// One partition of a disk.
#[derive(Clone, Debug)]
pub struct Partition {
    /// The name in the table, at most 36 characters.
    pub label: String,
    /// What the partition is for, such as [`kind::EFI`].
    pub kind: kind::Type,
    /// Attribute bits, such as [`BOOTS_BIOS`].
    pub attributes: u64,
    /// What lies in it; the partition is as long as this, rounded up to a whole MiB.
    pub content: Content,
}

impl Partition {
    /// The partition's own GUID, derived from its name and content: a boot command line may name it.
    ///
    /// # Errors
    /// When the content cannot be read.
    pub fn guid(&self) -> Result<Uuid> {
        let mut hash = Sha256::new();
        hash.update(&self.label);
        self.content.write_to(&mut hash)?;
        Ok(guid(hash))
    }

    fn padded_bytes(&self) -> Result<u64> {
        Ok(self.content.size_bytes()?.max(1).next_multiple_of(ALIGN_BYTES))
    }
}

/// A version 8 (custom) GUID of the first 16 bytes of a hash.
fn guid(hash: Sha256) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// A disk that is to be written.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// In the order in which they lie on the disk.
    pub partitions: Vec<Partition>,
    /// The BIOS boot sector's code, at most 440 bytes.
    pub boot_code: Option<Vec<u8>>,
}

impl Disk {
    /// Writes the raw disk to `path`, which is created or overwritten; empty space becomes holes.
    ///
    /// # Errors
    /// When a partition's content cannot be read, the boot code is too long, or `path` cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let entries = self.entries()?;
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path);
        let file =
            file.as_mut().map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))?;
        let end_bytes =
            entries.values().map(|e| (e.last_lba + 1) * SECTOR_BYTES).max().unwrap_or(ALIGN_BYTES);
        let disk_bytes = (end_bytes + BACKUP_BYTES).next_multiple_of(ALIGN_BYTES);
        file.set_len(disk_bytes).with_context(|| format!("no space for {}", path.display()))?;
        self.write_boot_sector(file, disk_bytes / SECTOR_BYTES)?;
        for (partition, entry) in self.partitions.iter().zip(entries.values()) {
            file.seek(SeekFrom::Start(entry.first_lba * SECTOR_BYTES))?;
            partition.content.write_to(file).with_context(|| format!("cannot write {}", path.display()))?;
        }
        write_table(file, entries).with_context(|| format!("cannot write the table of {}", path.display()))
    }

    fn entries(&self) -> Result<BTreeMap<u32, Entry>> {
        let mut next_bytes = ALIGN_BYTES;
        let mut entries = BTreeMap::new();
        for (number, partition) in (1..).zip(&self.partitions) {
            let first_lba = next_bytes / SECTOR_BYTES;
            next_bytes += partition.padded_bytes()?;
            entries.insert(
                number,
                Entry {
                    part_type_guid: partition.kind.clone(),
                    part_guid: partition.guid()?,
                    first_lba,
                    last_lba: next_bytes / SECTOR_BYTES - 1,
                    flags: partition.attributes,
                    name: partition.label.clone(),
                },
            );
        }
        Ok(entries)
    }

    fn write_boot_sector(&self, file: &mut File, sectors: u64) -> Result<()> {
        let protected = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
        let mut sector = ProtectiveMBR::with_lb_size(protected);
        if let Some(code) = &self.boot_code {
            let mut padded = [0; 440];
            ensure!(code.len() <= padded.len(), "boot code of {} bytes: at most 440 fit", code.len());
            padded[..code.len()].copy_from_slice(code);
            sector.set_bootcode(padded);
        }
        sector.overwrite_lba0(file).context("cannot write the boot sector")?;
        Ok(())
    }
}

fn write_table(file: &mut File, entries: BTreeMap<u32, Entry>) -> Result<()> {
    let mut hash = Sha256::new();
    entries.values().for_each(|entry| hash.update(entry.part_guid.as_bytes()));
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(&mut *file, Some(guid(hash)))?;
    table.update_partitions(entries)?;
    table.write()?.flush()?;
    Ok(())
}

/// Where the first partition of a kind lies on a raw disk: its first byte and its length.
///
/// # Errors
/// When `path` cannot be read, is no GPT disk, or has no such partition.
pub fn find(path: &Path, wanted: &kind::Type) -> Result<(u64, u64)> {
    let table = gpt::GptConfig::new()
        .open(path)
        .with_context(|| format!("{} is not a raw disk with a GPT", path.display()))?;
    let entry = table.partitions().values().find(|entry| entry.part_type_guid.guid == wanted.guid);
    let entry =
        entry.with_context(|| format!("{} has no partition of type {}", path.display(), wanted.guid))?;
    Ok((entry.bytes_start(LogicalBlockSize::Lb512)?, entry.bytes_len(LogicalBlockSize::Lb512)?))
}

/// The SHA-256 of a file in hexadecimal digits.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).with_context(|| unreadable(path))?;
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).with_context(|| unreadable(path))? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&block[..n]),
        }
    }
}

#[cfg(test)]
mod tests;
