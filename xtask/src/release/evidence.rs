//! What is known of one image: every finding of its release, kept in `target/bootstack/release/<image sum>.json`.
//!
//! It judges nothing. Invariant: written after each act, so whoever continues a release that was killed knows what had been
//! found, and never takes a finding about one machine for a finding about another.
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::dns::Records;

/// What was found when something was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// When, in seconds of the Unix epoch.
    pub(crate) at_s: u64,
    /// Whether it went well.
    pub(crate) passed: bool,
    /// What was seen, for people.
    pub(crate) words: String,
}

/// The machine that the record may be pointed at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// The provider's name for it.
    pub(crate) machine: String,
    /// Where it answers.
    pub(crate) address: IpAddr,
    /// When it was started, in seconds of the Unix epoch: another start is another candidate.
    pub(crate) since_s: u64,
}

/// Everything about one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    /// SHA-256 of the image.
    pub(crate) image: String,
    /// The commit that it was built from.
    pub(crate) commit: String,
    /// A boot on this host, judged by the smoke suite.
    pub(crate) trial: Option<Finding>,
    /// The machine that runs it.
    pub(crate) candidate: Option<Candidate>,
    /// Whether the candidate got ready in time.
    pub(crate) ready: Option<Finding>,
    /// The smoke suite's verdict on the candidate at its address.
    pub(crate) smoke: Option<Finding>,
    /// Whether the candidate kept answering for as long as it was watched.
    pub(crate) watch: Option<Finding>,
    /// The change of records, while it is under way or done.
    pub(crate) change: Option<Change>,
}

/// One change of records from another machine to the candidate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// What the records were.
    pub(crate) before: Records,
    /// Which machines they led to.
    pub(crate) previous: Vec<String>,
    /// When every server was seen to answer the lowered time to live.
    pub(crate) lowered_s: Option<u64>,
    /// The records led to the reserved address before, and still do: no resolver has anything to forget.
    #[serde(default)]
    pub(crate) by_address: bool,
    /// When every server was seen to answer the new records, or the address was led to the candidate.
    pub(crate) flipped_s: Option<u64>,
    /// The smoke suite's verdict by the public name.
    pub(crate) public: Option<Finding>,
    /// Whether the previous machines are gone and the time to live is what it shall be.
    pub(crate) finished: bool,
}

impl Evidence {
    /// Nothing is known yet of this image.
    pub(crate) fn new(image: &str, commit: &str) -> Self {
        Self { image: image.to_owned(), commit: commit.to_owned(), ..Self::default() }
    }

    /// Takes note of the machine that runs the image; what was found about another one is forgotten.
    pub(crate) fn meet(&mut self, candidate: Candidate) {
        if self.candidate.as_ref() != Some(&candidate) {
            (self.ready, self.smoke, self.watch) = (None, None, None);
            self.candidate = Some(candidate);
        }
    }
}

/// Whether something was tried and went well.
pub(crate) fn passed(finding: Option<&Finding>) -> bool {
    finding.is_some_and(|finding| finding.passed)
}

/// Where evidence is kept.
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// What is known of the image.
    pub(crate) fn load(&self, image: &str) -> Result<Option<Evidence>> {
        read(&self.path(image))
    }

    /// Keeps it, whole or not at all.
    pub(crate) fn save(&self, evidence: &Evidence) -> Result<()> {
        write(&self.path(&evidence.image), evidence)
    }

    fn path(&self, image: &str) -> PathBuf {
        self.folder.join(format!("{image}.json"))
    }
}

/// Reads a kept value, if there is one.
pub(super) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("{} is damaged: look at it, then remove it", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Keeps a value, whole or not at all.
pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    ::image::layout::replace_with(path, text.as_bytes())
}
