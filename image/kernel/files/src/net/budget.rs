//! How much of the heap connections may take, and how much of it must be free for something to begin.
//!
//! It does not allocate, and is told how much is free. Invariant: what is taken exceeds the limit by no more than the least
//! buffers of those who were let in.

use super::settings::LARGEST_SEND_BYTES;

/// Connections together get this part of the heap; of a small one a half, up to so many bytes.
const SHARE: usize = 3;
const SMALL_SHARE: usize = 2;
const SMALL_BYTES: usize = 6 << 20;
/// Of the heap, so much is kept for what is under way: a connection's TLS and its request come after its buffers.
const KEPT: usize = 16;
/// While less than this part is free, what strangers sent waits to be read, for each request takes more; a large machine
/// need not keep more than so many bytes.
const ROOMY: usize = 8;
const MOST_ROOM_BYTES: usize = 4 << 20;
/// What one that is let in may take, beyond its buffers.
const EACH_BYTES: usize = 64 << 10;
/// No connection has more than this part of what all may have.
const EACH_SHARE: usize = 32;
const SCARCE_TRANSMIT_BYTES: usize = 64 << 10;
const LITTLE_TRANSMIT_BYTES: usize = 8 << 10;
const LEAST_TRANSMIT_BYTES: usize = 4 << 10;
/// A heap of this size has little to send from for everybody, and never less.
const LARGE_HEAP_BYTES: usize = 32 << 20;

/// Bytes taken, of a limit.
pub(super) struct Budget {
    taken: usize,
    limit: usize,
    kept: usize,
    room: usize,
    least_transmit: usize,
}

impl Budget {
    /// A budget for a heap of `memory_bytes`.
    pub(super) fn of(memory_bytes: usize) -> Self {
        Self {
            taken: 0,
            limit: (memory_bytes / SHARE).max((memory_bytes / SMALL_SHARE).min(SMALL_BYTES)),
            kept: memory_bytes / KEPT,
            room: (memory_bytes / ROOMY).min(MOST_ROOM_BYTES),
            least_transmit: if memory_bytes < LARGE_HEAP_BYTES {
                LEAST_TRANSMIT_BYTES
            } else {
                LITTLE_TRANSMIT_BYTES
            },
        }
    }

    /// Whether a connection may be begun while so many bytes of the heap are free.
    pub(super) fn lets_begin(&self, free_bytes: usize) -> bool {
        free_bytes >= self.kept
    }

    /// While so many bytes of the heap are free, what strangers sent is read as it comes.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// What is taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// How many of those who wait may be read then.
    pub(super) fn admits(&self, free_bytes: usize) -> usize {
        free_bytes.saturating_sub(self.room).div_ceil(EACH_BYTES)
    }

    /// Whether one of them may be read all the same, so that none waits for ever: most have their memory already.
    pub(super) fn admits_one(&self, free_bytes: usize) -> bool {
        free_bytes >= self.room / 4
    }

    /// Takes bytes for a larger buffer, unless that is more than is left, or would take what others need to begin.
    pub(super) fn take_more(&mut self, bytes: usize, free_bytes: usize) -> bool {
        free_bytes >= self.kept.max(2 * self.room) && self.take(bytes)
    }

    /// Takes the bytes without which a connection that was let in could not be answered.
    pub(super) fn take_least(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Whether so many bytes are left.
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.limit.saturating_sub(self.taken) >= bytes
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
            taken if taken < self.limit / 4 => LARGEST_SEND_BYTES.min(self.limit / EACH_SHARE),
            taken if taken < self.limit / 2 => SCARCE_TRANSMIT_BYTES,
            taken if taken < self.limit / 3 * 2 => LITTLE_TRANSMIT_BYTES,
            _ => self.least_transmit,
        }
    }
}
