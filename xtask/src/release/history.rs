//! What was released, newest last: by it a rollback finds its image, and a change by somebody else is noticed.
//!
//! Invariant: what is about to be set is written down before it is set.
use serde::{Deserialize, Serialize};

use crate::dns::Records;

/// How many images are kept, the current one included.
pub(crate) const KEPT: usize = 5;

/// One release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Released {
    /// SHA-256 of the image.
    pub(crate) image: String,
    /// The commit that it was built from.
    pub(crate) commit: String,
    /// When the record was set, in seconds of the Unix epoch.
    pub(crate) at_s: u64,
    /// The records that led to it.
    pub(crate) records: Records,
}

/// All releases that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    /// Newest last, each image once.
    pub(crate) released: Vec<Released>,
    /// Records that are being set.
    pub(crate) pending: Option<Records>,
}

impl History {
    /// The image that visitors meet.
    pub(crate) fn current(&self) -> Option<&Released> {
        self.released.last()
    }

    /// The image that they met before.
    pub(crate) fn previous(&self) -> Option<&Released> {
        self.released.iter().rev().nth(1)
    }

    /// Adds a release; the image's earlier entry goes, as do those beyond what is kept.
    pub(crate) fn add(&mut self, release: Released) {
        self.released.retain(|known| known.image != release.image);
        self.released.push(release);
        let surplus = self.released.len().saturating_sub(KEPT);
        self.released.drain(..surplus);
        self.pending = None;
    }

    /// Why the records are not what a release left, if they are not.
    pub(crate) fn foreign(&self, seen: &Records) -> Option<String> {
        let known = self.current()?;
        let ours =
            seen.same_values(&known.records) || self.pending.as_ref().is_some_and(|p| seen.same_values(p));
        (!ours).then(|| {
            format!(
                "the records are {seen}, but the release of {} left {}: another tool changed them; \
                 if that is right, release with --accept-records",
                &known.image[..known.image.len().min(12)],
                known.records
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(image: &str) -> Released {
        Released { image: image.to_owned(), commit: String::new(), at_s: 0, records: Records::default() }
    }

    #[test]
    fn five_images_are_kept_and_a_rollback_goes_to_the_one_before() {
        let mut history = History::default();
        for image in ["1", "2", "3", "4", "5", "6", "7"] {
            history.add(release(image));
        }
        assert_eq!(history.released.iter().map(|r| r.image.as_str()).collect::<String>(), "34567");
        assert_eq!(history.previous().map(|r| r.image.as_str()), Some("6"));
        history.add(release("6"));
        assert_eq!(history.previous().map(|r| r.image.as_str()), Some("7"));
    }
}
