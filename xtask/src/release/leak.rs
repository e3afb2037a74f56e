//! Whether a candidate leaks what a machine has few of: its open files, counted by itself before and after many visits.
//!
//! A machine has tens of thousands, so a leak takes hours to stop it, and a release shall find out in a minute. Invariant: what
//! cannot be counted is said, and holds nothing.
use std::fmt;

use anyhow::{Result, ensure};

use crate::visit::Visitor;

/// The address and the line of the service's figures (`service/src/operations.rs`).
const METRICS: &str = "/metrics";
const OPEN_FILES: &str = "machine_files{state=\"open\"} ";
/// Fewer visits prove nothing: a pool of connections may have grown meanwhile.
pub(super) const LEAST_VISITS: u64 = 50;

/// Open files at one moment, or why they are not known.
pub(super) enum Count {
    Open(u64),
    Unknown(&'static str),
}

impl Count {
    /// Asks a machine that was started with this configuration.
    pub(super) fn take(visitor: &Visitor, configuration: &[u8]) -> Self {
        let Some(token) = token(configuration) else {
            return Self::Unknown("the configuration has no operations.metrics_token");
        };
        match visitor.figures(METRICS, &token) {
            Ok(figures) => {
                open(&figures).map_or(Self::Unknown("the machine does not count them"), Self::Open)
            }
            Err(_) => Self::Unknown("the machine does not tell its figures"),
        }
    }
}

/// Judges two counts with so many visits between them. Words for the evidence.
///
/// # Errors
/// When every other visit, or more, left something open.
pub(super) fn judge(before: &Count, after: &Count, visits: u64) -> Result<String> {
    if let (Count::Open(then), Count::Open(now)) = (before, after) {
        let grown = now.saturating_sub(*then);
        ensure!(
            visits < LEAST_VISITS || grown < visits / 2,
            "it leaks: {then} files and sockets were open, and {now} after {visits} visits"
        );
    }
    Ok(after.to_string())
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(open) => write!(formatter, "{open} files and sockets open"),
            Self::Unknown(why) => write!(formatter, "open files not counted: {why}"),
        }
    }
}

fn token(configuration: &[u8]) -> Option<String> {
    let table: toml::Table = toml::from_str(std::str::from_utf8(configuration).ok()?).ok()?;
    Some(table.get("operations")?.get("metrics_token")?.as_str()?.to_owned())
}

fn open(figures: &str) -> Option<u64> {
    figures.lines().find_map(|line| line.strip_prefix(OPEN_FILES))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_in_two_that_leaves_something_open_is_a_leak() {
        let judged = |then, now, visits| judge(&Count::Open(then), &Count::Open(now), visits).is_ok();
        assert!(judged(12, 12, 100) && judged(12, 61, 100) && judged(30, 12, 100));
        assert!(!judged(12, 62, 100) && !judged(12, 112, 100));
        assert!(judged(12, 40, 49), "too few visits to tell");
    }

    #[test]
    fn what_is_not_known_is_said_and_holds_nothing() {
        let unknown = Count::Unknown("the machine does not count them");
        let said = judge(&Count::Open(1), &unknown, 100).unwrap();
        assert_eq!(said, "open files not counted: the machine does not count them");
        assert!(judge(&unknown, &Count::Open(500), 100).is_ok());
    }

    #[test]
    fn token_and_count_are_read_from_what_the_service_has() {
        let configuration = b"host = \"a\"\n[operations]\nmetrics_token = \"abc\"\n";
        assert_eq!(token(configuration).as_deref(), Some("abc"));
        assert_eq!(token(b"host = \"a\"\n"), None);
        let figures = "# TYPE machine_files gauge\nmachine_files{state=\"max\"} 65536\nmachine_files{state=\"open\"} 17\n";
        assert_eq!(open(figures), Some(17));
        assert_eq!(open("machine_files{state=\"open\"} many\n"), None);
    }
}
