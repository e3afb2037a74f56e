//! TLS for both ends of every connection in the stack: certificates, keys and rustls configurations.
//!
//! It opens no socket, reads no environment variable and holds no production key: text comes in, checked configuration
//! goes out. The development CA ([`authority`]) is a feature of its own, for tools on the host only.
//!
//! Invariant: a [`server::config`] exists only for an [`Identity`] whose chain, key, names and dates were checked.

#[cfg(feature = "authority")]
pub mod authority;
pub mod client;
mod error;
mod identity;
mod provider;
pub mod server;

pub use error::Error;
pub use identity::{Identity, Names};
pub use provider::provider;
pub use rustls;

/// Application protocols in order of preference: HTTP/2, then HTTP/1.1 (RFC 7301 identifiers).
pub const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
