//! Compares the guest's lock file with the checkout's.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

/// A package of a registry has a checksum; those of the checkout and the ports have none.
#[derive(Deserialize, Eq, Ord, PartialEq, PartialOrd)]
struct Package {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Refuses a guest that takes a registry package which the checkout's lock file does not have.
pub(super) fn check_follows(guest: &str, checkout: &str) -> Result<()> {
    let known = registry_packages(checkout)?;
    let strangers: Vec<_> = registry_packages(guest)?
        .into_iter()
        .filter(|package| !known.contains(package))
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    ensure!(
        strangers.is_empty(),
        "the guest would run packages that Cargo.lock does not have: {}; \
         a port depends on them, so give a crate of the workspace the same dependency for target hermit",
        strangers.join(", ")
    );
    Ok(())
}

fn registry_packages(lock: &str) -> Result<BTreeSet<Package>> {
    let lock: Lock = toml::from_str(lock).context("a lock file cannot be read")?;
    Ok(lock.package.into_iter().filter(|package| package.checksum.is_some()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, checksum: bool) -> String {
        let checksum = if checksum { "checksum = \"00\"\n" } else { "" };
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{checksum}\n")
    }

    #[test]
    fn a_port_may_take_the_place_of_a_package_but_bring_no_other() {
        let checkout = package("tokio", "1.54.1", true) + &package("libc", "0.2.1", true);
        let ported = package("tokio", "1.54.1", false) + &package("libc", "0.2.1", true);
        check_follows(&ported, &checkout).unwrap();
        let newer = package("tokio", "1.54.1", false) + &package("libc", "0.2.2", true);
        let refusal = check_follows(&newer, &checkout).unwrap_err().to_string();
        assert!(refusal.contains("does not have: libc 0.2.2; "), "{refusal}");
    }
}
