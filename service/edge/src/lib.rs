//! From sockets to who answers: listeners, the limit on connections, TLS, HTTP/1.1 and HTTP/2, and the graceful end.
//!
//! It knows no route, no page and no row. It is a crate of its own so that an edit of the site does not compile the
//! protocols once more: their code is made where their futures are spawned, which is here.
//!
//! Invariant: every accepted connection holds a permit until it is closed, so their number is bounded and the drain
//! knows when the last one is gone.

mod accept;
mod activity;
mod answers;
mod awaited;
mod ciphertext;
mod connection;
mod counted;
mod crowd;
pub mod drain;
mod linger;
mod load;
mod peer;
mod secured;

pub use accept::Door;
pub use answers::{Answer, Answers};
pub use connection::{Challenges, Connection, Proof};
pub use load::{Held, Load};
pub use peer::Peer;
