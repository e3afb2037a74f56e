//! Debian packages, exactly the ones that the lock file names.
//!
//! `image/linux/packages.toml` says what is wanted, `image/linux/debian.lock` what that was when somebody last looked,
//! and apt decides; nothing here needs root or touches the host's own apt state. No host name is kept: the mirror is
//! the one that the host uses. Invariant: a package that leaves this module has the sha256 of its lock entry.

mod apt;
mod archive;
mod cache;
mod lock;
mod mirror;
mod wanted;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub use archive::unpack;
pub use lock::{Lock, Package, Use};
pub use mirror::Mirror;
pub use wanted::Wanted;

use crate::{Layout, layout, progress};

/// What to do when the lock file and the mirror disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Use the lock; where the mirror has moved on, resolve anew, print the difference and build with that.
    #[default]
    Resolve,
    /// Use the lock or fail.
    Locked,
    /// Resolve anew, print the difference and record it in the lock file.
    Update,
}

/// Returns the packages of the db machine, all of them in the cache.
///
/// # Errors
/// When the mirror cannot be reached and something is missing, when a checksum differs, when apt finds no solution.
pub fn packages(layout: &Layout, policy: Policy) -> Result<Lock> {
    let path = lock_path(layout);
    let recorded = read(&path)?;
    let Some(lock) = recorded.filter(|_| policy != Policy::Update) else {
        if policy == Policy::Locked {
            bail!("{} is missing: `--update-lock` writes it", path.display());
        }
        return renew(layout, None);
    };
    let lock = replacement(layout, &lock)?.filter(|_| policy == Policy::Resolve).unwrap_or(lock);
    if lock.wanted != Wanted::load(layout)?.digest() {
        if policy == Policy::Locked {
            bail!("{} was made for another packages.toml: `--update-lock` renews it", path.display());
        }
        return renew(layout, Some(&lock));
    }
    match cache::fill(layout, &lock) {
        Ok(()) => Ok(lock),
        Err(cache::Failure::Gone(gone)) if policy == Policy::Resolve => {
            progress::note(format!("the mirror no longer has {}: resolving anew", gone.join(", ")));
            renew_beside(layout, &lock)
        }
        Err(cache::Failure::Gone(gone)) => bail!(
            "the mirror no longer has {}: build without `--locked`, or record newer versions with `--update-lock`",
            gone.join(", ")
        ),
        Err(cache::Failure::Other(error)) => Err(error),
    }
}

/// Resolves anew and writes the lock file.
fn renew(layout: &Layout, before: Option<&Lock>) -> Result<Lock> {
    let lock = resolve(layout)?;
    let recorded = read(&lock_path(layout))?;
    report(before.or(recorded.as_ref()), &lock);
    cache::fill(layout, &lock).map_err(cache::Failure::into_error)?;
    layout::replace_with(&lock_path(layout), lock.to_string().as_bytes())?;
    Ok(lock)
}

/// Resolves anew and keeps the result beside the build, so that the next build need not ask again.
fn renew_beside(layout: &Layout, base: &Lock) -> Result<Lock> {
    let lock = resolve(layout)?;
    report(Some(base), &lock);
    cache::fill(layout, &lock).map_err(cache::Failure::into_error)?;
    layout::replace_with(&replacement_path(layout, base), lock.to_string().as_bytes())?;
    progress::note("`--update-lock` records this in image/linux/debian.lock");
    Ok(lock)
}

fn resolve(layout: &Layout) -> Result<Lock> {
    let step = progress::start("Debian packages: resolve");
    let folder = apt::folder(layout);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let _turn = cache::wait_for_turn(&folder)?;
    let lock = apt::resolve(layout, &Wanted::load(layout)?, &Mirror::of_host()?)?;
    step.done(format!("{} packages", lock.packages.len()));
    Ok(lock)
}

fn report(before: Option<&Lock>, after: &Lock) {
    let Some(before) = before else { return };
    for line in before.difference(after) {
        progress::note(line);
    }
}

fn lock_path(layout: &Layout) -> PathBuf {
    layout.root().join("image/linux/debian.lock")
}

/// A resolution that stands in for `base`. Named by the base's content, so an edited lock file is not overruled.
fn replacement_path(layout: &Layout, base: &Lock) -> PathBuf {
    layout.build("db").join(format!("debian-for-{}.lock", &base.digest()[..16]))
}

fn replacement(layout: &Layout, base: &Lock) -> Result<Option<Lock>> {
    read(&replacement_path(layout, base))
}

fn read(path: &std::path::Path) -> Result<Option<Lock>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Lock::parse(&text).with_context(|| format!("{} is damaged", path.display()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
