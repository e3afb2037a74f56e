//! The `.deb`s of all checkouts of one user, each under its sha256.
//!
//! Invariant: a file gets its final name only after its sum was checked. One process fetches at a time; what was cut
//! off goes on where it stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};

use super::{Lock, Mirror, Package, apt};
use crate::{Layout, command, progress};

/// Debian's client for one file; it knows the host's proxies and every kind of address that apt does.
const CLIENT: &str = "/usr/lib/apt/apt-helper";
/// How many files one call fetches. Few enough for a progress that moves.
const BATCH: usize = 8;

/// Why packages are missing.
pub(super) enum Failure {
    /// The mirror answers, and does not have these.
    Gone(Vec<String>),
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    pub(super) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Gone(names) => anyhow!("the mirror lists, but does not have {}", names.join(", ")),
            Self::Other(error) => error,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Where the `.deb` of `package` lies once it is there.
pub(super) fn path(layout: &Layout, package: &Package) -> PathBuf {
    layout.cache().join("debs").join(format!("{}.deb", package.sha256))
}

/// Fetches what is not there yet.
pub(super) fn fill(layout: &Layout, lock: &Lock) -> Result<(), Failure> {
    if missing(layout, lock).is_empty() {
        return Ok(());
    }
    let folder = layout.cache().join("debs");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let _turn = wait_for_turn(&folder)?;
    let missing = missing(layout, lock);
    if missing.is_empty() {
        return Ok(()); // Another process fetched it meanwhile.
    }
    let bytes: u64 = missing.iter().map(|package| package.size).sum();
    let step = progress::start("Debian packages: fetch");
    let mirror = Mirror::of_host()?;
    let mut gone = Vec::new();
    for (batch, packages) in missing.chunks(BATCH).enumerate() {
        step.update(format!("{} of {}", batch * BATCH, missing.len()));
        gone.extend(fetch(layout, &mirror, packages)?);
    }
    if !gone.is_empty() {
        return Err(Failure::Gone(gone));
    }
    step.done(format!("{}, {}", missing.len(), progress::size(bytes)));
    Ok(())
}

fn missing<'a>(layout: &Layout, lock: &'a Lock) -> Vec<&'a Package> {
    let present = |package: &&Package| {
        fs::metadata(path(layout, package)).is_ok_and(|metadata| metadata.len() == package.size)
    };
    lock.packages.iter().filter(|package| !present(package)).collect()
}

/// Holds a lock on the folder until dropped.
pub(super) fn wait_for_turn(folder: &Path) -> Result<File> {
    let path = folder.join(".turn");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Fetches `packages` and returns the titles of those that the mirror does not have.
fn fetch(layout: &Layout, mirror: &Mirror, packages: &[&Package]) -> Result<Vec<String>> {
    let mut client = apt::command(&apt::folder(layout), CLIENT)?;
    client.arg("--quiet").arg("download-file");
    for package in packages {
        let address = format!("{}/{}", archive(mirror, package)?, package.path);
        client.arg(address).arg(partial(layout, package)).arg(format!("SHA256:{}", package.sha256));
    }
    let outcome = command::run(&mut client);
    for package in packages {
        admit(layout, package)?;
    }
    match outcome {
        Ok(()) => Ok(Vec::new()),
        Err(error) => {
            gone(&format!("{error:#}"), packages).ok_or_else(|| unreachable(layout, packages, &error))
        }
    }
}

fn archive<'a>(mirror: &'a Mirror, package: &Package) -> Result<&'a str> {
    if !package.suite.ends_with("-security") {
        return Ok(&mirror.debian);
    }
    mirror.security.as_deref().with_context(|| {
        format!(
            "{} is in Debian's security archive, which the apt sources of this host do not name",
            package.title()
        )
    })
}

fn partial(layout: &Layout, package: &Package) -> PathBuf {
    layout.cache().join("debs").join(format!(".partial-{}", package.sha256))
}

/// Gives a fetched file its final name if it is what was asked for; a package that did not come is no error here.
fn admit(layout: &Layout, package: &Package) -> Result<()> {
    let partial = partial(layout, package);
    let failed = partial.with_extension("FAILED");
    for wrong in [&failed, &partial] {
        let Ok(metadata) = fs::metadata(wrong) else { continue };
        if wrong == &partial && metadata.len() < package.size {
            continue; // Cut off: the next fetch goes on from here.
        }
        if let Err(error) = verify(wrong, package) {
            fs::remove_file(wrong).with_context(|| format!("cannot remove {}", wrong.display()))?;
            return Err(error);
        }
        let path = path(layout, package);
        fs::rename(wrong, &path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Checks that the file is the locked package.
pub(super) fn verify(file: &Path, package: &Package) -> Result<()> {
    let found = sum_of(file).with_context(|| format!("cannot read {}", file.display()))?;
    if found == package.sha256 {
        return Ok(());
    }
    Err(anyhow!(
        "sha256 mismatch for {}: the lock says {}, the file has {found}; \
         if the lock is right the mirror or a proxy is wrong: try another with BOOTSTACK_DEBIAN_MIRROR",
        package.title(),
        package.sha256,
    ))
}

fn sum_of(file: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(file)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// The titles of packages that the mirror answered `404` for; none if there was any other trouble.
fn gone(words: &str, packages: &[&Package]) -> Option<Vec<String>> {
    let failures: BTreeMap<&str, bool> = words
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("E: Failed to fetch ")?.split_once(' '))
        .map(|(address, reason)| (address, reason.contains("404") || reason.contains("File not found")))
        .collect();
    let all_gone = !failures.is_empty() && failures.values().all(|gone| *gone);
    let named = |package: &&&Package| failures.keys().any(|address| address.ends_with(&package.path));
    all_gone.then(|| packages.iter().filter(named).map(|package| package.title()).collect())
}

fn unreachable(layout: &Layout, packages: &[&Package], error: &anyhow::Error) -> anyhow::Error {
    let missing = packages.iter().filter(|package| !path(layout, package).exists());
    let titles: Vec<_> = missing.map(|package| package.title()).collect();
    anyhow!(
        "cannot fetch {}: is the network up? With a network once, everything is kept in {}\n{error:#}",
        titles.join(", "),
        layout.cache().join("debs").display()
    )
}

#[cfg(test)]
mod tests {
    use super::super::Use;
    use super::super::lock::sum;
    use super::*;

    fn package(content: &[u8]) -> Package {
        Package {
            name: "kmod".to_owned(),
            version: "34.2-2".to_owned(),
            architecture: "amd64".to_owned(),
            suite: "trixie".to_owned(),
            r#use: Use::Guest,
            size: content.len() as u64,
            sha256: sum(content),
            path: "pool/main/k/kmod/kmod_34.2-2_amd64.deb".to_owned(),
        }
    }

    fn fetched(content: &[u8]) -> (tempfile::TempDir, Layout, Package) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let package = package(b"the package");
        fs::create_dir_all(layout.cache().join("debs")).unwrap();
        fs::write(partial(&layout, &package), content).unwrap();
        (folder, layout, package)
    }

    #[test]
    fn a_mismatch_names_both_sums_and_keeps_nothing() {
        let (_folder, layout, package) = fetched(b"another one");
        let error = admit(&layout, &package).unwrap_err().to_string();
        assert!(error.contains(&sum(b"the package")) && error.contains(&sum(b"another one")), "{error}");
        assert!(!path(&layout, &package).exists() && !partial(&layout, &package).exists());
    }

    #[test]
    fn a_half_file_is_kept_but_never_taken_for_the_whole() {
        let (_folder, layout, package) = fetched(b"the pa");
        admit(&layout, &package).unwrap();
        assert!(!path(&layout, &package).exists() && partial(&layout, &package).exists());
    }

    #[test]
    fn only_an_answer_of_the_mirror_makes_a_package_gone() {
        let package = package(b"the package");
        let address = format!("E: Failed to fetch http://m.example/debian/{}", package.path);
        let gone = |reason| gone(&format!("{address}  {reason}\nE: Download Failed"), &[&package]);
        assert_eq!(gone("404  Not Found [IP: 192.0.2.1 80]"), Some(vec!["kmod 34.2-2 (trixie)".to_owned()]));
        assert_eq!(gone("Could not connect to m.example:80"), None);
    }
}
