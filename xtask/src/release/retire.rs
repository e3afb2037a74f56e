//! From which moment no resolver can lead a visitor to the previous machine any more: a pure function.
use super::evidence::Change;

/// A resolver's clock and ours differ, a connection that was just opened has a request to make: measured in nobody's
/// favour but the visitor's.
const MARGIN_S: u64 = 2;

/// When the previous machines may go, in seconds of the Unix epoch; `None` before the flip.
///
/// A resolver may hold the records as they were before their time to live was lowered until `lowered + old`, and the lowered ones
/// until `flipped + lowered time to live`.
pub(crate) fn retire_at_s(change: &Change, low_ttl_s: u32) -> Option<u64> {
    let flipped_s = change.flipped_s?;
    let lowered_s = change.lowered_s.unwrap_or(flipped_s);
    let old_ttl_s = change.before.longest_ttl_s();
    let by_old = lowered_s + u64::from(old_ttl_s);
    let by_low = flipped_s + u64::from(old_ttl_s.min(low_ttl_s));
    Some(by_old.max(by_low) + MARGIN_S)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dns::{Kind, Set};

    fn change(old_ttl_s: u32, lowered_s: Option<u64>) -> Change {
        let values = BTreeSet::from(["192.0.2.1".to_owned()]);
        let set = Set { name: "www.foobar.com.".to_owned(), kind: Kind::A, ttl_s: old_ttl_s, values };
        Change { before: [set].into_iter().collect(), lowered_s, flipped_s: Some(1000), ..Change::default() }
    }

    #[test]
    fn the_old_machine_stays_as_long_as_any_resolver_may_remember_it() {
        for (old_ttl_s, lowered_s, expected) in
            [(300, Some(990), 1292), (300, Some(100), 1012), (5, Some(100), 1007), (300, None, 1302)]
        {
            assert_eq!(retire_at_s(&change(old_ttl_s, lowered_s), 10), Some(expected));
        }
        let before = Change { flipped_s: None, ..change(300, None) };
        assert_eq!(retire_at_s(&before, 10), None);
    }
}
