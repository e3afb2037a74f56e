//! `stack.toml`: what is built.
//!
//! [`RawStack`] mirrors the file and rejects unknown keys; only the checked [`Stack`] travels.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{Layout, Optimisation};

/// Least memory in which the web machine serves (measured: `cargo xtask bench boot`).
const WEB_MEMORY_MIB_MIN: u32 = 64;
/// Least memory in which MySQL initialises its volume.
const DB_MEMORY_MIB_MIN: u32 = 384;
/// Least volume that holds MySQL's system tables, redo and a first binary log.
const VOLUME_MIB_MIN: u32 = 512;
/// No machine here is larger; guards against a unit mistaken for bytes.
const MEMORY_MIB_MAX: u32 = 1 << 20;
/// The most vCPUs that a machine may have.
const CPUS_MAX: u32 = 64;

/// The machines that serve one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The name that visitors type, such as `www.foobar.com`.
    pub host: String,
    /// The web machine.
    pub web: Web,
    /// The db machine.
    pub db: Db,
}

/// The web machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Virtual CPUs.
    pub cpus: u32,
    /// How much the compiler does for speed.
    #[serde(default)]
    pub optimisation: Optimisation,
}

/// The db machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Db {
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Size of a new volume in MiB.
    pub volume_mib: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStack {
    host: String,
    web: Web,
    db: Db,
}

impl Stack {
    /// Reads and checks `image/stack.toml`.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key, or a value out of its range.
    pub fn load(layout: &Layout) -> Result<Self> {
        let path = layout.root().join("image/stack.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, &path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let raw: RawStack = toml::from_str(text).map_err(|error| explain(&error, path))?;
        raw.check().with_context(|| format!("{} is refused", path.display()))
    }
}

impl RawStack {
    fn check(self) -> Result<Stack> {
        check_host(&self.host)?;
        check_range("web.memory_mib", self.web.memory_mib, WEB_MEMORY_MIB_MIN, MEMORY_MIB_MAX)?;
        check_range("web.cpus", self.web.cpus, 1, CPUS_MAX)?;
        check_range("db.memory_mib", self.db.memory_mib, DB_MEMORY_MIB_MIN, MEMORY_MIB_MAX)?;
        check_range("db.cpus", self.db.cpus, 1, CPUS_MAX)?;
        check_range("db.volume_mib", self.db.volume_mib, VOLUME_MIB_MIN, u32::MAX)?;
        Ok(Stack { host: self.host, web: self.web, db: self.db })
    }
}

fn check_range(key: &str, value: u32, least: u32, most: u32) -> Result<()> {
    ensure!((least..=most).contains(&value), "{key} = {value}: give a number from {least} to {most}");
    Ok(())
}

/// Host names as RFC 1123, section 2.1 has them: letters, digits and hyphens in labels of at most 63 bytes.
fn check_host(host: &str) -> Result<()> {
    let plain = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && plain(label) && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.len() > 253 || !host.contains('.') || !host.split('.').all(label) {
        bail!("host = {host:?}: give a full name in lower case, such as www.foobar.com");
    }
    Ok(())
}

/// serde's message, with the nearest known key where one was misspelt.
fn explain(error: &toml::de::Error, path: &Path) -> anyhow::Error {
    let guess = nearest(error.message()).map(|key| format!("did you mean `{key}`?\n")).unwrap_or_default();
    anyhow::anyhow!("{}: {}{guess}", path.display(), error.to_string().replace("TOML parse error ", ""))
}

fn nearest(message: &str) -> Option<String> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    names.min_by_key(|known| strsim::damerau_levenshtein(unknown, known)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const GOOD: &str = include_str!("../stack.toml");

    fn refused(text: &str, expected: Expect) {
        expected.assert_eq(&format!("{:#}", Stack::parse(text, Path::new("stack.toml")).unwrap_err()));
    }

    #[test]
    fn the_committed_stack_is_accepted() {
        assert_eq!(Stack::parse(GOOD, Path::new("stack.toml")).unwrap().host, "www.foobar.com");
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_right_one() {
        refused(
            &GOOD.replace("volume_mib", "volume_mb"),
            expect![[r#"
                stack.toml: at line 20, column 1
                   |
                20 | volume_mb = 4096
                   | ^^^^^^^^^
                unknown field `volume_mb`, expected one of `memory_mib`, `cpus`, `volume_mib`
                did you mean `volume_mib`?
            "#]],
        );
    }

    #[test]
    fn a_value_out_of_range_names_the_range() {
        refused(
            &GOOD.replace("= 128", "= 16"),
            expect!["stack.toml is refused: web.memory_mib = 16: give a number from 64 to 1048576"],
        );
    }

    #[test]
    fn a_host_is_a_full_name() {
        refused(
            &GOOD.replace("www.foobar.com\"", "-www\""),
            expect![[
                r#"stack.toml is refused: host = "-www": give a full name in lower case, such as www.foobar.com"#
            ]],
        );
    }
}
