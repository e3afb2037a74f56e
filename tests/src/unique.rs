//! Content that no other test, run or visitor has written.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A word that is new on every call: letters, digits and hyphens, so that no escaping changes it.
#[must_use]
pub fn word(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos());
    format!("{prefix}-{nanos:x}-{:x}-{count:x}", std::process::id())
}

/// As [`word`], at most 30 characters long: a name for an account.
#[must_use]
pub fn name(prefix: &str) -> String {
    let word = word(prefix);
    let (_, rest) = word.split_once('-').unwrap_or_default();
    // The count and the process differ, and so do the last digits of the time.
    let tail: String = rest.chars().rev().take(23).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{prefix}-{}", tail.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn words_differ() {
        let words: HashSet<String> = (0..1000).map(|_| super::word("row")).collect();
        assert_eq!(words.len(), 1000);
    }

    #[test]
    fn names_differ_and_are_short() {
        let names: HashSet<String> = (0..1000).map(|_| super::name("smoke")).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() <= 30 && !name.ends_with('-')));
    }
}
