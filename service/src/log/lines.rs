//! Where lines wait until the runtime has nothing else to do: a busy one makes one system call for many.
//!
//! Invariant: a line waits only in the thread that lets lines go before it sleeps, the runtime's. In every other one it
//! leaves at once.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use tracing_subscriber::fmt::MakeWriter;

/// What waits has a place of so many bytes for good: one that is let go and taken anew keeps the end of the heap in use.
const PLACE: usize = 16 * 1024;
/// So many bytes do not wait for more: most lines still fit behind them.
const TOGETHER: usize = PLACE - 512;

static WAITING: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static PATIENT: OnceLock<ThreadId> = OnceLock::new();

/// Whether lines are wanted: not before the log is begun, as in tests.
pub(super) fn are_wanted() -> bool {
    PATIENT.get().is_some()
}

/// From here on, lines of this thread wait for [`flush`].
pub(super) fn wait_here() {
    // Whoever was first stays.
    let _ = PATIENT.set(thread::current().id());
    waiting().reserve_exact(PLACE);
}

/// Lets all lines go that wait.
pub fn flush() {
    release(&mut waiting());
}

/// Lets `write` put a line behind the others.
pub(super) fn with(write: impl FnOnce(&mut Vec<u8>)) {
    let mut lines = waiting();
    write(&mut lines);
    if lines.len() >= TOGETHER || PATIENT.get() != Some(&thread::current().id()) {
        release(&mut lines);
    }
}

fn waiting() -> MutexGuard<'static, Vec<u8>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn release(lines: &mut Vec<u8>) {
    if !lines.is_empty() {
        // There is nowhere to tell that nobody listens.
        let _ = io::stdout().lock().write_all(lines);
        lines.clear();
        lines.shrink_to(PLACE);
    }
}

/// The end of standard output that the log has.
pub(super) struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        with(|lines| lines.extend_from_slice(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        flush();
        Ok(())
    }
}
