//! How much the compiler does for the application's speed.

use serde::Deserialize;

/// A profile of the root manifest.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Optimisation {
    /// Each crate for itself: an edit is an image within a minute.
    #[default]
    Quick,
    /// All crates together (LTO): more answers a second, and more minutes to an image.
    Whole,
}

impl Optimisation {
    /// The profile's name, which is also the folder of what it makes.
    pub fn profile(self) -> &'static str {
        match self {
            Self::Quick => "release",
            Self::Whole => "whole",
        }
    }
}
