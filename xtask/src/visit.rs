//! One HTTPS request, as a visitor with the given root would make it: certificate and name verified.
//!
//! It knows no pages but the two paths by which any operator asks a web machine how it is. Invariant: an answer
//! counts only over a verified connection, and no visit takes longer than it may.
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tls::rustls::pki_types::ServerName;
use tls::rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Answers 200 while the service lives.
pub(crate) const LIVES: &str = "/healthz";
/// Answers 200 once the database answers too.
pub(crate) const READY: &str = "/readyz";

/// A handshake and an answer of an emulated machine, at the least and on a busy host. QEMU's user network takes a
/// connection before the guest listens, and asks the guest again after seconds only: a long wait would sleep over the
/// moment when it does.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// A first connection to a machine that may not run yet: what is sent before it does is lost, and sent again after a second
/// only. So there are several in a row, each as short as this at first,
const KNOCK: Duration = Duration::from_millis(5);
/// and all together as long as this.
const KNOCKING: Duration = Duration::from_millis(100);
/// The longest status line read.
const STATUS_LINE_BYTES_MAX: u64 = 1024;
/// The most figures read: a line for each route and status.
const FIGURES_BYTES_MAX: u64 = 1 << 20;

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Who visits, and where.
pub(crate) struct Visitor {
    address: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Visitor {
    /// A visitor of `host` who finds it at this port of 127.0.0.1 and trusts `root` (PEM) only.
    pub(crate) fn new(host: &str, port: u16, root: &str) -> Result<Self> {
        Self::at(host, (Ipv4Addr::LOCALHOST, port).into(), root)
    }

    /// A visitor of `host` who finds it at this address and trusts `root` (PEM) only.
    pub(crate) fn at(host: &str, address: SocketAddr, root: &str) -> Result<Self> {
        let name =
            ServerName::try_from(host.to_owned()).with_context(|| format!("{host:?} is no host name"))?;
        let config = tls::client::config(root, &[b"http/1.1"])?;
        Ok(Self { address, name, config })
    }

    /// When the presented certificate ends, in seconds of the Unix epoch.
    pub(crate) fn certificate_end_s(&self) -> Result<u64> {
        let mut stream = self.connect(PATIENCE.1, PATIENCE.1, PATIENCE.1)?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(plain)?;
        }
        let chain = stream.conn.peer_certificates().context("no certificate was presented")?;
        Ok(tls::expiry(chain.first().context("no certificate was presented")?)?.as_secs())
    }

    fn connect(&self, knock: Duration, knocking: Duration, patience: Duration) -> Result<Stream> {
        let socket = self.knock(knock, knocking)?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        socket.set_nodelay(true)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone())?;
        Ok(StreamOwned::new(connection, socket))
    }

    /// The first connection that is taken, of such as wait for `knock` each, `knocking` in all.
    fn knock(&self, knock: Duration, knocking: Duration) -> std::io::Result<TcpStream> {
        let begun = Instant::now();
        loop {
            match TcpStream::connect_timeout(&self.address, knock) {
                Err(error) if error.kind() == ErrorKind::TimedOut && begun.elapsed() < knocking => {}
                outcome => return outcome,
            }
        }
    }

    /// The status of the answer to `GET path` by somebody who has `waited` so long already: each attempt may add an eighth,
    /// each of its connections less, so a machine's first answer is seen soon after it is possible, and a slow one is waited
    /// for in the end.
    pub(crate) fn get(&self, path: &str, waited: Duration) -> Result<u16> {
        let knock = (waited / 32).clamp(KNOCK, PATIENCE.1);
        let knocking = (waited / 8).clamp(KNOCKING, PATIENCE.1);
        let patience = (waited / 8).clamp(PATIENCE.0, PATIENCE.1);
        let mut line = String::new();
        ask(&self.head("GET", path, ""), self.connect(knock, knocking, patience)?)?
            .take(STATUS_LINE_BYTES_MAX)
            .read_line(&mut line)
            .map_err(plain)?;
        status(&line)
    }

    /// The service's figures, for whoever has the token. Their last line is `# EOF` (OpenMetrics 1.0).
    ///
    /// # Errors
    /// When there is no whole answer.
    pub(crate) fn figures(&self, path: &str, token: &str) -> Result<String> {
        let authorization = format!("Authorization: Bearer {token}\r\n");
        let mut answer = String::new();
        let stream = self.connect(PATIENCE.1, PATIENCE.1, PATIENCE.1)?;
        let mut lines = ask(&self.head("GET", path, &authorization), stream)?.take(FIGURES_BYTES_MAX);
        while !answer.ends_with("# EOF\n") {
            let read = lines.read_line(&mut answer).map_err(plain)?;
            ensure!(read > 0, "the figures end too soon");
        }
        ensure!(status(&answer)? == 200, "the figures are refused");
        Ok(answer)
    }

    /// The status of the answer to a form that is sent to `path`.
    ///
    /// # Errors
    /// When there is none in time.
    pub(crate) fn post(&self, path: &str, form: &str) -> Result<u16> {
        let about =
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
        let request = self.head("POST", path, &about) + form;
        let mut line = String::new();
        ask(&request, self.connect(PATIENCE.1, PATIENCE.1, PATIENCE.1)?)?
            .take(STATUS_LINE_BYTES_MAX)
            .read_line(&mut line)
            .map_err(plain)?;
        status(&line)
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let host = self.name.to_str();
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n")
    }
}

fn ask(request: &str, mut stream: Stream) -> Result<BufReader<Stream>> {
    stream.write_all(request.as_bytes()).map_err(plain)?;
    Ok(BufReader::new(stream))
}

fn status(line: &str) -> Result<u16> {
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).with_context(|| format!("no HTTP/1.1 answer: {line:?}"))
}

/// A timeout of a socket is reported as `EAGAIN`, which says nothing to a person.
fn plain(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => std::io::Error::new(ErrorKind::TimedOut, "no answer in time"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_line_is_an_answer() {
        assert_eq!(status("HTTP/1.1 200 OK\r\n").unwrap(), 200);
        for line in ["", "HTTP/1.1 ", "HTTP/1.1 2", "SSH-2.0-OpenSSH", "HTTP/1.1 ééé"] {
            assert!(status(line).is_err(), "{line:?}");
        }
    }
}
