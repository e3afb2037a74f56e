//! Facts of the machine, where its system tells them as Linux does: `/proc/meminfo`, `/proc/uptime` and
//! `/proc/sys/fs/file-nr` (proc(5)).
//!
//! Invariant: what a system does not tell is `None`, never a guess.

use std::fs;
use std::time::Duration;

/// The machine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Memory in bytes.
    pub memory_total: Option<u64>,
    /// Of it, what programs could still get, in bytes.
    pub memory_available: Option<u64>,
    /// Since its start.
    pub uptime: Option<Duration>,
    /// Open files and sockets of all programs; in a web machine there is one.
    pub files_open: Option<u64>,
    /// The most that may be open.
    pub files_most: Option<u64>,
}

impl Machine {
    /// Asks the system.
    pub fn read() -> Self {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let files = fs::read_to_string("/proc/sys/fs/file-nr").unwrap_or_default();
        Self {
            memory_total: bytes(&memory, "MemTotal:"),
            memory_available: bytes(&memory, "MemAvailable:"),
            uptime: seconds(&uptime),
            files_open: count(&files, 0),
            files_most: count(&files, 2),
        }
    }
}

/// `MemTotal:  131072 kB`.
fn bytes(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// `350735.47 234388.90`: since the start, and idle.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// `1824  0  65536`: open, of these unused, and at most.
fn count(text: &str, place: usize) -> Option<u64> {
    text.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_own_words_are_read_and_others_are_none() {
        let text = "MemTotal:         131072 kB\nMemFree: 1 kB\nMemAvailable:      65536 kB\n";
        assert_eq!(bytes(text, "MemTotal:"), Some(128 << 20));
        assert_eq!(bytes(text, "MemAvailable:"), Some(64 << 20));
        assert_eq!(bytes("MemTotal: much kB", "MemTotal:"), None);
        assert_eq!(bytes("MemTotal: 18446744073709551615 kB", "MemTotal:"), None);
        assert_eq!(seconds("350735.47 234388.90\n"), Some(Duration::from_secs_f64(350_735.47)));
        assert_eq!((count("57\t0\t65536\n", 0), count("57\t0\t65536\n", 2)), (Some(57), Some(65536)));
        assert_eq!((count("", 0), count("57 0", 2), count("-1 0 9", 0)), (None, None, None));
        for strange in ["", "soon", "-1 0", "inf", "NaN"] {
            assert_eq!(seconds(strange), None, "{strange}");
        }
    }
}
