//! Which QEMU the host has, and whether it is new enough.
//!
//! It does not install anything. Invariant: no machine starts on a QEMU older than `MAJOR_MIN`.
use anyhow::{Context, Result, bail, ensure};
use std::process::Command;
use std::sync::OnceLock;

/// The program, found on PATH.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// QEMU 7.2 crashes the db machine's kernel under software emulation; 10.0.2 booted it 8 times of 8 (measured).
pub const MAJOR_MIN: u32 = 10;

const REMEDY: &str = "`cargo xtask up` installs it on Debian; elsewhere install the package that brings \
                      qemu-system-x86_64 and put it on PATH";

/// The version as QEMU tells it (`10.0.2`), for example.
///
/// # Errors
/// When QEMU is not installed, cannot be run, or is older than [`MAJOR_MIN`].
pub fn version() -> Result<String> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(version.clone());
    }
    let version = ask()?;
    check(&version)?;
    Ok(VERSION.get_or_init(|| version).clone())
}

fn ask() -> Result<String> {
    let output = Command::new(PROGRAM)
        .arg("--version")
        .output()
        .with_context(|| format!("{PROGRAM} cannot be run: {REMEDY}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = parse(&text).with_context(|| format!("{PROGRAM} --version said {text:?}"))?;
    Ok(version.to_owned())
}

fn parse(text: &str) -> Option<&str> {
    text.strip_prefix("QEMU emulator version ")?.split_whitespace().next()
}

fn check(version: &str) -> Result<()> {
    let Some(major) = version.split('.').next().and_then(|major| major.parse::<u32>().ok()) else {
        bail!("{PROGRAM} has the version {version:?}, which is no number");
    };
    ensure!(major >= MAJOR_MIN, "{PROGRAM} is version {version}, {MAJOR_MIN} or newer is needed: {REMEDY}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_first_line() {
        let text = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright (c) 2003-2025\n";
        assert_eq!(parse(text), Some("10.0.2"));
        assert_eq!(parse("usage: qemu"), None);
    }

    #[test]
    fn an_old_version_is_refused_with_the_remedy() {
        check("10.0.2").unwrap();
        check("11.0.0-rc1").unwrap();
        let error = check("7.2.19").unwrap_err().to_string();
        assert!(
            error
                .starts_with("qemu-system-x86_64 is version 7.2.19, 10 or newer is needed: `cargo xtask up`")
        );
    }
}
