//! TCP ports of the host's loopback.
//!
//! It reserves nothing: between the look and the machine's start another program may take the port, and QEMU then
//! says so. Invariant: only 127.0.0.1 is ever looked at.
use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

/// A port that nobody listens on.
///
/// # Errors
/// When the host has no free port.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
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

    #[test]
    fn a_port_in_use_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(check_free(port).unwrap_err().to_string(), format!("port 127.0.0.1:{port} is in use"));
        drop(listener);
        check_free(port).unwrap();
    }
}
