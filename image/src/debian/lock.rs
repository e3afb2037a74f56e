//! `debian.lock`: the packages that were chosen, with what is needed to fetch and to check them.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const HEADER: &str =
    "# Written by `cargo xtask image --update-lock`. Paths are below the root of a Debian mirror.\n\n";

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// It is unpacked into the db machine.
    Guest,
    /// It runs on the host while the image is built.
    Tool,
    /// It is unpacked into the yardstick of `cargo xtask bench net`.
    Bench,
    /// It runs on the host for tests.
    Test,
}

/// One package at one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Debian's name.
    pub name: String,
    /// Debian's version, with the epoch.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// The release it was found in, such as `trixie` or `trixie-security`.
    pub suite: String,
    /// What it is for.
    pub r#use: Use,
    /// Size in bytes.
    pub size: u64,
    /// sha256 of the `.deb`, in hexadecimal.
    pub sha256: String,
    /// Where it lies below the root of the archive.
    pub path: String,
}

/// All packages, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Digest of the `packages.toml` that this answers.
    pub wanted: String,
    /// The packages, in the order of their names.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

impl Lock {
    /// Reads the lock's text.
    ///
    /// # Errors
    /// When it is no lock, or an entry could name something outside of a cache or mirror.
    pub fn parse(text: &str) -> Result<Self> {
        let lock: Self = toml::from_str(text)?;
        for package in &lock.packages {
            package.check().with_context(|| format!("package {:?}", package.name))?;
        }
        Ok(lock)
    }

    /// The packages for one use.
    pub fn of(&self, r#use: Use) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(move |package| package.r#use == r#use)
    }

    /// sha256 of the lock's text: changes whenever a package does.
    #[must_use]
    pub fn digest(&self) -> String {
        sum(self.to_string().as_bytes())
    }

    /// Changes whenever a package for one use does.
    #[must_use]
    pub fn digest_of(&self, r#use: Use) -> String {
        let sums: Vec<&str> = self.of(r#use).map(|package| package.sha256.as_str()).collect();
        sum(sums.concat().as_bytes())
    }

    /// One line for each package that `after` adds, drops or changes.
    #[must_use]
    pub fn difference(&self, after: &Self) -> Vec<String> {
        let (old, new) = (self.by_name(), after.by_name());
        let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| changed(name, old.get(name), new.get(name))).collect()
    }

    fn by_name(&self) -> BTreeMap<&str, &Package> {
        self.packages.iter().map(|package| (package.name.as_str(), package)).collect()
    }
}

fn changed(name: &str, old: Option<&&Package>, new: Option<&&Package>) -> Option<String> {
    match (old, new) {
        (Some(old), Some(new)) if old.version != new.version => {
            Some(format!("{name}: {} -> {}", old.version, new.version))
        }
        (Some(old), Some(new)) if old.sha256 != new.sha256 => {
            Some(format!("{name} {}: sha256 {} -> {}", old.version, old.sha256, new.sha256))
        }
        (Some(old), None) => Some(format!("{name}: {} is gone", old.version)),
        (None, Some(new)) => Some(format!("{name}: {} is new", new.version)),
        _ => None,
    }
}

impl Package {
    fn check(&self) -> Result<()> {
        ensure!(
            self.sha256.len() == 64 && self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "sha256 {:?} is not 64 hexadecimal digits",
            self.sha256
        );
        let plain = |part: &str| !part.is_empty() && part != ".." && !part.starts_with('-');
        ensure!(self.path.split('/').all(plain), "path {:?} is not below a mirror's root", self.path);
        Ok(())
    }

    /// `name_version_architecture`, as messages show it.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {} ({})", self.name, self.version, self.suite)
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HEADER)?;
        formatter.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// sha256 in hexadecimal.
pub(super) fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            suite: "sid".to_owned(),
            r#use: Use::Guest,
            size: 1024,
            sha256: sum(version.as_bytes()),
            path: format!("pool/main/{name}_{version}_amd64.deb"),
        }
    }

    fn lock(packages: &[(&str, &str)]) -> Lock {
        let packages = packages.iter().map(|(name, version)| package(name, version)).collect();
        Lock { wanted: sum(b"wanted"), packages }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let written = lock(&[("mysql-server-core", "9.7.4-2"), ("zlib1g", "1:1.3.dfsg+really1.3.1-1")]);
        assert_eq!(Lock::parse(&written.to_string()).unwrap(), written);
    }

    #[test]
    fn a_path_may_not_leave_the_mirror() {
        let mut wrong = lock(&[("kmod", "34")]);
        wrong.packages[0].path = "pool/../../etc/passwd".to_owned();
        let error = Lock::parse(&wrong.to_string()).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            r#"package "kmod": path "pool/../../etc/passwd" is not below a mirror's root"#
        );
    }

    #[test]
    fn the_difference_names_every_change_and_nothing_else() {
        let before = lock(&[("kmod", "34"), ("libicu78", "78.3-2"), ("mysql-server-core", "9.7.4-2")]);
        let after = lock(&[("kmod", "34"), ("libicu79", "79.1-1"), ("mysql-server-core", "9.7.5-1")]);
        expect![[r"
            libicu78: 78.3-2 is gone
            libicu79: 79.1-1 is new
            mysql-server-core: 9.7.4-2 -> 9.7.5-1"]]
        .assert_eq(&before.difference(&after).join("\n"));
        assert!(before.difference(&before).is_empty());
    }
}
