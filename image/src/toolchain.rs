//! Which compiler builds the guest: any rustc whose sysroot holds the standard library's source of its own version.
//!
//! Debian's `rustc-web` with `rust-web-src`, or a rustup toolchain with the component `rust-src`. The machines' targets
//! are built with `-Zbuild-std`, so this is independent of the compiler that builds the tools of the host.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use anyhow::{Context, Result, bail};

use crate::{Layout, command, progress};

mod llvm;

/// The oldest version that the kernel's port is known to compile with.
const OLDEST: (u32, u32) = (1, 96);

/// Which compiler it is is said once, however many steps ask.
static SAID: Once = Once::new();

/// A compiler, its cargo and the tools that take its objects apart.
#[derive(Clone, Debug)]
pub struct Toolchain {
    rustc: PathBuf,
    cargo: PathBuf,
    sysroot: PathBuf,
    version: String,
    tools: llvm::Tools,
}

/// Finds the compiler for the guest and says which one it is.
///
/// `BOOTSTACK_RUSTC` names one; otherwise the system's, then rustup's, are tried.
///
/// # Errors
/// When none has its own source, or the LLVM tools are missing: what was tried, and the remedy.
pub fn find(_layout: &Layout) -> Result<Toolchain> {
    let mut refusals = Vec::new();
    for rustc in candidates() {
        match Toolchain::at(&rustc) {
            Ok(toolchain) => {
                SAID.call_once(|| progress::note(format!("guest toolchain: {}", toolchain.describe())));
                return Ok(toolchain);
            }
            Err(error) => refusals.push(format!("  {}: {error:#}", rustc.display())),
        }
    }
    bail!(
        "no Rust compiler with the source of its own standard library found\n{}\n\
         on Debian: apt-get install rustc-web cargo-web rust-web-src llvm-19 lld-19\n\
         with rustup: rustup component add rust-src llvm-tools",
        refusals.join("\n")
    )
}

impl Toolchain {
    fn at(rustc: &Path) -> Result<Self> {
        let version = ask(rustc, &["--version"])?;
        let version = version.split(' ').nth(1).context("it does not print its version")?.to_owned();
        anyhow::ensure!(at_least_oldest(&version), "{version} is older than {}.{}", OLDEST.0, OLDEST.1);
        let sysroot = PathBuf::from(ask(rustc, &["--print", "sysroot"])?);
        check_source(&sysroot, &version)?;
        let cargo = rustc.with_file_name("cargo");
        anyhow::ensure!(cargo.exists(), "there is no cargo beside it");
        Ok(Self { tools: llvm::find(&sysroot)?, rustc: rustc.to_owned(), cargo, sysroot, version })
    }

    /// One line for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("rustc {} ({}), {}", self.version, self.rustc.display(), self.tools.describe())
    }

    /// What results depend on: changes when the compiler does.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the compiler's libraries and their source lie.
    #[must_use]
    pub fn sysroot(&self) -> &Path {
        &self.sysroot
    }

    /// The compiler itself.
    #[must_use]
    pub fn rustc(&self) -> &Path {
        &self.rustc
    }

    /// An LLVM tool by name, such as `llvm-objcopy` or `ld.lld`.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools.path(name)
    }

    /// A cargo that builds with this compiler, unstable options allowed, undisturbed by the cargo that runs us.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut cargo = command::cargo(&self.cargo);
        cargo.env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        cargo.env("RUSTUP_AUTO_INSTALL", "0");
        cargo
    }
}

fn candidates() -> Vec<PathBuf> {
    if let Some(rustc) = env::var_os("BOOTSTACK_RUSTC") {
        return vec![rustc.into()];
    }
    let mut found = vec![PathBuf::from("/usr/bin/rustc")];
    found.extend(rustup_toolchains());
    found.retain(|rustc| rustc.exists());
    found
}

/// The compilers that rustup has installed, without asking rustup: its proxies may want to download.
fn rustup_toolchains() -> Vec<PathBuf> {
    let home = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".rustup")));
    let Some(Ok(entries)) = home.map(|home| fs::read_dir(home.join("toolchains"))) else { return Vec::new() };
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort_by_key(|folder| preference(folder.file_name()));
    folders.iter().map(|folder| folder.join("bin/rustc")).collect()
}

/// Released compilers before nightly ones, whose unstable features may have moved on.
fn preference(name: Option<&OsStr>) -> (bool, Option<PathBuf>) {
    let nightly = name.is_some_and(|name| name.to_string_lossy().starts_with("nightly"));
    (nightly, name.map(PathBuf::from))
}

fn at_least_oldest(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST)
}

/// Debian's source lies in a folder that carries its version; rustup's component always fits its compiler.
fn check_source(sysroot: &Path, version: &str) -> Result<()> {
    let source = sysroot.join("lib/rustlib/src/rust");
    anyhow::ensure!(
        source.join("library/std/Cargo.toml").exists(),
        "{} holds no source of the standard library",
        source.display()
    );
    let said = fs::read_to_string(source.join("src/version")).unwrap_or_else(|_| version.to_owned());
    anyhow::ensure!(said.trim() == version, "its source is of version {}, not {version}", said.trim());
    Ok(())
}

fn ask(rustc: &Path, arguments: &[&str]) -> Result<String> {
    let output = command::output(command::cargo(rustc).args(arguments))?;
    Ok(String::from_utf8(output).context("it does not print text")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_before_the_oldest_is_refused() {
        assert!(!at_least_oldest("1.63.0") && !at_least_oldest("1.95.9") && !at_least_oldest("unknown"));
        assert!(at_least_oldest("1.96.0") && at_least_oldest("1.97.0-nightly") && at_least_oldest("2.0.0"));
    }

    #[test]
    fn source_of_another_version_is_refused() {
        let sysroot = tempfile::tempdir().unwrap();
        let source = sysroot.path().join("lib/rustlib/src/rust");
        assert!(check_source(sysroot.path(), "1.96.0").unwrap_err().to_string().contains("holds no source"));
        fs::create_dir_all(source.join("library/std")).unwrap();
        fs::create_dir_all(source.join("src")).unwrap();
        fs::write(source.join("library/std/Cargo.toml"), "").unwrap();
        assert!(check_source(sysroot.path(), "1.96.0").is_ok());
        fs::write(source.join("src/version"), "1.90.0\n").unwrap();
        let error = check_source(sysroot.path(), "1.96.0").unwrap_err().to_string();
        assert_eq!(error, "its source is of version 1.90.0, not 1.96.0");
    }
}
