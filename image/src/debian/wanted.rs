//! `image/linux/packages.toml`: which packages, before anybody asked for their versions.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::lock::sum;
use crate::Layout;

/// The packages to start from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The release that packages come from.
    pub suite: String,
    /// The release that [`Self::newer`] come from.
    pub newer_suite: String,
    /// Name patterns of packages taken from the newer release.
    pub newer: Vec<String>,
    /// What the guest needs.
    pub guest: Vec<String>,
    /// What builds the image.
    pub tools: Vec<String>,
    /// What only the yardstick of `cargo xtask bench net` needs.
    pub bench: Vec<String>,
    /// What only tests run, on the host.
    pub tests: Vec<String>,
    /// Packages that count as present, although nobody brings them.
    pub without: Vec<String>,
}

impl Wanted {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or has an unknown or missing key.
    pub fn load(layout: &Layout) -> Result<Self> {
        let path = layout.root().join("image/linux/packages.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is refused", path.display()))
    }

    /// Changes whenever a package or a suite in the file does; not with its comments.
    #[must_use]
    pub fn digest(&self) -> String {
        sum(format!("{self:?}").as_bytes())
    }
}
