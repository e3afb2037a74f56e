//! The system judged from outside: what a visitor, a browser or an operator can see, and nothing of its inside.
//!
//! It never links the service and never sleeps; `image` is used only to drive machines, `tls` only for trust.
//! Invariant: a claim takes nothing but an [`Endpoint`], so the same claims judge the machines in QEMU, a release's
//! candidate, and the public name.

pub mod answer;
pub mod browser;
pub mod claims;
pub mod client;
pub mod dice;
pub mod endpoint;
mod exchange;
pub mod namespace;
pub mod page;
pub mod request;
pub mod stand;
pub mod stories;
pub mod unique;
pub mod visitor;
pub mod wire;

pub use answer::Answer;
pub use client::Client;
pub use dice::Dice;
pub use endpoint::Endpoint;
pub use request::{Protocol, Request};
pub use visitor::Visitor;
