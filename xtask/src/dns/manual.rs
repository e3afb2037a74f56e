//! For zones that take no update from here: the lines that a person puts into the zone.
use super::Records;

/// What to type, with what it replaces as comments.
pub(crate) fn zone_lines(before: &Records, after: &Records) -> String {
    let old =
        before.iter().flat_map(|set| set.lines().collect::<Vec<_>>()).map(|line| format!("; was: {line}"));
    let new = after.iter().flat_map(|set| set.lines().collect::<Vec<_>>());
    old.chain(new).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Kind, Set};
    use super::*;

    fn records(address: &str) -> Records {
        let values = BTreeSet::from([address.to_owned()]);
        [Set { name: "www.foobar.com.".to_owned(), kind: Kind::A, ttl_s: 60, values }].into_iter().collect()
    }

    #[test]
    fn a_person_sees_what_is_replaced_by_what() {
        assert_eq!(
            zone_lines(&records("192.0.2.1"), &records("192.0.2.2")),
            "; was: www.foobar.com. 60 IN A 192.0.2.1\nwww.foobar.com. 60 IN A 192.0.2.2"
        );
    }
}
