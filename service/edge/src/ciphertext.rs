//! How much ciphertext waits to be sent, over all connections, and how much one may encrypt at once.
//!
//! What a client does not take waits in memory, once for each client. A machine with little of it encrypts less at once,
//! and less again the more waits, so that a crowd of slow readers cannot fill it.
//! Invariant: what is counted is given back when its [`Share`] is dropped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is encrypted at once, in bytes: four records where there is enough memory for a crowd that does so, or one, which
/// takes 16 KiB with what TLS adds, or little, which takes 4 KiB.
const FULL: usize = 64 * 1024;
const ONE: usize = 16 * 1024 - MARGIN;
const LITTLE: usize = 4 * 1024 - MARGIN;

/// Room for what TLS adds to one record.
const MARGIN: usize = 64;

/// As many as the service admits by default: while each can have `FULL` waiting in a quarter of the memory, each may.
const CROWD: usize = 256;
const AMPLE: usize = 4 * CROWD * FULL;

/// Of less memory, ciphertext may take this part before pieces become little.
const SHARE: usize = 32;

static WAITING: AtomicUsize = AtomicUsize::new(0);
static AVAILABLE: OnceLock<usize> = OnceLock::new();

/// How much may be encrypted at once now.
pub(crate) fn piece() -> usize {
    piece_of(*AVAILABLE.get_or_init(available), WAITING.load(Ordering::Relaxed))
}

/// The same, where so many bytes of memory were available at the first connection and so many wait to be sent.
fn piece_of(available: usize, waiting: usize) -> usize {
    match waiting {
        _ if available >= AMPLE && waiting < available / 4 => FULL,
        _ if waiting < available / SHARE => ONE,
        _ => LITTLE,
    }
}

fn available() -> usize {
    // Who tells nothing has enough.
    let told = std::fs::read_to_string("/proc/meminfo").ok();
    told.and_then(|text| told_by(&text)).unwrap_or(usize::MAX)
}

/// What is available by /proc/meminfo (proc(5)), in bytes.
fn told_by(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
}

/// One connection's part of what waits.
#[derive(Debug, Default)]
pub(crate) struct Share(usize);

impl Share {
    /// So many bytes of this connection wait now.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes != self.0 {
            WAITING.fetch_add(bytes, Ordering::Relaxed);
            WAITING.fetch_sub(self.0, Ordering::Relaxed);
            self.0 = bytes;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_machine_of_the_recommended_size_encrypts_four_records_at_once_for_a_whole_crowd() {
        // 128 MiB leave 95 available to the service.
        assert_eq!(piece_of(95 * MIB, 0), FULL);
        assert_eq!(piece_of(95 * MIB, (CROWD - 1) * FULL), FULL);
    }

    #[test]
    fn the_less_memory_is_left_the_less_is_encrypted_at_once() {
        assert_eq!(piece_of(6 * MIB, 0), ONE);
        assert_eq!(piece_of(6 * MIB, 6 * MIB / SHARE), LITTLE);
        assert_eq!(piece_of(95 * MIB, usize::MAX), LITTLE);
    }

    #[test]
    fn what_is_available_is_read_as_linux_writes_it() {
        assert_eq!(told_by("MemTotal:  9 kB\nMemAvailable:       12 kB\n"), Some(12 * 1024));
        assert_eq!(told_by("MemTotal:  9 kB\n"), None);
    }

    #[test]
    fn what_waits_is_counted_until_the_connection_ends() {
        let before = WAITING.load(Ordering::Relaxed);
        let mut share = Share::default();
        share.set(100);
        share.set(40);
        drop(share);
        // Other tests' connections count as well, but none of them holds what this one did.
        assert!(WAITING.load(Ordering::Relaxed) < before + 40 || before > 0);
    }
}
