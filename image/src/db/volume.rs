//! A new volume, made on the host as the db machine would make it of a blank disk.
//!
//! Under emulation the machine takes a minute to format a disk and to initialise MySQL, the host seconds: the same locked
//! packages do the same work here. A cloud's blank volume is still made by the machine itself. Invariant: the volume has
//! its final name only when it is whole, and the machine cannot tell it from one of its own.

use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::mysqld::Mysqld;
use crate::{command, layout, progress};

/// What `image/linux/root/usr/lib/bootstack/volume` formats with, and the user that MySQL runs as there.
const LABEL: &str = "bootstack-mysql";
const BLOCK_BYTES: u64 = 4096;
/// The file system ends so many blocks before the volume does: there the machine keeps its note while it formats.
const BLOCKS_LEFT: u64 = 256;
const JOURNAL_MIB: u32 = 32;
const OWNER: u32 = 900;

/// Makes a volume of `bytes` at `path`, with MySQL initialised and no rows. The file is sparse.
///
/// # Errors
/// When MySQL's tools fail or the disk is full; `path` is then as it was.
pub fn make_volume(mysqld: &Mysqld, path: &Path, bytes: u64) -> Result<()> {
    let step = progress::start("new volume");
    let parent = path.parent().context("the volume has no folder")?;
    let scratch = tempfile::Builder::new().prefix(".partial-").tempdir_in(parent)?;
    let content = scratch.path().join("content");
    fs::DirBuilder::new().mode(0o755).create(&content)?;
    mysqld.fresh_data(&content)?;
    layout::replace(path, |volume| {
        size(volume, bytes)?;
        format(mysqld, volume, &content, bytes)?;
        own(mysqld, volume, &content, scratch.path())
    })?;
    step.done(progress::size(bytes));
    Ok(())
}

fn size(volume: &Path, bytes: u64) -> Result<()> {
    let sized = File::options().write(true).open(volume).and_then(|file| {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.set_len(bytes)
    });
    sized.with_context(|| format!("cannot size {}", volume.display()))
}

fn format(mysqld: &Mysqld, volume: &Path, content: &Path, bytes: u64) -> Result<()> {
    let blocks = (bytes / BLOCK_BYTES).saturating_sub(BLOCKS_LEFT);
    let mut mke2fs = mysqld.tree().program("usr/sbin/mke2fs");
    mke2fs.env("MKE2FS_CONFIG", mysqld.tree().root().join("etc/mke2fs.conf"));
    mke2fs.args(["-q", "-F", "-t", "ext4", "-L", LABEL, "-m", "0"]).arg("-b").arg(BLOCK_BYTES.to_string());
    mke2fs.arg("-J").arg(format!("size={JOURNAL_MIB}")).arg("-d").arg(content);
    mke2fs.arg("-E").arg(format!("nodiscard,root_owner={OWNER}:{OWNER}"));
    command::run(mke2fs.arg(volume).arg(blocks.to_string()))
}

/// Gives every file to the machine's MySQL: whoever builds has another number. debugfs ends well whatever happens, so its
/// words are judged: it repeats its commands on one stream and complains on the other, after a line with its version.
fn own(mysqld: &Mysqld, volume: &Path, content: &Path, scratch: &Path) -> Result<()> {
    let mut script = String::new();
    give(content, "", &mut script)?;
    let file = scratch.join("owners");
    fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
    let mut debugfs = mysqld.tree().program("usr/sbin/debugfs");
    debugfs.arg("-w").arg("-f").arg(&file).arg(volume);
    let complaints = command::complaints(&mut debugfs)?;
    let complaints: Vec<&str> = complaints.lines().filter(|line| !line.starts_with("debugfs 1.")).collect();
    ensure!(complaints.is_empty(), "debugfs: {}", complaints.join("\n"));
    Ok(())
}

fn give(folder: &Path, below: &str, script: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("MySQL's files have plain names")?;
        let path = format!("{below}/{name}");
        for field in ["uid", "gid"] {
            writeln!(script, "set_inode_field \"{path}\" {field} {OWNER}")?;
        }
        if entry.file_type()?.is_dir() {
            give(&entry.path(), &path, script)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_formats_in_the_same_way() {
        let script = include_str!("../../linux/root/usr/lib/bootstack/volume");
        for same in [
            format!("label={LABEL}\n"),
            format!("block_bytes={BLOCK_BYTES}\n"),
            format!("-m 0 -J size={JOURNAL_MIB} -E \"nodiscard,root_owner={OWNER}:{OWNER}\" \"$device\""),
            format!("$((last_block - {}))", BLOCKS_LEFT - 1),
        ] {
            assert!(script.contains(&same), "{same}");
        }
        let users = include_str!("../../linux/root/etc/passwd");
        assert!(users.contains(&format!("mysql:x:{OWNER}:{OWNER}:")));
    }

    #[test]
    fn every_file_gets_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data/#innodb_redo")).unwrap();
        fs::write(folder.path().join("data/#innodb_redo/#ib_redo0"), "").unwrap();
        let mut script = String::new();
        give(folder.path(), "", &mut script).unwrap();
        assert_eq!(script.lines().count(), 6);
        assert!(script.ends_with("set_inode_field \"/data/#innodb_redo/#ib_redo0\" gid 900\n"), "{script}");
    }
}
