//! Records as people write them: name, kind, TTL, values.
//!
//! Wire format is `wire`'s business. Invariant: names are absolute and in lower case, values in their canonical text,
//! so two equal sets of records are equal values here.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of record that lead a visitor to a web machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name for the same.
    Cname,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 3] = [Self::A, Self::Aaaa, Self::Cname];
}

/// As in a zone file.
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        })
    }
}

/// All records of one name and kind (an RRset, RFC 2181, 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Set {
    /// Whose records.
    pub(crate) name: String,
    /// Which.
    pub(crate) kind: Kind,
    /// How long a resolver may keep them.
    pub(crate) ttl_s: u32,
    /// Addresses, or the one name.
    pub(crate) values: BTreeSet<String>,
}

impl Set {
    /// One line a record, as in a zone file.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let Self { name, kind, ttl_s, values } = self;
        values.iter().map(move |value| format!("{name} {ttl_s} IN {kind} {value}"))
    }
}

/// Everything that is known of the site's names, by name and kind. What is absent does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Set>", into = "Vec<Set>")]
pub(crate) struct Records(BTreeMap<(String, Kind), Set>);

impl Records {
    /// The set of this name and kind.
    pub(crate) fn get(&self, name: &str, kind: Kind) -> Option<&Set> {
        self.0.get(&(name.to_owned(), kind))
    }

    /// Every set, by name and kind.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Set> {
        self.0.values()
    }

    /// The same records with another time to live.
    pub(crate) fn with_ttl(&self, ttl_s: u32) -> Self {
        self.iter().cloned().map(|set| Set { ttl_s, ..set }).collect()
    }

    /// Whether both say the same, whatever their times to live.
    pub(crate) fn same_values(&self, other: &Self) -> bool {
        self.with_ttl(0) == other.with_ttl(0)
    }

    /// The longest time that a resolver may keep any of them.
    pub(crate) fn longest_ttl_s(&self) -> u32 {
        self.iter().map(|set| set.ttl_s).max().unwrap_or(0)
    }
}

impl FromIterator<Set> for Records {
    fn from_iter<I: IntoIterator<Item = Set>>(sets: I) -> Self {
        let whole = sets.into_iter().filter(|set| !set.values.is_empty());
        Self(whole.map(|set| ((set.name.clone(), set.kind), set)).collect())
    }
}

impl From<Vec<Set>> for Records {
    fn from(sets: Vec<Set>) -> Self {
        sets.into_iter().collect()
    }
}

impl From<Records> for Vec<Set> {
    fn from(records: Records) -> Self {
        records.0.into_values().collect()
    }
}

/// As in a zone file, on one line.
impl fmt::Display for Records {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.iter().flat_map(|set| set.lines().collect::<Vec<_>>()).collect();
        formatter.write_str(if lines.is_empty() { "no record" } else { "" })?;
        formatter.write_str(&lines.join("; "))
    }
}
