//! The time of day, where the rest of the kernel looks for it. The clock itself is `crate::clock`.
//!
//! Invariant: `init` comes first.

/// Begins with what the clock chip says.
pub fn init() {
    crate::clock::init();
}

/// Microseconds since 1970.
pub fn now_micros() -> u64 {
    crate::clock::now_micros()
}
