//! What the crate promises, checked through its public functions, in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]

mod authority;
mod change;
mod handshake;
mod identity;
mod memory;
mod seal;
