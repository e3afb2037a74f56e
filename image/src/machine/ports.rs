//! TCP ports of the host's loopback.
//!
//! It reserves nothing: between the look and the machine's start another program may take the port, and QEMU then
//! says so. Invariant: only 127.0.0.1 is ever looked at.
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// How many looks it takes to call a host full: it hands out ports at random.
const LOOKS: usize = 1000;

/// A port that nobody listens on, another one at each call: what was handed out before may be about to be listened on.
///
/// # Errors
/// When the host has no free port.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..LOOKS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
    bail!("no port on 127.0.0.1 that was not handed out already")
}

/// Checks that a machine could listen on `port`.
///
/// # Errors
/// When another program listens there or the user may not; the text names the port.
pub fn check_free(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!("port 127.0.0.1:{port} is in use"),
        Err(error) => Err(error).with_context(|| format!("cannot listen on 127.0.0.1:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{Status, wait_until};
    use std::time::Duration;

    #[test]
    fn no_port_is_handed_out_twice() {
        let ports: BTreeSet<u16> = (0..2000).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 2000);
    }

    #[test]
    fn a_port_in_use_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(check_free(port).unwrap_err().to_string(), format!("port 127.0.0.1:{port} is in use"));
        drop(listener);
        // The test beside this one may have it for a moment.
        wait_until(Duration::from_secs(10), "a free port", || {
            Ok(check_free(port).map_or_else(|error| Status::Pending(error.to_string()), Status::Reached))
        })
        .unwrap();
    }
}
