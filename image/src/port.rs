//! Ports: our edits and files over a pinned registry crate, for target hermit.
//!
//! A port is a folder that holds `port.toml` and, below `files/`, whole files of ours laid out as in the crate. The
//! crate's source comes from the registry through cargo, which checks its sum; the edited copy lies below `target/`.
//! Host builds never see it.
//!
//! Invariant: nothing is edited or replaced unless the pinned file has the very content that the change was made for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::{Layout, Toolchain};

mod manifest;
mod source;
mod stamp;

pub use manifest::{Add, Edit, Manifest, Replace};
pub use stamp::sum;

/// A port as its folder describes it.
#[derive(Clone, Debug)]
pub struct Port {
    folder: PathBuf,
    manifest: Manifest,
}

/// Every port below `image/ports`, in the order of their names: one a folder.
///
/// # Errors
/// When a folder holds no valid `port.toml`.
pub fn all(layout: &Layout) -> Result<Vec<Port>> {
    let folder = layout.root().join("image/ports");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut folders: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders.iter().map(|folder| Port::read(folder)).collect()
}

impl Port {
    /// Reads the port in `folder`.
    ///
    /// # Errors
    /// When `port.toml` is missing, or has an unknown key, or names a file that is not below `files/`, or does not
    /// name one that is.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("port.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Manifest =
            toml::from_str(&text).with_context(|| format!("{} is not a port", path.display()))?;
        let port = Self { folder: folder.to_owned(), manifest };
        port.check_files()?;
        Ok(port)
    }

    /// The crate that is ported.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// `<crate>-<version>`: the name of the edited copy's folder.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}-{}", self.manifest.name, self.manifest.version)
    }

    /// Where the edited copy lies once it is prepared.
    #[must_use]
    pub fn prepared(&self, layout: &Layout) -> PathBuf {
        layout.build("ports").join(self.title())
    }

    /// Makes the edited copy, unless one of the same inputs is there already, and returns its folder.
    ///
    /// # Errors
    /// When the crate cannot be fetched or a change does not fit it.
    pub fn prepare(&self, layout: &Layout, toolchain: &Toolchain) -> Result<PathBuf> {
        let to = self.prepared(layout);
        let stamp = stamp::of(&self.folder)?;
        if !stamp::is_current(&to, &stamp) {
            let from = source::fetch(layout, toolchain, &self.manifest)?;
            self.copy(&from, &to).with_context(|| format!("port {}", self.title()))?;
            stamp::write(&to, &stamp)?;
        }
        Ok(to)
    }

    /// Copies `from` to `to` and applies the port. `to` appears whole or not at all.
    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let partial = to.with_extension("partial");
        remove_folder(&partial)?;
        source::copy_folder(from, &partial)?;
        self.apply(&partial)?;
        remove_folder(to)?;
        fs::rename(&partial, to).with_context(|| format!("cannot create {}", to.display()))
    }

    fn apply(&self, tree: &Path) -> Result<()> {
        self.check_sums(tree)?;
        self.manifest.edits.iter().try_for_each(|edit| apply_edit(tree, edit))?;
        let replaced = self.manifest.replacements.iter().map(|replace| &replace.file);
        let added = self.manifest.additions.iter().map(|add| &add.file);
        for file in replaced.chain(added) {
            source::copy_file(&self.files().join(file), &tree.join(file))?;
        }
        Ok(())
    }

    /// Every sum is compared before the first file is changed, so that several edits may share a file.
    fn check_sums(&self, tree: &Path) -> Result<()> {
        for edit in &self.manifest.edits {
            check_sum(tree, &edit.file, &edit.sha256).with_context(|| format!("edit `{}`", edit.name))?;
        }
        for replace in &self.manifest.replacements {
            check_sum(tree, &replace.file, &replace.sha256).context("replaced file")?;
        }
        for Add { file } in &self.manifest.additions {
            ensure!(!tree.join(file).exists(), "{file} is in the crate: replace it instead of adding it");
        }
        Ok(())
    }

    fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn check_files(&self) -> Result<()> {
        let replaced = self.manifest.replacements.iter().map(|replace| replace.file.as_str());
        let added = self.manifest.additions.iter().map(|add| add.file.as_str());
        let mut named: Vec<_> = replaced.chain(added).collect();
        named.sort_unstable();
        let present = stamp::files_below(&self.files())?;
        for file in &named {
            ensure!(
                present.iter().any(|path| path == file),
                "{} is missing",
                self.files().join(file).display()
            );
        }
        if let Some(stray) = present.iter().find(|path| !named.contains(&path.as_str())) {
            bail!("{} is named by no [[add]] and no [[replace]]", self.files().join(stray).display());
        }
        Ok(())
    }
}

fn check_sum(tree: &Path, file: &str, expected: &str) -> Result<()> {
    let content = fs::read(tree.join(file)).with_context(|| format!("the crate has no file {file}"))?;
    let found = sum(&content);
    ensure!(
        found == expected,
        "{file} is not the file that the change was made for: expected sha256 {expected}, found {found}; \
         read the crate's new source, adapt the change and write its new sum into port.toml"
    );
    Ok(())
}

fn apply_edit(tree: &Path, edit: &Edit) -> Result<()> {
    let path = tree.join(&edit.file);
    let content = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let count = content.matches(&edit.find).count();
    ensure!(
        count == 1,
        "edit `{}` no longer applies to {}: its text occurs {count} times instead of once",
        edit.name,
        edit.file
    );
    fs::write(&path, content.replacen(&edit.find, &edit.replace, 1))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
