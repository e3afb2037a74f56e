//! From what is missing and what the host is to the commands that install it: a pure function.
//!
//! It runs nothing. Invariant: a plan adds packages and removes none; the one it may upgrade is a QEMU that is too old.
use std::fmt;
use std::ops::RangeInclusive;
use std::process::Command;

use ::image::command;

use super::facts::{Facts, RELEASE_WITH_QEMU, Rights};
use super::needs::{Archive, Need};

/// Signs all of Debian's archives.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The sources file that is added where backports are not known yet.
const SOURCES: &str = "/etc/apt/sources.list.d/bootstack-backports.sources";

/// Releases whose `rustc-web` is new enough for the guest: 1.96 in both, by their security updates.
const RELEASES_WITH_COMPILER: RangeInclusive<u32> = 12..=13;

/// What is to be done about what is missing.
#[derive(Debug)]
pub(super) enum Plan {
    /// In this order.
    Install(Vec<Act>),
    /// By the person, as these lines say.
    Advise(Vec<String>),
}

/// One act of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Run a program.
    Run {
        /// Program and arguments.
        words: Vec<String>,
    },
    /// Write a file.
    Write {
        /// Program and arguments that write their standard input there.
        words: Vec<String>,
        /// What is written.
        content: String,
    },
}

impl Act {
    pub(super) fn command(&self) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// A few words for a progress line.
    pub(super) fn title(&self) -> String {
        let words: Vec<&str> =
            self.words().iter().map(String::as_str).filter(|word| !is_prefix(word)).collect();
        words.iter().take(2).copied().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn takes_sudo(&self) -> bool {
        self.words()[0] == "sudo"
    }

    fn words(&self) -> &[String] {
        match self {
            Self::Run { words } | Self::Write { words, .. } => words,
        }
    }
}

/// The line as a person would type it, with what it would be fed.
impl fmt::Display for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", command::line(&self.command()))?;
        match self {
            Self::Run { .. } => Ok(()),
            Self::Write { content, .. } => write!(formatter, " <<'END'\n{content}END"),
        }
    }
}

fn is_prefix(word: &str) -> bool {
    ["sudo", "env"].contains(&word) || word.contains('=')
}

/// How `missing` gets onto a host like this.
pub(super) fn plan(facts: &Facts, missing: &[&Need]) -> Plan {
    let by_rustup: Vec<&str> = rustup_components(facts, missing);
    let (of_backports, packages) = packages(facts, missing, &by_rustup);
    let by_apt = !packages.is_empty() || !of_backports.is_empty();
    let may_install = facts.debian.is_some() && (facts.rights != Rights::None || !by_apt);
    let adds_backports = !of_backports.is_empty() && !facts.has_backports;
    if !may_install || (adds_backports && facts.mirror.is_none()) {
        return Plan::Advise(advice(facts, missing));
    }
    let mut acts = Vec::new();
    if adds_backports {
        acts.push(backports_file(facts));
    }
    if by_apt {
        acts.push(Act::Run { words: privileged(facts, &["apt-get", "update"]) });
    }
    acts.extend((!packages.is_empty()).then(|| install(facts, &[], &packages)));
    if !of_backports.is_empty() {
        // `package/suite` is too little: apt does not always take what the package depends on from the suite then.
        let suite = format!("--target-release={}-backports", facts.codename);
        acts.push(install(facts, &[&suite], &of_backports));
    }
    if !by_rustup.is_empty() {
        let words = ["rustup", "component", "add"].iter().chain(&by_rustup);
        acts.push(Act::Run { words: words.map(|word| (*word).to_owned()).collect() });
    }
    Plan::Install(acts)
}

/// What rustup brought is completed by rustup; but the guest's compiler comes from Debian where Debian has it.
fn rustup_components(facts: &Facts, missing: &[&Need]) -> Vec<&'static str> {
    let has_compiler = facts.debian.is_some_and(|release| RELEASES_WITH_COMPILER.contains(&release));
    let takes = |need: &&&Need| {
        let compiles_guest = need.debian.contains(&"rustc-web");
        facts.has_rustup && !need.rustup.is_empty() && !(compiles_guest && has_compiler)
    };
    missing.iter().filter(takes).flat_map(|need| need.rustup.iter().copied()).collect()
}

/// The packages for apt: those from backports, and the others.
fn packages(facts: &Facts, missing: &[&Need], by_rustup: &[&str]) -> (Vec<&'static str>, Vec<&'static str>) {
    let by_apt = missing.iter().filter(|need| !need.rustup.iter().any(|part| by_rustup.contains(part)));
    let named = by_apt.flat_map(|need| need.debian.iter().map(|package| (need.archive, *package)));
    let (of_backports, others): (Vec<_>, Vec<_>) =
        named.partition(|(archive, _)| *archive == Archive::Backports && needs_backports(facts));
    let names = |named: Vec<(Archive, &'static str)>| named.into_iter().map(|(_, package)| package).collect();
    (names(of_backports), names(others))
}

fn needs_backports(facts: &Facts) -> bool {
    facts.debian.is_some_and(|release| release < RELEASE_WITH_QEMU)
}

/// Backports are a suite of low priority (`NotAutomatic`, `ButAutomaticUpgrades`): knowing them upgrades nothing.
fn backports_file(facts: &Facts) -> Act {
    let mirror = facts.mirror.as_deref().unwrap_or_default();
    let content = format!(
        "# Added by `cargo xtask`: QEMU 10. Remove this file to undo.\nTypes: deb\nURIs: {mirror}\nSuites: {}-backports\n\
         Components: main\nSigned-By: {KEYRING}\n",
        facts.codename
    );
    Act::Write { words: privileged(facts, &["tee", SOURCES]), content }
}

fn install(facts: &Facts, options: &[&str], packages: &[&str]) -> Act {
    let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes"];
    let words = [&apt[..], &["--no-install-recommends", "--no-remove"], options, packages].concat();
    Act::Run { words: privileged(facts, &words) }
}

fn privileged(facts: &Facts, words: &[&str]) -> Vec<String> {
    let sudo = (facts.rights == Rights::Sudo).then_some("sudo");
    sudo.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

fn advice(facts: &Facts, missing: &[&Need]) -> Vec<String> {
    let mut lines: Vec<String> = missing
        .iter()
        .map(|need| format!("{}: {} (Debian's packages: {})", need.name, need.why, need.debian.join(" ")))
        .collect();
    if missing.iter().any(|need| !need.rustup.is_empty()) {
        lines.push("with rustup: rustup component add rust-src llvm-tools rustfmt clippy".to_owned());
    }
    if facts.debian.is_some() && facts.rights == Rights::None {
        lines.push("neither root nor sudo: run this command once as root".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::needs::NEEDS;
    use super::*;
    use expect_test::{Expect, expect};

    fn debian(release: u32, codename: &str) -> Facts {
        Facts {
            debian: Some(release),
            codename: codename.to_owned(),
            rights: Rights::Root,
            mirror: Some("http://mirror.example/debian".to_owned()),
            has_backports: false,
            has_rustup: true,
        }
    }

    fn needs(names: &[&str]) -> Vec<&'static Need> {
        NEEDS.iter().filter(|need| names.contains(&need.name)).collect()
    }

    fn check(facts: &Facts, names: &[&str], expected: &Expect) {
        let text = match plan(facts, &needs(names)) {
            Plan::Install(acts) => acts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Plan::Advise(lines) => format!("advice:\n{}", lines.join("\n")),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn debian_12_gets_qemu_from_backports_and_nothing_else_from_there() {
        check(
            &debian(12, "bookworm"),
            &["QEMU 10 or newer", "UEFI firmware"],
            &expect![[r#"
            tee /etc/apt/sources.list.d/bootstack-backports.sources <<'END'
            # Added by `cargo xtask`: QEMU 10. Remove this file to undo.
            Types: deb
            URIs: http://mirror.example/debian
            Suites: bookworm-backports
            Components: main
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
            END
            apt-get update
            env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove ovmf
            env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove --target-release=bookworm-backports qemu-system-x86"#]],
        );
    }

    #[test]
    fn known_backports_are_not_added_again() {
        let facts = Facts { has_backports: true, ..debian(12, "bookworm") };
        check(
            &facts,
            &["QEMU 10 or newer"],
            &expect![[r#"
            apt-get update
            env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove --target-release=bookworm-backports qemu-system-x86"#]],
        );
    }

    #[test]
    fn debian_13_needs_no_backports_and_a_user_needs_sudo() {
        let facts = Facts { rights: Rights::Sudo, ..debian(13, "trixie") };
        check(
            &facts,
            &["QEMU 10 or newer", "syslinux"],
            &expect![[r#"
            sudo apt-get update
            sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove syslinux syslinux-common mtools qemu-system-x86"#]],
        );
    }

    #[test]
    fn the_guest_toolchain_comes_from_apt_where_apt_has_it_else_from_rustup() {
        check(
            &debian(12, "bookworm"),
            &["guest toolchain"],
            &expect![[r#"
            apt-get update
            env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove rustc-web cargo-web rust-web-src llvm-19 lld-19"#]],
        );
        let facts = debian(14, "forky");
        check(
            &facts,
            &["guest toolchain", "rustfmt and clippy"],
            &expect!["rustup component add rust-src llvm-tools rustfmt clippy"],
        );
    }

    #[test]
    fn elsewhere_it_advises() {
        let facts = Facts { debian: None, ..debian(0, "") };
        check(
            &facts,
            &["QEMU 10 or newer", "guest toolchain"],
            &expect![[r#"
            advice:
            guest toolchain: compiles kernel and service for target hermit: a rustc with its own std source, LLVM 19's tools (Debian's packages: rustc-web cargo-web rust-web-src llvm-19 lld-19)
            QEMU 10 or newer: runs the machines; 7.2 crashes the db machine's kernel (Debian's packages: qemu-system-x86)
            with rustup: rustup component add rust-src llvm-tools rustfmt clippy"#]],
        );
    }

    #[test]
    fn without_rights_it_says_who_has_them() {
        let facts = Facts { rights: Rights::None, ..debian(13, "trixie") };
        check(
            &facts,
            &["UEFI firmware"],
            &expect![[r#"
            advice:
            UEFI firmware: boots the disks by UEFI (Debian's packages: ovmf)
            neither root nor sudo: run this command once as root"#]],
        );
    }
}
