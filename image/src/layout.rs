//! Where everything lies: one type answers every path question.
//!
//! Invariant: a file that other steps read appears under its final name only when it is whole ([`replace`]).

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Like any file, before the user's umask: who writes a secret restricts it before the first byte.
const READABLE: u32 = 0o666;

/// The folders of one checkout and of one user.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    target: PathBuf,
    cache: PathBuf,
    data: PathBuf,
}

impl Layout {
    /// The layout of the checkout that this crate was compiled in, for the user who runs it.
    ///
    /// `BOOTSTACK_TARGET`, `BOOTSTACK_CACHE` and `BOOTSTACK_DATA` move the three folders that are written to.
    ///
    /// # Errors
    /// When neither the variables nor `HOME` say where the user's folders are.
    pub fn here() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the image crate has no parent")?;
        Ok(Self {
            target: folder("BOOTSTACK_TARGET").unwrap_or_else(|| root.join("target/bootstack")),
            cache: user_folder("BOOTSTACK_CACHE", "XDG_CACHE_HOME", ".cache")?,
            data: user_folder("BOOTSTACK_DATA", "XDG_DATA_HOME", ".local/share")?,
            root: root.to_owned(),
        })
    }

    /// A layout with every folder below `base`, for tests.
    #[must_use]
    pub fn below(base: &Path) -> Self {
        Self {
            root: base.to_owned(),
            target: base.join("target/bootstack"),
            cache: base.join("cache"),
            data: base.join("data"),
        }
    }

    /// The checkout.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that is built or runs: `target/bootstack`.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Intermediate results of the part `name`.
    #[must_use]
    pub fn build(&self, name: &str) -> PathBuf {
        self.target.join("build").join(name)
    }

    /// The finished images.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.target.join("images")
    }

    /// The machines that `up` started: logs, sockets, disks.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.target.join("run")
    }

    /// Downloads, shared by all checkouts of one user.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// What must outlive a checkout: the development certificate authority.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }
}

fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn user_folder(own: &str, xdg: &str, below_home: &str) -> Result<PathBuf> {
    if let Some(path) = folder(own) {
        return Ok(path);
    }
    let base = folder(xdg).or_else(|| Some(folder("HOME")?.join(below_home)));
    let base = base.with_context(|| format!("no home folder: set {own} to a folder that may be written"))?;
    Ok(base.join("bootstack"))
}

/// Writes `path` through `write`, which is given a temporary name in the same folder; the file gets its final
/// name when `write` has returned and its content is on the disk.
///
/// # Errors
/// What `write` says; or when the folder cannot be written. `path` is then as it was.
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = path.parent().with_context(|| format!("{} has no folder", path.display()))?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let temporary = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(Permissions::from_mode(READABLE))
        .tempfile_in(parent)
        .with_context(|| format!("cannot write in {}", parent.display()))?
        .into_temp_path();
    write(&temporary)?;
    fs::File::open(&temporary)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("cannot flush {}", temporary.display()))?;
    temporary.persist(path).with_context(|| format!("cannot replace {}", path.display()))
}

/// [`replace`] for content that is in memory already; an equal file is left alone, so its time stays.
///
/// # Errors
/// As [`replace`].
pub fn replace_with(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    replace(path, |temporary| {
        fs::write(temporary, content).with_context(|| format!("cannot write {}", temporary.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image with spaces.raw");
        replace_with(&path, b"old").unwrap();
        let failed = replace(&path, |temporary| {
            fs::write(temporary, b"ha")?;
            anyhow::bail!("disk full")
        });
        assert_eq!(failed.unwrap_err().to_string(), "disk full");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_may_be_read_by_whom_the_umask_lets() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        replace_with(&folder.path().join("ours"), b"image").unwrap();
        fs::write(folder.path().join("plain"), "image").unwrap();
        assert_eq!(mode("ours"), mode("plain"));
    }

    #[test]
    fn an_equal_file_keeps_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace_with(&path, b"same").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        replace_with(&path, b"same").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), old);
        replace_with(&path, b"other").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().modified().unwrap(), old);
    }
}
