//! Log lines: one JSON object a line on standard output, which on a machine is its console.
//!
//! Invariant: nothing from a request's body, no header value and no secret is ever a field.

mod answered;
mod line;
mod lines;
mod stamp;

use std::error::Error;
use std::fmt::Write as _;

pub use answered::{Answered, answered};
pub use lines::flush;
use tracing::Level;

/// Sends every event from here on to standard output, and panics too. Does nothing when called again. Lines of this thread
/// wait for [`flush`], which its runtime calls before it sleeps.
pub fn init() {
    lines::wait_here();
    let subscriber = tracing_subscriber::fmt()
        .fmt_fields(line::Fields)
        .event_format(line::Line)
        .with_max_level(Level::INFO)
        .with_writer(lines::Lines)
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(location, message = panic.payload_as_str().unwrap_or("panic"));
            flush();
        }));
    }
}

/// An error and all its causes in one line: `cannot read x: permission denied`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
