//! How much of the heap connections may take.
//!
//! It does not allocate. Invariant: what is taken never exceeds the limit.

use super::settings::LARGEST_SEND_BYTES;

/// Connections together get this part of the heap.
const SHARE: usize = 3;
const SCARCE_TRANSMIT_BYTES: usize = 64 << 10;
const LEAST_TRANSMIT_BYTES: usize = 8 << 10;

/// Bytes taken, of a limit.
pub(super) struct Budget {
    taken: usize,
    limit: usize,
}

impl Budget {
    /// A budget for a heap of `memory_bytes`.
    pub(super) fn of(memory_bytes: usize) -> Self {
        Self { taken: 0, limit: memory_bytes / SHARE }
    }

    /// Whether so many bytes are left.
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.limit - self.taken >= bytes
    }

    /// Takes bytes, unless that is more than is left.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let fits = self.has(bytes);
        if fits {
            self.taken += bytes;
        }
        fits
    }

    pub(super) fn give(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes);
    }

    /// Whether there is enough to be generous.
    pub(super) fn is_ample(&self) -> bool {
        self.taken < self.limit / 4
    }

    /// What one connection may queue now. Half of the budget is kept for those that are still to come.
    pub(super) fn transmit_limit(&self) -> usize {
        match self.taken {
            taken if taken < self.limit / 4 => LARGEST_SEND_BYTES,
            taken if taken < self.limit / 2 => SCARCE_TRANSMIT_BYTES,
            _ => LEAST_TRANSMIT_BYTES,
        }
    }
}
