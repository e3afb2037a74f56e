//! Where the host gets its Debian packages.
//!
//! Reads `/etc/apt/sources.list` and `/etc/apt/sources.list.d/*` in both of apt's formats (sources.list(5)). Debian's
//! own archives are told from other repositories by their suites and the last part of their address.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

/// Names the archive when the host's apt sources do not, or to use another.
const VARIABLE: &str = "BOOTSTACK_DEBIAN_MIRROR";

/// Every name that a Debian release has answered to since Debian 11.
const SUITES: [&str; 9] =
    ["bullseye", "bookworm", "trixie", "forky", "duke", "stable", "oldstable", "testing", "sid"];

/// The addresses of Debian's archives, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The main archive.
    pub debian: String,
    /// The security archive; a mirror need not have one.
    pub security: Option<String>,
}

impl Mirror {
    /// The mirror of this host.
    ///
    /// # Errors
    /// When the host's apt sources name no Debian archive and `BOOTSTACK_DEBIAN_MIRROR` is not set.
    pub fn of_host() -> Result<Self> {
        match env::var(VARIABLE) {
            Ok(address) if !address.is_empty() => Ok(Self::at(&address)),
            _ => Self::among(&host_sources()),
        }
    }

    /// The mirror at `address`, with the security archive where mirrors usually have it: beside the main one.
    fn at(address: &str) -> Self {
        let debian = address.trim_end_matches('/').to_owned();
        let security = debian.strip_suffix("/debian").map(|base| format!("{base}/debian-security"));
        Self { debian, security }
    }

    fn among(sources: &[Source]) -> Result<Self> {
        let find = |archive: &dyn Fn(&Source) -> bool| {
            sources.iter().find(|source| archive(source)).map(|source| source.address.clone())
        };
        let Some(debian) = find(&Source::is_debian) else {
            bail!(
                "the apt sources of this host name no Debian archive: set {VARIABLE} to the address of one"
            );
        };
        Ok(Self { debian, security: find(&Source::is_security) })
    }
}

/// One archive of one entry in the host's apt sources.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    address: String,
    suites: Vec<String>,
}

impl Source {
    fn new(address: &str, suites: &str) -> Self {
        let suites = suites.split_whitespace().map(str::to_owned).collect();
        Self { address: address.trim_end_matches('/').to_owned(), suites }
    }

    fn is_debian(&self) -> bool {
        self.suites.iter().any(|suite| SUITES.contains(&suite.as_str()) || suite == "unstable")
    }

    fn is_security(&self) -> bool {
        let of_debian =
            |suite: &str| suite.strip_suffix("-security").is_some_and(|base| SUITES.contains(&base));
        self.suites.iter().any(|suite| of_debian(suite))
    }
}

fn host_sources() -> Vec<Source> {
    let folder = Path::new("/etc/apt/sources.list.d");
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.push("/etc/apt/sources.list".into());
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(text.lines().filter_map(one_line)),
            Some("sources") => sources.extend(stanzas(&text)),
            _ => {}
        }
    }
    sources
}

/// `deb [options] address suite component…`
fn one_line(line: &str) -> Option<Source> {
    let rest = line.split('#').next()?.trim().strip_prefix("deb ")?.trim();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace();
    let (address, suite) = (words.next()?, words.next()?);
    words.any(|component| component == "main").then(|| Source::new(address, suite))
}

/// The deb822 format: stanzas of `Key: value`, a value going on in lines that begin with a space.
fn stanzas(text: &str) -> Vec<Source> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).map(str::trim_end).collect();
    lines.split(|line| line.is_empty()).flat_map(stanza).collect()
}

fn stanza(lines: &[&str]) -> Vec<Source> {
    let has = |key: &str, word: &str| value(lines, key).split_whitespace().any(|present| present == word);
    let disabled = ["no", "false", "0", "off", "disable"].iter().any(|no| has("Enabled", no));
    if disabled || !has("Types", "deb") || !has("Components", "main") {
        return Vec::new();
    }
    let suites = value(lines, "Suites");
    value(lines, "URIs").split_whitespace().map(|address| Source::new(address, &suites)).collect()
}

/// The value of `key`, its lines joined; keys are compared without regard to case.
fn value(lines: &[&str], key: &str) -> String {
    let mut found = String::new();
    let mut within = false;
    for line in lines {
        if line.starts_with([' ', '\t']) {
            if within {
                found.push(' ');
                found.push_str(line.trim());
            }
        } else if let Some((name, rest)) = line.split_once(':') {
            within = name.eq_ignore_ascii_case(key);
            if within {
                found = rest.trim().to_owned();
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_name_the_archives() {
        let deb822 = "# made by hand\nTypes: deb deb-src\nURIs: http://mirror.example/debian/\nSuites: bookworm\n \
                      bookworm-updates\nComponents: main\n\nTypes: deb\nuris: http://mirror.example/debian-security\n\
                      Suites: bookworm-security\nComponents: main\n";
        let lines = [
            "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # main",
            "deb http://mirror.example/debian-security bookworm-security main",
        ];
        let expected = Mirror {
            debian: "http://mirror.example/debian".to_owned(),
            security: Some("http://mirror.example/debian-security".to_owned()),
        };
        assert_eq!(Mirror::among(&stanzas(deb822)).unwrap(), expected);
        let sources: Vec<_> = lines.into_iter().filter_map(one_line).collect();
        assert_eq!(Mirror::among(&sources).unwrap(), expected);
    }

    #[test]
    fn other_repositories_are_not_taken_for_debian() {
        let foreign =
            "Types: deb\nURIs: https://node.example/node_20.x\nSuites: nodistro\nComponents: main\n";
        let disabled =
            "Enabled: no\nTypes: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\n";
        let source = "deb-src http://a.example/debian sid main";
        let sources = [stanzas(foreign), stanzas(disabled), one_line(source).into_iter().collect()].concat();
        assert!(Mirror::among(&sources).unwrap_err().to_string().contains("set BOOTSTACK_DEBIAN_MIRROR"));
    }

    #[test]
    fn a_given_address_stands_for_both_archives() {
        let mirror = Mirror::at("http://mirror.example/debian/");
        assert_eq!(mirror.security.as_deref(), Some("http://mirror.example/debian-security"));
        assert_eq!(Mirror::at("http://mirror.example/pool").security, None);
    }
}
