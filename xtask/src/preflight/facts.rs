//! What the plan of an installation depends on, gathered from the host.
//!
//! It changes nothing and needs no rights. Invariant: a fact that cannot be learnt is the cautious one.
use std::env;
use std::fs;
use std::process::Command;

use ::image::debian::Mirror;
use ::image::machine::qemu;

/// The host, as far as an installation is concerned.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Debian's release (12, 13, …); `None` on anything else, Debian's descendants included.
    pub(super) debian: Option<u32>,
    /// Name of that release, such as `bookworm`.
    pub(super) codename: String,
    /// How this user gets root's rights.
    pub(super) rights: Rights,
    /// Address of the main archive, from the host's own apt sources.
    pub(super) mirror: Option<String>,
    /// Whether apt knows the release's backports already.
    pub(super) has_backports: bool,
    /// Whether rustup is there.
    pub(super) has_rustup: bool,
}

/// How a user gets root's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// It is root.
    Root,
    /// By sudo, which may ask for a password.
    Sudo,
    /// Not at all.
    None,
}

impl Facts {
    pub(super) fn gather() -> Self {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let codename = value(&release, "VERSION_CODENAME").unwrap_or_default().to_owned();
        Self {
            debian: debian(&release),
            rights: rights(),
            mirror: Mirror::of_host().ok().map(|mirror| mirror.debian),
            has_backports: known_suites().lines().any(|suite| suite == format!("{codename}-backports")),
            has_rustup: on_path("rustup"),
            codename,
        }
    }
}

/// The oldest release of Debian whose own QEMU is new enough: 13 has 10.0.
pub(super) const RELEASE_WITH_QEMU: u32 = 13;
const _: () = assert!(qemu::MAJOR_MIN <= 10, "look up which release of Debian has this QEMU");

fn debian(release: &str) -> Option<u32> {
    (value(release, "ID")? == "debian").then(|| value(release, "VERSION_ID")?.parse().ok()).flatten()
}

/// A value of os-release(5), without its quotes.
fn value<'a>(release: &'a str, key: &str) -> Option<&'a str> {
    let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches('"'))
}

fn rights() -> Rights {
    if rustix::process::geteuid().is_root() {
        Rights::Root
    } else if on_path("sudo") {
        Rights::Sudo
    } else {
        Rights::None
    }
}

/// The suites of apt's sources, one a line (apt-get(8), `indextargets`).
fn known_suites() -> String {
    let mut command = Command::new("apt-get");
    let output = command.args(["indextargets", "Created-By: Packages", "--format", "$(RELEASE)"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_itself_counts_as_debian() {
        assert_eq!(debian("ID=debian\nVERSION_ID=\"12\"\n"), Some(12));
        assert_eq!(debian("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n"), None);
        assert_eq!(debian("PRETTY_NAME=\"Debian GNU/Linux forky/sid\"\nID=debian\n"), None);
    }
}
