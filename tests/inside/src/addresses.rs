//! Addresses that nobody has: whoever asks for a connection to one is told so.
//!
//! Invariant: no peer is needed, and none is spoken to.

use std::net::{TcpStream, UdpSocket};

use crate::{Verdict, ensure};

/// Nobody listens there.
const NOBODY: [&str; 2] = ["[::]:9", "0.0.0.0:9"];

/// A name may lead to one, by an answer that nobody should believe.
pub(crate) fn nobody_connects_to_no_address() -> Verdict {
    NOBODY
        .iter()
        .try_for_each(|address| ensure(TcpStream::connect(address).is_err(), || (*address).to_owned()))
}

/// Linux takes it for this host and sends; what matters is that it comes back.
pub(crate) fn a_datagram_to_no_address_goes_nowhere() -> Verdict {
    let sockets = ["[::]:0", "0.0.0.0:0"];
    for (local, remote) in sockets.iter().zip(NOBODY) {
        let socket = UdpSocket::bind(local).map_err(|error| format!("{local}: {error}"))?;
        let _ = socket.send_to(b"to nobody", remote);
    }
    Ok(())
}
