//! Visitors that make handshakes one after the other, or hold connections open.
//!
//! Their own time is not measured: they may share a core with whom they visit.
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tls::rustls::client::Resumption;
use tls::rustls::pki_types::ServerName;
use tls::rustls::version::TLS13;
use tls::rustls::{CipherSuite, ClientConfig, ClientConnection, HandshakeKind, NamedGroup, Stream};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a handshake is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With the server's signature.
    Full,
    /// By a ticket of an earlier one, with a fresh key exchange (psk_dhe_ke).
    Resumed,
}

pub(super) struct Visitor {
    name: ServerName<'static>,
    full: Arc<ClientConfig>,
    resumed: Arc<ClientConfig>,
}

/// An open connection with its session.
pub(super) struct Open {
    _stream: TcpStream,
    _session: ClientConnection,
}

impl Visitor {
    /// A visitor of `host` who trusts `root` (PEM) only.
    pub(super) fn new(host: &str, root: &str) -> Result<Self> {
        let name = ServerName::try_from(host.to_owned())?;
        let mut full = config(root)?;
        let resumed = full.clone();
        full.resumption = Resumption::disabled();
        Ok(Self { name, full: Arc::new(full), resumed: Arc::new(resumed) })
    }

    /// One after the other, each on a connection of its own.
    pub(super) fn handshakes(&self, server: SocketAddr, kind: Kind, times: u32) -> Result<()> {
        let config = if kind == Kind::Full { &self.full } else { &self.resumed };
        for round in 0..times {
            let (mut stream, mut session) = self.connect(server, config)?;
            let was = session.handshake_kind();
            // The first one has no ticket yet.
            ensure!(
                kind == Kind::Full || round == 0 || was == Some(HandshakeKind::Resumed),
                "a handshake was {was:?}"
            );
            session.send_close_notify();
            while session.wants_write() {
                session.write_tls(&mut stream)?;
            }
        }
        Ok(())
    }

    /// Connections over which one page was asked for, and nothing more is said.
    pub(super) fn open(&self, server: SocketAddr, count: u32) -> Result<Vec<Open>> {
        let open = |_| {
            let (mut stream, mut session) = self.connect(server, &self.full)?;
            ask(&mut stream, &mut session, &self.name.to_str())?;
            Ok(Open { _stream: stream, _session: session })
        };
        (0..count).map(open).collect()
    }

    /// A connection whose handshake is over at both ends: the server's tickets came after the last of our messages.
    fn connect(
        &self,
        server: SocketAddr,
        config: &Arc<ClientConfig>,
    ) -> Result<(TcpStream, ClientConnection)> {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = ClientConnection::new(Arc::clone(config), self.name.clone())?;
        while session.is_handshaking() {
            session.complete_io(&mut stream).context("a handshake failed")?;
        }
        while session.tls13_tickets_received() == 0 {
            ensure!(session.read_tls(&mut stream)? > 0, "the server closed the connection");
            session.process_new_packets()?;
        }
        Ok((stream, session))
    }
}

/// Asks for a small page, as somebody does who then reads it for a while.
fn ask(stream: &mut TcpStream, session: &mut ClientConnection, host: &str) -> Result<()> {
    let mut line = String::new();
    let mut both = Stream::new(session, stream);
    write!(both, "GET /robots.txt HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let mut answer = BufReader::new(both);
    answer.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200 "), "answered {line:?}");
    Ok(())
}

/// What both servers have: OpenSSL 3.0 knows no post-quantum key exchange.
fn config(root: &str) -> Result<ClientConfig> {
    let mut provider = (*tls::provider()).clone();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(tls::client::root_store(root)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
