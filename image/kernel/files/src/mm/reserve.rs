//! How much memory stays outside the heap: stacks of threads, and the network card's rings.
//!
//! Page tables are counted elsewhere. Pure arithmetic. Invariant: what the card takes and what threads take are parts of
//! what is kept back, so neither can find that the heap has taken it.

/// Stacks: the program's first thread has 1 MiB, the power button's, the passwords' and two that look up names up to
/// 128 KiB; each has 96 KiB more for the kernel and for interrupts.
pub(crate) const STACK_BYTES: usize = (1024 + 4 * 128 + 5 * 96) << 10;
/// Of the machine's memory, the card may take this part but for so much, within bounds: 7 MiB of a machine of 128 MiB, and
/// its least of one of 24 MiB.
const CARD_SHARE: usize = 8;
const LESS_BYTES: usize = 1 << 20;
/// Rings of 64 frames as Ethernet has them, and four large ones.
const LEAST_CARD_BYTES: usize = 512 << 10;
/// Rings of 256 frames of 9 KiB, and sixteen large ones.
const MOST_CARD_BYTES: usize = 7 << 20;

/// A machine beyond this size keeps a part of the rest for threads that a program has besides: 10 MiB of a machine of 128 MiB,
/// nine threads with std's stack of 1 MiB.
const SMALL_BYTES: usize = 64 << 20;
const THREADS_SHARE: usize = 6;

/// What is kept back of so much memory.
pub(crate) fn bytes(memory_bytes: usize) -> usize {
    STACK_BYTES
        + memory_bytes.saturating_sub(SMALL_BYTES) / THREADS_SHARE
        + (memory_bytes / CARD_SHARE).saturating_sub(LESS_BYTES).clamp(LEAST_CARD_BYTES, MOST_CARD_BYTES)
}
