//! `image/linux/contents.toml`: which files of the packages the machine gets.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::Layout;

/// The choice of files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    /// Kernel modules.
    pub(super) modules: Modules,
    keep: BTreeMap<String, Vec<String>>,
}

/// Kernel modules by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Modules {
    /// Loaded in this order before the root file system is mounted.
    pub(super) initrd: Vec<String>,
    /// Loaded when their device is there.
    pub(super) guest: Vec<String>,
}

impl Contents {
    pub(super) fn load(layout: &Layout) -> Result<Self> {
        let path = layout.root().join("image/linux/contents.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is refused", path.display()))
    }

    /// Whether the machine gets the entry `name` of `folder`. A folder that is not listed is taken whole.
    pub(super) fn keeps(&self, folder: &str, name: &str) -> bool {
        self.keep.get(folder).is_none_or(|kept| kept.iter().any(|pattern| matches(pattern, name)))
    }

    /// What is listed and no package has brought: a package has moved it.
    pub(super) fn missing(&self, present: impl Fn(&str) -> bool) -> Vec<String> {
        let paths = self.keep.iter().flat_map(|(folder, names)| {
            names
                .iter()
                .map(move |name| if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") })
        });
        paths.filter(|path| !path.contains('*') && !present(path)).collect()
    }
}

/// `*` in a pattern stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(tail) = name.strip_prefix(head) else { return false };
    (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_folder_keeps_only_what_is_named() {
        let text = "[modules]\ninitrd = []\nguest = []\n[keep]\n\"usr/lib\" = [\"*.so*\", \"mysql\"]\n";
        let contents: Contents = toml::from_str(text).unwrap();
        assert!(contents.keeps("usr/lib", "libc.so.6") && contents.keeps("usr/lib", "mysql"));
        assert!(!contents.keeps("usr/lib", "libc.a") && !contents.keeps("usr/lib", "mysql2"));
        assert!(contents.keeps("usr/lib/mysql", "anything"));
        assert_eq!(contents.missing(|_| false), ["usr/lib/mysql"]);
    }
}
