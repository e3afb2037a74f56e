//! Lays out the root file system in a folder: the chosen files of the packages, then the machine's own files over them.
//!
//! Invariant: what comes out depends on the packages and on `image/linux` only; not on the user, nor on the umask.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::contents::Contents;
use super::tree::Tree;
use crate::command;

/// Copies what `contents` keeps of the unpacked packages `from` into `to`.
pub(super) fn copy_kept(from: &Path, to: &Path, contents: &Contents) -> Result<()> {
    copy(from, to, "", &|folder, name| contents.keeps(folder, name))?;
    let missing = contents.missing(|path| to.join(path).symlink_metadata().is_ok());
    ensure!(
        missing.is_empty(),
        "image/linux/contents.toml names what no package has: {}",
        missing.join(", ")
    );
    Ok(())
}

/// Copies the whole folder `from` into `to`, over what is there.
pub(crate) fn overlay(from: &Path, to: &Path) -> Result<()> {
    copy(from, to, "", &|_, _| true)
}

/// Writes `folder` as a file system to `path`. lz4hc is the quickest to read; clusters of 64 KiB make it a third smaller
/// than 4 KiB do.
pub(crate) fn erofs(tools: &Tree, folder: &Path, path: &Path, uuid: &str, epoch_s: u64) -> Result<()> {
    let mut mkfs = tools.program("usr/bin/mkfs.erofs");
    mkfs.args(["--quiet", "--all-root", "-x-1", "-zlz4hc,9", "-C65536"]);
    mkfs.arg(format!("-T{epoch_s}")).arg(format!("-U{uuid}")).arg(path).arg(folder);
    command::run(&mut mkfs)
}

fn copy(from: &Path, to: &Path, folder: &str, keeps: &dyn Fn(&str, &str) -> bool) -> Result<()> {
    make_folder(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{} is no text", entry.path().display()))?;
        if !keeps(folder, name) {
            continue;
        }
        let target = to.join(name);
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let below = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            copy(&entry.path(), &target, &below, keeps)?;
        } else if kind.is_symlink() {
            make_link(&entry.path(), &target)?;
        } else {
            copy_file(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
    restrict(path, 0o755)
}

fn make_link(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    symlink(fs::read_link(from)?, to).with_context(|| format!("cannot create {}", to.display()))
}

/// Copies content and whether it can be run; no package's set-user-ID bit reaches the machine.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    let runs = fs::metadata(from)?.permissions().mode() & 0o100 != 0;
    restrict(to, if runs { 0o755 } else { 0o644 })
}

fn restrict(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_do_not_depend_on_who_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(&from).unwrap();
        for (name, mode) in [("su", 0o4755), ("secret", 0o600), ("run", 0o700)] {
            fs::write(from.join(name), "x").unwrap();
            restrict(&from.join(name), mode).unwrap();
        }
        overlay(&from, &to).unwrap();
        let mode = |name: &str| fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!([mode("su"), mode("secret"), mode("run"), mode("")], [0o755, 0o644, 0o755, 0o755]);
    }

    #[test]
    fn a_file_of_the_machine_replaces_a_link_of_a_package() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for path in [&from, &to] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(folder.path().join("elsewhere"), "untouched").unwrap();
        symlink("../elsewhere", to.join("hosts")).unwrap();
        fs::write(from.join("hosts"), "ours").unwrap();
        overlay(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("elsewhere")).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(to.join("hosts")).unwrap(), "ours");
    }
}
