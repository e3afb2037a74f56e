//! The difference between what the records are and what they shall be, as a person reads it before it is made.
//!
//! It changes nothing. Invariant: an empty difference means that nothing would change, times to live included.
use super::Records;

/// One line a record: `-` goes, `+` comes. Unchanged records are left out.
pub(crate) fn diff(before: &Records, after: &Records) -> Vec<String> {
    let (old, new) = (lines(before), lines(after));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

fn lines(records: &Records) -> Vec<String> {
    records.iter().flat_map(|set| set.lines().collect::<Vec<_>>()).collect()
}
