//! Asks apt, in folders of its own, which packages satisfy what is wanted.
//!
//! apt verifies the archives' signatures with the Debian archive keyring. Release files may be past their Valid-Until:
//! a mirror that stands still is no reason not to build, and the lock file pins what comes from it anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Lock, Mirror, Package, Use, Wanted};
use crate::{Layout, command, layout, progress};

/// The keyring has two names: the second since Debian 13.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// A version that no real package reaches, for packages that only count as present.
const PRESENT_VERSION: &str = "1:9999";

/// apt with its state in a folder of ours.
struct Apt {
    folder: PathBuf,
}

/// Chooses a version for everything that `wanted` needs.
pub(super) fn resolve(layout: &Layout, wanted: &Wanted, mirror: &Mirror) -> Result<Lock> {
    let apt = Apt::prepare(layout, wanted)?;
    let addresses = apt.update(wanted, mirror)?;
    let files = |choices: Vec<Choice>| choices.into_iter().map(|choice| choice.file).collect::<BTreeSet<_>>();
    let guest = files(apt.choose(&[&wanted.guest])?);
    let tools = files(apt.choose(&[&wanted.guest, &wanted.tools])?);
    let measured = files(apt.choose(&[&wanted.guest, &wanted.tools, &wanted.bench])?);
    let all = apt.choose(&[&wanted.guest, &wanted.tools, &wanted.bench, &wanted.tests])?;
    let suites = apt.suites(&all)?;
    let package = |choice: Choice| {
        let r#use = match &choice.file {
            file if guest.contains(file) => Use::Guest,
            file if tools.contains(file) => Use::Tool,
            file if measured.contains(file) => Use::Bench,
            _ => Use::Test,
        };
        choice.package(&addresses, &suites, r#use)
    };
    let mut packages = all.into_iter().map(package).collect::<Result<Vec<_>>>()?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Lock { wanted: wanted.digest(), packages })
}

/// Where apt keeps what it knows; one process at a time may use it.
pub(super) fn folder(layout: &Layout) -> PathBuf {
    layout.build("db").join("apt")
}

/// A command that reads the settings of `folder` and nothing of the host's, but how it reaches the network.
pub(super) fn command(folder: &Path, program: &str) -> Result<Command> {
    let settings = folder.join("apt.conf");
    layout::replace_with(&settings, (network_settings()? + &own_settings(folder)).as_bytes())?;
    let mut command = Command::new(program);
    command.env("APT_CONFIG", settings).env("LC_ALL", "C.UTF-8");
    Ok(command)
}

/// The host's proxies and time limits.
fn network_settings() -> Result<String> {
    let settings = command::output(Command::new("apt-config").arg("dump"))?;
    let kept = ["Acquire::http", "Acquire::https", "Acquire::Retries", "Acquire::ForceIPv"];
    let lines = String::from_utf8_lossy(&settings);
    Ok(lines
        .lines()
        .filter(|line| kept.iter().any(|name| line.starts_with(name)))
        .fold(String::new(), |text, line| text + line + "\n"))
}

fn own_settings(folder: &Path) -> String {
    let path = folder.display();
    format!(
        r#"Dir::State "{path}/state";
Dir::State::status "{path}/status";
Dir::Cache "{path}/cache";
Dir::Etc::sourcelist "{path}/sources.list";
Dir::Etc::sourceparts "{path}/none";
Dir::Etc::preferences "{path}/preferences";
Dir::Etc::preferencesparts "{path}/none";
Dir::Etc::parts "{path}/none";
Dir::Etc::main "{path}/none";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Check-Date "false";
Acquire::ForceHash "SHA256";
Acquire::Languages "none";
"#
    )
}

impl Apt {
    fn prepare(layout: &Layout, wanted: &Wanted) -> Result<Self> {
        let folder = folder(layout);
        for part in ["state/lists/partial", "cache/archives/partial", "none"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        layout::replace_with(&folder.join("status"), present(&wanted.without).as_bytes())?;
        layout::replace_with(&folder.join("preferences"), preferences(wanted).as_bytes())?;
        Ok(Self { folder })
    }

    /// Fetches the indices, and returns the addresses they came from.
    fn update<'a>(&self, wanted: &Wanted, mirror: &'a Mirror) -> Result<Vec<&'a str>> {
        let main =
            [wanted.suite.as_str(), wanted.newer_suite.as_str()].map(|suite| (mirror.debian.as_str(), suite));
        let suite = format!("{}-security", wanted.suite);
        if let Some(address) = &mirror.security {
            let security = (address.as_str(), suite.as_str());
            match self.update_from(&[main[0], main[1], security]) {
                Ok(()) => return Ok(vec![security.0, main[0].0]),
                Err(error) if !format!("{error:#}").contains(&suite) => return Err(error),
                Err(_) => progress::note(format!("the mirror has no {suite}: going on without")),
            }
        }
        self.update_from(&main)?;
        Ok(vec![main[0].0])
    }

    fn update_from(&self, archives: &[(&str, &str)]) -> Result<()> {
        let keyring = KEYRINGS
            .into_iter()
            .find(|path| Path::new(path).exists())
            .with_context(|| format!("{} is missing: apt-get install debian-archive-keyring", KEYRINGS[0]))?;
        let line = |(address, suite): &(&str, &str)| {
            format!("deb [signed-by={keyring} check-valid-until=no] {address} {suite} main\n")
        };
        let sources: String = archives.iter().map(line).collect();
        layout::replace_with(&self.folder.join("sources.list"), sources.as_bytes())?;
        let mut update = command(&self.folder, "apt-get")?;
        command::run(update.args(["--quiet=2", "--option=APT::Update::Error-Mode=any", "update"]))
            .context("cannot fetch Debian's package lists: is the network up?")
    }

    /// What apt would install for `wanted` into an empty system.
    fn choose(&self, wanted: &[&[String]]) -> Result<Vec<Choice>> {
        let mut install = command(&self.folder, "apt-get")?;
        install.args(["--quiet=2", "--yes", "--print-uris", "install"]).args(wanted.concat());
        let lines = command::output(&mut install)
            .context("apt finds no set of packages that satisfies image/linux/packages.toml")?;
        let lines = String::from_utf8(lines).context("apt printed no text")?;
        lines.lines().filter(|line| line.starts_with('\'')).map(Choice::parse).collect()
    }

    /// The suite of each package and version.
    fn suites(&self, choices: &[Choice]) -> Result<BTreeMap<(String, String), String>> {
        let mut table = command(&self.folder, "apt-cache")?;
        table.arg("madison").args(choices.iter().map(|choice| choice.name.as_str()));
        let table = command::output(&mut table)?;
        Ok(String::from_utf8_lossy(&table).lines().rev().filter_map(suite_line).collect())
    }
}

/// `kmod | 34.2-2 | ADDRESS trixie/main amd64 Packages`
fn suite_line(line: &str) -> Option<((String, String), String)> {
    let mut columns = line.split('|').map(str::trim);
    let (name, version) = (columns.next()?, columns.next()?);
    let suite = columns.next()?.split_whitespace().nth(1)?.split('/').next()?;
    Some(((name.to_owned(), version.to_owned()), suite.to_owned()))
}

/// The state of a system in which only `names` are installed.
fn present(names: &[String]) -> String {
    let entry = |name: &String| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: allowed\n\
             Version: {PRESENT_VERSION}\nMaintainer: none\nDescription: only counts as present\n\n"
        )
    };
    names.iter().map(entry).collect()
}

/// The newer suite serves the packages in `newer`, and otherwise only what the older one does not have.
fn preferences(wanted: &Wanted) -> String {
    let (suite, newer) = (&wanted.newer_suite, wanted.newer.join(" "));
    format!(
        "Package: *\nPin: release n={suite}\nPin-Priority: 100\n\n\
         Package: {newer}\nPin: release n={suite}\nPin-Priority: 990\n"
    )
}

/// One line of `--print-uris`: `'ADDRESS' FILE SIZE SHA256:SUM`.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    name: String,
    version: String,
    architecture: String,
    address: String,
    file: String,
    size: u64,
    sha256: String,
}

impl Choice {
    fn parse(line: &str) -> Result<Self> {
        Self::parts(line).with_context(|| format!("apt printed a line that is not understood: {line}"))
    }

    fn parts(line: &str) -> Option<Self> {
        let (address, rest) = line.strip_prefix('\'')?.split_once('\'')?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [file, size, ref sums @ ..] = words[..] else { return None };
        let mut parts = file.strip_suffix(".deb")?.split('_');
        let (name, version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            name: name.to_owned(),
            version: version.replace("%3a", ":"),
            architecture: architecture.to_owned(),
            address: address.to_owned(),
            file: file.to_owned(),
            size: size.parse().ok()?,
            sha256: sums.iter().find_map(|sum| sum.strip_prefix("SHA256:"))?.to_owned(),
        })
    }

    fn package(
        self,
        addresses: &[&str],
        suites: &BTreeMap<(String, String), String>,
        r#use: Use,
    ) -> Result<Package> {
        let below = |address: &&str| self.address.strip_prefix(*address)?.strip_prefix('/');
        let Some(path) = addresses.iter().find_map(below).map(str::to_owned) else {
            bail!("apt would fetch {} from outside of the mirror: {}", self.name, self.address);
        };
        let key = (self.name, self.version);
        let Some(suite) = suites.get(&key).cloned() else {
            bail!("apt does not say which suite {} {} is from", key.0, key.1);
        };
        let (name, version) = key;
        let (architecture, size, sha256) = (self.architecture, self.size, self.sha256);
        Ok(Package { name, version, architecture, suite, r#use, size, sha256, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_apt_becomes_a_package() {
        let line = "'http://m.example/debian/pool/main/z/zlib/zlib1g_1.3-1%2bb1_amd64.deb' \
                    zlib1g_1%3a1.3-1+b1_amd64.deb 88720 SHA256:00ff";
        let choice = Choice::parse(line).unwrap();
        let version = "1:1.3-1+b1".to_owned();
        let suites = [(("zlib1g".to_owned(), version.clone()), "trixie".to_owned())].into();
        let package = choice.package(&["http://m.example/debian"], &suites, Use::Guest).unwrap();
        assert_eq!(package.path, "pool/main/z/zlib/zlib1g_1.3-1%2bb1_amd64.deb");
        assert_eq!((package.version, package.suite, package.size), (version, "trixie".to_owned(), 88720));
    }

    #[test]
    fn an_address_outside_of_the_mirror_is_refused() {
        let line = "'http://other.example/kmod_34_amd64.deb' kmod_34_amd64.deb 1 SHA256:00ff";
        let refused =
            Choice::parse(line).unwrap().package(&["http://m.example/debian"], &BTreeMap::new(), Use::Tool);
        assert!(refused.unwrap_err().to_string().contains("outside of the mirror"));
    }
}
