//! The console: a serial port, which carries little, and the service's lines, of which there may be many.
//!
//! Each byte costs two trips out of the machine, so a line for each request would cost more than the request. Once the
//! service runs, lines wait here and go out while the processor has nothing better to do, or at a serial port's own
//! pace while it has. What does not fit is lost and counted: a log never slows an answer.
//!
//! Invariant: lines leave in the order in which they came, and a panic writes all that wait before its own words.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::Waker;
use core::{fmt, mem};

use hermit_sync::{InterruptTicketMutex, Lazy, without_interrupts};

use crate::arch;
use crate::net::wait;

/// Lines that may wait, in bytes: some three hundred of the service's.
const WAITING_BYTES: usize = 64 << 10;
/// What goes out at once: a serial port's own buffer (16550A).
const PORTION_BYTES: usize = 16;
/// The pace while the processor works: 16 bytes in 1.4 ms are 115,200 baud.
const PACE_US: u64 = 1_400;

/// Whether lines wait for their turn. Not before the service runs, nor after last words.
static IS_PATIENT: AtomicBool = AtomicBool::new(false);
static HAS_WAITING: AtomicBool = AtomicBool::new(false);
/// When a portion last went out, microseconds since start.
static LAST_PORTION: AtomicU64 = AtomicU64::new(0);

/// The port, and what waits for it.
pub(crate) struct Console {
    pub inner: arch::kernel::Console,
    /// A ring; empty before the service runs.
    waiting: Vec<u8>,
    first: usize,
    length: usize,
    /// Lines that did not fit since the last that did.
    lost: u32,
}

impl Console {
    fn new() -> Self {
        let inner = arch::kernel::Console::new();
        Self { inner, waiting: Vec::new(), first: 0, length: 0, lost: 0 }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        if !IS_PATIENT.load(Ordering::Relaxed) {
            self.drain(usize::MAX);
            return self.inner.write(bytes);
        }
        if self.lost > 0 {
            self.admit_loss(bytes.len());
        }
        if self.lost > 0 || !self.queue(bytes) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    fn admit_loss(&mut self, next_bytes: usize) {
        let mut words = heapless::String::<48>::new();
        let _ = fmt::write(&mut words, format_args!("({} lines lost: the console is slow)\n", self.lost));
        if self.waiting.len() - self.length >= words.len() + next_bytes && self.queue(words.as_bytes()) {
            self.lost = 0;
        }
    }

    /// Whole or not at all.
    fn queue(&mut self, bytes: &[u8]) -> bool {
        let size = self.waiting.len();
        if size == 0 || bytes.len() > size - self.length {
            return false;
        }
        let end = (self.first + self.length) % size;
        let (before_wrap, after_wrap) = bytes.split_at(bytes.len().min(size - end));
        self.waiting[end..end + before_wrap.len()].copy_from_slice(before_wrap);
        self.waiting[..after_wrap.len()].copy_from_slice(after_wrap);
        self.length += bytes.len();
        HAS_WAITING.store(true, Ordering::Relaxed);
        true
    }

    /// Writes at most `most` bytes of what waits.
    fn drain(&mut self, most: usize) {
        let mut left = most.min(self.length);
        while left > 0 {
            let portion = left.min(self.waiting.len() - self.first);
            self.inner.write(&self.waiting[self.first..self.first + portion]);
            self.first = (self.first + portion) % self.waiting.len();
            self.length -= portion;
            left -= portion;
        }
        HAS_WAITING.store(self.length > 0, Ordering::Relaxed);
    }

    pub fn read(&mut self) -> Option<u8> {
        self.inner.read()
    }

    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    pub fn register_waker(&mut self, waker: &Waker) {
        self.inner.register_waker(waker);
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.is_empty() {
            self.write(text.as_bytes());
        }
        Ok(())
    }
}

pub(crate) static CONSOLE: Lazy<InterruptTicketMutex<Console>> =
    Lazy::new(|| InterruptTicketMutex::new(Console::new()));

/// From now on lines wait for their turn. Called whenever the service waits; does something once.
pub(crate) fn be_patient() {
    if IS_PATIENT.load(Ordering::Relaxed) {
        return;
    }
    let waiting = alloc::vec![0; WAITING_BYTES];
    let mut console = CONSOLE.lock();
    if console.waiting.is_empty() {
        console.waiting = waiting;
    }
    IS_PATIENT.store(true, Ordering::Relaxed);
}

/// Sends a portion, if any waits. For a processor with nothing to do.
pub(crate) fn send_portion() -> bool {
    if !HAS_WAITING.load(Ordering::Relaxed) {
        return false;
    }
    LAST_PORTION.store(wait::now(), Ordering::Relaxed);
    CONSOLE.lock().drain(PORTION_BYTES);
    true
}

/// The same for a processor that works, at a serial port's pace. `now` in microseconds since start.
pub(crate) fn keep_pace(now: u64) {
    if HAS_WAITING.load(Ordering::Relaxed) && LAST_PORTION.load(Ordering::Relaxed) + PACE_US <= now {
        send_portion();
    }
}

#[doc(hidden)]
pub fn _print(words: fmt::Arguments<'_>) {
    use fmt::Write;
    CONSOLE.lock().write_fmt(words).unwrap();
}

/// For last words: nothing waits after them, and they wait for nobody. An interrupt on the way would write too, for the
/// console is not locked.
#[doc(hidden)]
pub fn _panic_print(words: fmt::Arguments<'_>) {
    use fmt::Write;
    without_interrupts(|| {
        IS_PATIENT.store(false, Ordering::Relaxed);
        // Safety: whoever holds the lock has interrupts off, so it is this thread, which crashed and does not go back to it.
        let mut console = unsafe { CONSOLE.make_guard_unchecked() };
        console.write_fmt(words).ok();
        mem::forget(console);
    });
}
