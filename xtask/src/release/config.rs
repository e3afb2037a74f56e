//! `release.toml`: where machines run and which records lead to them.
//!
//! Invariant: unknown keys are refused, and a path is meant from the file's own folder.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::dns::Form;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where machines run.
    pub(crate) machines: Machines,
    /// Which records lead to them.
    pub(crate) records: Records,
}

/// Who keeps the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Keeper {
    /// A cloud in a box on this host, with name servers of its own.
    Local,
    /// An executable that keeps the contract of `xtask/providers/README.md`.
    Command,
}

/// The section `[machines]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machines {
    /// Who keeps them.
    pub(crate) provider: Keeper,
    /// The executable, for `command`.
    pub(crate) program: Option<PathBuf>,
    /// The web machine's configuration, with its secrets, for `command`; `local` makes one.
    pub(crate) configuration: Option<PathBuf>,
    /// The root that visitors trust, PEM, for `command`; `local` has the development CA.
    pub(crate) root: Option<PathBuf>,
    /// Whether the box of `local` has an address that is led from machine to machine, so that the record is set once.
    #[serde(default)]
    pub(crate) reserved: bool,
    /// How long a candidate is visited before it may meet visitors, in seconds after its start; fifty times at least.
    #[serde(default = "watch_s")]
    pub(crate) watch_s: u64,
    /// How long a candidate may take until it is ready, in seconds.
    #[serde(default = "ready_s")]
    pub(crate) ready_s: u64,
}

/// The section `[records]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Records {
    /// The zone that the site's name is in.
    pub(crate) zone: String,
    /// Whether the zone's own name leads to the site too.
    #[serde(default)]
    pub(crate) apex: bool,
    /// How the site's name leads to addresses.
    #[serde(default = "form")]
    pub(crate) form: Form,
    /// Time to live between releases, in seconds.
    #[serde(default = "ttl_s")]
    pub(crate) ttl_s: u32,
    /// Time to live while a record moves, in seconds.
    #[serde(default = "low_ttl_s")]
    pub(crate) low_ttl_s: u32,
    /// Every authoritative server, the primary first, for `command`; `local` has its own.
    #[serde(default)]
    pub(crate) servers: Vec<String>,
    /// The TSIG key's file, for `command`.
    pub(crate) key: Option<PathBuf>,
    /// How long to wait for the slowest server, in seconds.
    #[serde(default = "settle_s")]
    pub(crate) settle_s: u64,
}

/// A program that dies of itself within a minute must do so before visitors meet it.
fn watch_s() -> u64 {
    70
}

/// An emulated machine is ready in five seconds; on a busy host it takes half of this.
pub(crate) const READY_S: u64 = 40;

fn ready_s() -> u64 {
    READY_S
}

fn form() -> Form {
    Form::Address
}

fn ttl_s() -> u32 {
    300
}

fn low_ttl_s() -> u32 {
    10
}

fn settle_s() -> u64 {
    120
}

impl Config {
    /// Reads and checks the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).with_context(|| format!("{} is refused", path.display()))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let mut config: Self = toml::from_str(text)?;
        let Machines { program, configuration, root, .. } = &mut config.machines;
        for path in [program, configuration, root, &mut config.records.key].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let Records { ttl_s, low_ttl_s, form, apex, servers, .. } = &self.records;
        ensure!(
            (1..=*ttl_s).contains(low_ttl_s),
            "records.low_ttl_s = {low_ttl_s}: give a number from 1 to records.ttl_s, {ttl_s}"
        );
        ensure!(
            *form == Form::Address || *apex,
            "records.form = \"alias\" makes the site's name an alias of the zone's own: set apex = true"
        );
        ensure!(
            !self.machines.reserved || self.machines.provider == Keeper::Local,
            "machines.reserved is for the local provider: an executable has the verb `address` instead"
        );
        if self.machines.provider == Keeper::Command {
            let Machines { program, configuration, root, .. } = &self.machines;
            let given = [("program", program), ("configuration", configuration), ("root", root)];
            for (key, value) in given {
                ensure!(value.is_some(), "provider = \"command\" needs machines.{key}");
            }
            ensure!(!servers.is_empty(), "provider = \"command\" needs records.servers, the primary first");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "[machines]\nprovider = 'local'\n[records]\nzone = 'foobar.com'\n";

    fn refused(text: &str) -> String {
        format!("{:#}", Config::parse(text, Path::new("/x")).unwrap_err())
    }

    #[test]
    fn the_committed_file_is_accepted() {
        Config::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("release.toml")).unwrap();
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_the_remedy() {
        assert!(refused(&format!("{LOCAL}ttl = 3\n")).contains("unknown field `ttl`"));
        assert!(
            refused(&format!("{LOCAL}ttl_s = 3\nlow_ttl_s = 10\n")).contains("from 1 to records.ttl_s, 3")
        );
        assert!(refused(&format!("{LOCAL}form = 'alias'\n")).contains("set apex = true"));
        assert!(refused(&LOCAL.replace("local", "command")).contains("needs machines.program"));
    }

    #[test]
    fn paths_start_in_the_files_own_folder() {
        let text = "[machines]\nprovider = 'command'\nprogram = 'p'\nconfiguration = '/c'\nroot = 'r'\n\
                    [records]\nzone = 'foobar.com'\nservers = ['ns1']\nkey = 'k'\n";
        let config = Config::parse(text, Path::new("/x")).unwrap();
        assert_eq!(config.machines.program, Some("/x/p".into()));
        assert_eq!(config.machines.configuration, Some("/c".into()));
        assert_eq!(config.records.key, Some("/x/k".into()));
    }
}
