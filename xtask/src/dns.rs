//! The site's records: what they are, what they shall be, and how the authoritative servers are told.
//!
//! It asks each authoritative server directly and trusts no cache; it does not know why a record moves. Invariant: a
//! record is changed only from exactly the state that was seen (RFC 2136, 2.4), so nobody's change is overwritten.
mod change;
mod key;
mod manual;
mod names;
mod records;
mod seen;
mod server;
#[cfg(all(test, feature = "nameserver-tests"))]
pub(crate) mod tests;
mod text;
mod update;
mod wire;
mod zone;

pub(crate) use change::diff;
pub(crate) use key::Key;
pub(crate) use manual::zone_lines;
pub(crate) use names::{Form, Names, absolute};
pub(crate) use records::{Kind, Records, Set};
pub(crate) use seen::await_everywhere;
pub(crate) use server::Server;
pub(crate) use text::Text;
#[cfg(all(test, feature = "nameserver-tests"))]
use update::Refused;
pub(crate) use zone::Zone;
