//! Claims about real name servers: Knot and BIND from Debian, as ordinary processes on 127.0.0.1.
//!
//! Invariant: each test has servers of its own, which end with it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]
mod claims;
pub(crate) mod servers;
