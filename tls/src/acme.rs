//! A client of certificate authorities (ACME, RFC 8555), with renewal information (RFC 9773) and external accounts.
//!
//! Of our own, because the crates that are kept well bring ring or aws-lc with them, neither of which the guest has: this
//! one signs with the stack's provider. It opens no socket and keeps no state beyond one call: a [`Transport`] carries
//! its requests, and its caller stores account, order and answers. Invariant: what a CA sends is data of a stranger's:
//! limited by the transport, never trusted, never able to panic.

mod account;
mod challenge;
mod client;
mod error;
mod jws;
mod request;
mod window;
mod wire;

pub use account::{Account, Binding, Wish};
pub use challenge::{key_authorization, proof, record};
pub use client::{Answer, Client, Method, Request, Transport};
pub use error::Error;
pub use request::request;
pub use window::{Window, renewal_id};
pub use wire::{Authorization, Challenge, Order, Problem, Status};

/// The protocol of tls-alpn-01 (RFC 8737, 4).
pub const ALPN: &[u8] = b"acme-tls/1";

/// Where http-01 looks for an answer: this and a token (RFC 8555, 8.3).
pub const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// The longest token that is looked up: a CA's have 43 characters (128 bits or more, RFC 8555, 8).
pub const TOKEN_MAX: usize = 128;
