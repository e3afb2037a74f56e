//! The EFI system partition: a FAT file system made of files, and edits to one that lies on a disk.
//!
//! Invariant: equal files and an equal `SOURCE_DATE_EPOCH` make equal bytes.

use std::fs::File;
use std::io::{Cursor, Read, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use fatfs::{
    Date, DateTime, Dir, FatType, FileSystem, FormatVolumeOptions, FsOptions, ReadWriteSeek, Time,
    TimeProvider,
};
use sha2::{Digest, Sha256};

use super::window::Window;
use super::{ALIGN_BYTES, Content, find, kind};

/// Room left for what is put on the disk later: a machine's configuration, the BIOS loader's own files.
const SLACK_BYTES: u64 = 640 * 1024;
/// Below this size FAT32 would have fewer than the 65,525 clusters that make it FAT32.
const FAT32_FROM_BYTES: u64 = 34 << 20;
/// The smallest partition: with clusters of 1 KiB it has the 4,085 clusters that make it FAT16.
const LEAST_BYTES: u64 = 5 << 20;

/// An EFI system partition that is to be made.
#[derive(Clone, Debug)]
pub struct Esp {
    label: [u8; 11],
    files: Vec<(String, Content)>,
}

impl Esp {
    /// An empty one, labelled with up to eleven upper-case letters.
    #[must_use]
    pub fn new(label: &str) -> Self {
        let mut padded = [b' '; 11];
        padded.iter_mut().zip(label.bytes()).for_each(|(to, from)| *to = from);
        Self { label: padded, files: Vec::new() }
    }

    /// With a file at `path` (`EFI/BOOT/BOOTX64.EFI`); folders are made as they are needed.
    #[must_use]
    pub fn file(mut self, path: &str, content: Content) -> Self {
        self.files.push((path.to_owned(), content));
        self
    }

    /// The bytes of the file system, a whole number of MiB.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn build(&self) -> Result<Vec<u8>> {
        let files = self.files.iter().map(|(path, content)| Ok((path.as_str(), content.read()?)));
        let files = files.collect::<Result<Vec<_>>>()?;
        let size = size_bytes(files.iter().map(|(_, bytes)| bytes.len() as u64));
        let mut volume = Cursor::new(vec![0; usize::try_from(size)?]);
        fatfs::format_volume(&mut volume, self.options(size, &files)).context("cannot format the ESP")?;
        let system =
            FileSystem::new(volume_at_start(&mut volume), options()).context("cannot open the ESP")?;
        for (path, bytes) in &files {
            put(&system.root_dir(), path, bytes).with_context(|| format!("cannot put {path} on the ESP"))?;
        }
        system.unmount().context("cannot finish the ESP")?;
        Ok(volume.into_inner())
    }

    fn options(&self, size: u64, files: &[(&str, Vec<u8>)]) -> FormatVolumeOptions {
        let mut hash = Sha256::new();
        for (path, bytes) in files {
            hash.update(path);
            hash.update(bytes);
        }
        let id = hash.finalize();
        let options = FormatVolumeOptions::new()
            .volume_id(u32::from_le_bytes([id[0], id[1], id[2], id[3]]))
            .volume_label(self.label);
        if size >= FAT32_FROM_BYTES {
            options.fat_type(FatType::Fat32).bytes_per_cluster(512)
        } else {
            options.fat_type(FatType::Fat16).bytes_per_cluster(if size < 10 << 20 { 1024 } else { 2048 })
        }
    }
}

fn volume_at_start(volume: &mut Cursor<Vec<u8>>) -> &mut Cursor<Vec<u8>> {
    volume.set_position(0);
    volume
}

fn size_bytes(files: impl Iterator<Item = u64>) -> u64 {
    // A cluster's rounding and a directory entry for each file; one part in 64 for the two allocation tables.
    let content: u64 = files.map(|len| len + 4096).sum();
    (content + content / 64 + SLACK_BYTES).next_multiple_of(ALIGN_BYTES).max(LEAST_BYTES)
}

fn options() -> FsOptions {
    FsOptions::new().time_provider(&Epoch)
}

fn put<T: ReadWriteSeek>(root: &Dir<'_, T>, path: &str, bytes: &[u8]) -> Result<()> {
    for (at, _) in path.match_indices('/') {
        root.create_dir(&path[..at])?;
    }
    let mut file = root.create_file(path)?;
    file.truncate()?;
    file.write_all(bytes)?;
    file.flush()?;
    Ok(())
}

fn open(disk: &Path, writable: bool) -> Result<FileSystem<Window>> {
    let (start, len) = find(disk, &kind::EFI)?;
    let file = File::options().read(true).write(writable).open(disk);
    let file = file.with_context(|| format!("cannot open {}", disk.display()))?;
    FileSystem::new(Window::new(file, start, len), options())
        .with_context(|| format!("the ESP of {} is damaged", disk.display()))
}

/// Writes a file onto the EFI system partition of a raw disk, in place of any that is there.
///
/// # Errors
/// When the disk has no sound ESP, or the file does not fit.
pub fn write_file(disk: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let system = open(disk, true)?;
    let stats = system.stats()?;
    // What is replaced gives its room first.
    let replaced =
        system.root_dir().open_file(path).and_then(|mut file| file.seek(SeekFrom::End(0))).unwrap_or(0);
    let free = u64::from(stats.free_clusters()) * u64::from(stats.cluster_size()) + replaced;
    ensure!(
        (bytes.len() as u64) < free,
        "{path} has {} bytes, {} has {free} free",
        bytes.len(),
        disk.display()
    );
    put(&system.root_dir(), path, bytes)
        .with_context(|| format!("cannot put {path} on {}", disk.display()))?;
    system.unmount().with_context(|| format!("cannot finish {}", disk.display()))
}

/// Reads a file of the EFI system partition of a raw disk, if it is there.
///
/// # Errors
/// When the disk has no sound ESP, or the file cannot be read.
pub fn read_file(disk: &Path, path: &str) -> Result<Option<Vec<u8>>> {
    let system = open(disk, false)?;
    let mut bytes = Vec::new();
    match system.root_dir().open_file(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => bail!("cannot read {path} of {}: {error}", disk.display()),
    };
    Ok(Some(bytes))
}

/// Gives every file the time of `SOURCE_DATE_EPOCH`.
#[derive(Debug)]
struct Epoch;

/// 1980-01-01, the first day that FAT can express, in Unix seconds.
const FAT_START_S: u64 = 315_532_800;

/// The time that files of an image carry, in Unix seconds: `SOURCE_DATE_EPOCH`, else 1980-01-01.
pub(super) fn source_date_s() -> u64 {
    static SECONDS: OnceLock<u64> = OnceLock::new();
    *SECONDS.get_or_init(|| {
        let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
        given.unwrap_or(FAT_START_S).max(FAT_START_S)
    })
}

impl TimeProvider for Epoch {
    fn get_current_date(&self) -> Date {
        self.get_current_date_time().date
    }

    fn get_current_date_time(&self) -> DateTime {
        date_time(source_date_s())
    }
}

/// UTC, by the proleptic Gregorian calendar, whose 400-year era has 146,097 days.
fn date_time(unix_s: u64) -> DateTime {
    let number = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    // Days since 0000-03-01: years that begin in March have their leap day last.
    let days = unix_s / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let date = Date {
        year: number(year),
        month: number(month),
        day: number(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
    let second_of_day = unix_s % 86_400;
    let time = Time {
        hour: number(second_of_day / 3600),
        min: number(second_of_day / 60 % 60),
        sec: number(second_of_day % 60),
        millis: 0,
    };
    DateTime { date, time }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_dates_are_utc() {
        // `date --utc --date @1709210096`: 2024-02-29 12:34:56.
        let DateTime { date, time } = date_time(1_709_210_096);
        assert_eq!((date.year, date.month, date.day), (2024, 2, 29));
        assert_eq!((time.hour, time.min, time.sec), (12, 34, 56));
        let DateTime { date, .. } = date_time(FAT_START_S);
        assert_eq!((date.year, date.month, date.day), (1980, 1, 1));
    }
}
