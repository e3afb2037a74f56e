//! The unpacked packages, and how their programs run on the host.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian::{self, Lock, Policy, Use};
use crate::{Layout, progress};

/// Where the packages keep their libraries.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// The packages' own dynamic loader; with it, a program runs on any Linux host.
const LOADER: &str = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";

/// Unpacked packages.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    below: Vec<PathBuf>,
}

/// Unpacks the guest's packages, so that its programs can run on the host. Nothing is done the second time.
///
/// # Errors
/// When packages are missing and cannot be fetched, or the disk is full.
pub fn host_tree(layout: &Layout, policy: Policy) -> Result<Tree> {
    Tree::unpack(layout, &debian::packages(layout, policy)?, Use::Guest)
}

/// The folder of the programs that only tests run. They need nothing but the C library of any host since 2021.
///
/// # Errors
/// As [`host_tree`].
pub fn test_programs(layout: &Layout, policy: Policy) -> Result<PathBuf> {
    let tree = Tree::unpack(layout, &debian::packages(layout, policy)?, Use::Test)?;
    Ok(tree.root().join("usr/bin"))
}

impl Tree {
    /// Unpacks the packages of one use.
    pub(crate) fn unpack(layout: &Layout, lock: &Lock, r#use: Use) -> Result<Self> {
        let name = format!("{use:?}").to_lowercase();
        let root = layout.build("db").join(format!("{name}-{}", &lock.digest_of(r#use)[..16]));
        if !root.exists() {
            let step = progress::start(format!("Debian packages: unpack ({name})"));
            remove_others(&layout.build("db"), &name)?;
            fill(layout, lock, r#use, &root)?;
            step.done("");
        }
        Ok(Self { root, below: Vec::new() })
    }

    /// The same tree, its programs also finding the libraries of `other`.
    pub(crate) fn over(mut self, other: &Self) -> Self {
        self.below.push(other.root.clone());
        self
    }

    /// The tree's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program of the tree, such as `usr/sbin/mysqld`, as a command of the host.
    #[must_use]
    pub fn program(&self, path: &str) -> Command {
        let loader = [&self.root].into_iter().chain(&self.below).map(|root| root.join(LOADER));
        let loader = loader.clone().find(|loader| loader.exists()).unwrap_or_else(|| self.root.join(LOADER));
        let mut command = Command::new(loader);
        command.arg("--library-path").arg(self.libraries()).arg(self.root.join(path));
        command
    }

    fn libraries(&self) -> OsString {
        let mut path = OsString::new();
        for root in [&self.root].into_iter().chain(&self.below) {
            if !path.is_empty() {
                path.push(":");
            }
            path.push(root.join(LIBRARIES));
        }
        path
    }
}

/// Unpacks beside the final name, which appears when all is there.
fn fill(layout: &Layout, lock: &Lock, r#use: Use, root: &Path) -> Result<()> {
    let parent = layout.build("db");
    fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(&parent)?;
    for package in lock.of(r#use) {
        debian::unpack(layout, package, &partial.path().join("root"))?;
    }
    match fs::rename(partial.path().join("root"), root) {
        Err(_) if root.exists() => Ok(()), // Another process was faster.
        outcome => outcome.with_context(|| format!("cannot create {}", root.display())),
    }
}

/// Removes the trees of earlier locks.
fn remove_others(parent: &Path, name: &str) -> Result<()> {
    for entry in fs::read_dir(parent).into_iter().flatten() {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&format!("{name}-")) {
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
