//! Visitors who look at what is presented: every certificate is verified, by the root that they were given.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use tls::rustls::pki_types::ServerName;
use tls::rustls::{ClientConnection, StreamOwned};

/// An emulated machine on a busy host.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who visits a host with trust in one root. It comes as a stranger each time: who resumes a session is shown nothing.
#[derive(Clone)]
pub(super) struct Visitor {
    host: String,
    roots: String,
}

/// A connection that stays open.
pub(super) struct Session {
    host: String,
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Visitor {
    pub(super) fn new(host: &str, roots: &str) -> Self {
        Self { host: host.to_owned(), roots: roots.to_owned() }
    }

    /// A new connection to a machine.
    pub(super) fn connect(&self, machine: Ipv4Addr) -> Result<Session> {
        let mut socket = TcpStream::connect_timeout(&SocketAddr::from((machine, 443)), PATIENCE)
            .with_context(|| machine.to_string())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(self.host.clone())?;
        let stranger = tls::client::config(&self.roots, &[b"http/1.1"])?;
        let mut connection = ClientConnection::new(stranger, name)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).with_context(|| format!("TLS handshake with {machine}"))?;
        }
        Ok(Session { host: self.host.clone(), stream: StreamOwned::new(connection, socket) })
    }

    /// The same, and a first answer: a connection that asks for nothing is not kept.
    pub(super) fn settle(&self, machine: Ipv4Addr) -> Result<Session> {
        let mut session = self.connect(machine)?;
        session.ask()?;
        Ok(session)
    }

    /// What a new connection is shown: the leaf, in DER.
    pub(super) fn shown(&self, machine: Ipv4Addr) -> Result<Vec<u8>> {
        self.connect(machine)?.shown()
    }
}

impl Session {
    pub(super) fn shown(&self) -> Result<Vec<u8>> {
        let chain = self.stream.conn.peer_certificates().context("no certificate")?;
        Ok(chain[0].to_vec())
    }

    /// One request and its answer.
    pub(super) fn ask(&mut self) -> Result<()> {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nuser-agent: tests\r\n\r\n", self.host);
        self.stream.write_all(request.as_bytes())?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        while !answer.ends_with(b"alive\n") {
            let bytes = self.stream.read(&mut part)?;
            ensure!(bytes > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend(&part[..bytes]);
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        Ok(())
    }
}

/// One visitor after the other, each with a new connection, at the machines in turns. One who is not answered ends it.
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    answered: AtomicUsize,
}

impl Load {
    pub(super) fn start(visitor: &Visitor, machines: &[Ipv4Addr]) -> Self {
        let (shared, visitor, machines) = (Arc::<Shared>::default(), visitor.clone(), machines.to_vec());
        let inner = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for machine in machines.iter().cycle() {
                if inner.over.load(Ordering::Relaxed) {
                    break;
                }
                visitor.connect(*machine)?.ask().with_context(|| format!("a visitor of {machine}"))?;
                inner.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { shared, thread }
    }

    /// Ends it, and says how many were answered.
    pub(super) fn stop(self) -> Result<usize> {
        self.shared.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the visitors panicked"))??;
        Ok(self.shared.answered.load(Ordering::Relaxed))
    }
}
