//! `port.toml` as it is written. It says what to change, not how.

use serde::Deserialize;

/// The content of one `port.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The crate's name in the registry.
    #[serde(rename = "crate")]
    pub name: String,
    /// The one version that the changes fit.
    pub version: String,
    /// One sentence: why the crate cannot be used as it is.
    pub why: String,
    /// Changes of a few lines.
    #[serde(default, rename = "edit")]
    pub edits: Vec<Edit>,
    /// Files of ours in the place of the crate's.
    #[serde(default, rename = "replace")]
    pub replacements: Vec<Replace>,
    /// Files of ours that the crate does not have.
    #[serde(default, rename = "add")]
    pub additions: Vec<Add>,
}

/// One text in one file becomes another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What the edit is called in messages.
    pub name: String,
    /// The file, from the crate's root.
    pub file: String,
    /// The sha256 of the crate's file before any edit, in hexadecimal.
    pub sha256: String,
    /// The text to find. It occurs once.
    pub find: String,
    /// The text to put in its place.
    pub replace: String,
}

/// A file of ours, below `files/`, replaces the crate's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The file, from the crate's root.
    pub file: String,
    /// The sha256 of the file that is replaced, in hexadecimal.
    pub sha256: String,
}

/// A file of ours, below `files/`, joins the crate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The file, from the crate's root.
    pub file: String,
}
