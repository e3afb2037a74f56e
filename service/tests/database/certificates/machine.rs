//! Machines that share the database, and visitors of theirs.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use config::Config;
use db::Database;
use edge::drain;
use service::certificates::{Certificates, Clock, Status};
use service::server::Server;
use tls::rustls::pki_types::ServerName;
use tls::rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::fixture::{Fixture, HOST};

/// 32 bytes of no secret, in base64.
pub(crate) const STORAGE_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The tables of certificates, empty.
pub(crate) async fn forget_everything(fixture: &Fixture) -> anyhow::Result<()> {
    Database::new(&fixture.config(&[])).migrate().await;
    for table in [
        "certificates",
        "brought_certificates",
        "renewals",
        "acme_accounts",
        "acme_orders",
        "acme_challenges",
        "ticket_keys",
    ] {
        let delete = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(delete).execute(&mut fixture.connection().await?).await?;
    }
    Ok(())
}

/// Runs a statement past the service: simulated time, mostly.
pub(crate) async fn sql(fixture: &Fixture, text: &'static str) -> anyhow::Result<u64> {
    Ok(sqlx::query(text).execute(&mut fixture.connection().await?).await?.rows_affected())
}

/// As if the last attempt was long ago, and whoever held the lease was dead as long.
pub(crate) async fn much_later(fixture: &Fixture) -> anyhow::Result<()> {
    sql(fixture, "UPDATE renewals SET next_attempt = UTC_TIMESTAMP(6), lease_until = UTC_TIMESTAMP(6)")
        .await?;
    Ok(())
}

/// The section `[tls]` for these authorities: pairs of directory and root.
pub(crate) fn acme(authorities: &[(String, String)], ways: &[&str]) -> toml::Table {
    let list = authorities.iter().map(|(directory, roots)| {
        let pairs = [("directory", directory), ("roots", roots)];
        toml::Value::Table(
            pairs.map(|(key, value)| (key.to_owned(), value.clone().into())).into_iter().collect(),
        )
    });
    let mut acme = toml::Table::new();
    acme.insert("authorities".to_owned(), toml::Value::Array(list.collect()));
    acme.insert("challenges".to_owned(), ways.to_vec().into());
    acme.insert("names".to_owned(), vec!["foobar.com"].into());
    let mut tls = toml::Table::new();
    tls.insert("storage_keys".to_owned(), vec![STORAGE_KEY].into());
    tls.insert("poll_s".to_owned(), 1.into());
    tls.insert("acme".to_owned(), acme.into());
    tls
}

/// A service on sockets and a thread of its own.
pub(crate) struct Machine {
    begin: Option<oneshot::Sender<()>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) certificates: Certificates,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
}

impl Machine {
    /// It holds its ports and does not run yet.
    pub(crate) async fn new(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let (begin, begun) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let config = config.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (server, parts) = match bind(&config, clock).await {
                    Ok((server, parts)) => (server, Ok(parts)),
                    Err(error) => return drop(tell.send(Err(error))),
                };
                let _ = tell.send(parts);
                let (_trigger, drain) = drain::channel();
                let life = async {
                    if begun.await.is_ok() {
                        server.run(drain).await.unwrap();
                    }
                };
                tokio::select! {
                    () = life => {}
                    _ = ended => {}
                }
            });
            // Everything that the machine was doing is dropped where it stood.
        });
        let (certificates, http, https) = told.await??;
        Ok(Self { begin: Some(begin), end: Some(end), thread: Some(thread), certificates, http, https })
    }

    pub(crate) fn run(&mut self) {
        self.begin.take().expect("a machine runs once").send(()).expect("a machine that waits");
    }

    /// From now on it does nothing any more, as after a power cut.
    pub(crate) fn kill(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a machine that did not panic");
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.certificates.status()
    }

    /// Waits until the machine presents a certificate that is newer than this.
    pub(crate) async fn presents(&self, beyond: u64) -> anyhow::Result<u64> {
        let newer = wait_until(Duration::from_secs(40), async || Ok(self.status().generation > beyond));
        newer.await.with_context(|| format!("{:?}", self.status()))?;
        Ok(self.status().generation)
    }
}

type Parts = (Certificates, SocketAddr, SocketAddr);

async fn bind(config: &Config, clock: Clock) -> anyhow::Result<(Server, Parts)> {
    let database = Database::new(config);
    let certificates = Certificates::with_clock(config, database.clone(), clock)?;
    let server = Server::with_certificates(config, database, certificates.clone()).await?;
    let (http, https) = server.addresses()?;
    Ok((server, (certificates, http, https)))
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An answer, and the handshake before it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    pub(crate) handshake: Option<HandshakeKind>,
    pub(crate) serial: Vec<u8>,
}

/// One verified HTTPS request on a connection of its own.
pub(crate) async fn request(
    port: u16,
    client: &Arc<ClientConfig>,
    host: &str,
    path: &str,
) -> anyhow::Result<Answer> {
    send(port, client, host, path, None).await
}

/// The same; with a body it is a POST.
pub(crate) async fn send(
    port: u16,
    client: &Arc<ClientConfig>,
    host: &str,
    path: &str,
    body: Option<&str>,
) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(host.to_owned())?;
    let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, stream).await?;
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: tests\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await?;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    ensure!(!bytes.is_empty(), "no answer: {read:?}");
    let connection = stream.get_ref().1;
    let leaf = connection.peer_certificates().and_then(|chain| tls::Facts::of(&chain[0]));
    let (status, text) = answered(&bytes)?;
    Ok(Answer {
        status,
        text,
        handshake: connection.handshake_kind(),
        serial: leaf.map(|facts| facts.serial).unwrap_or_default(),
    })
}

/// One request in the clear.
pub(crate) async fn plain(port: u16, host: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    answered(&bytes)
}

fn answered(bytes: &[u8]) -> anyhow::Result<(u16, String)> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// A visitor who trusts this root.
pub(crate) fn visitor(root: &str) -> anyhow::Result<Arc<ClientConfig>> {
    Ok(tls::client::config(root, &[b"http/1.1"])?)
}

/// The site's health, as a visitor of this root's sees it.
pub(crate) async fn healthy(machine: &Machine, root: &str) -> anyhow::Result<Answer> {
    let answer = request(machine.https.port(), &visitor(root)?, HOST, "/healthz").await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(answer)
}

/// Asks until it is so, but no longer than the deadline.
pub(crate) async fn wait_until<F: Future<Output = anyhow::Result<bool>>>(
    limit: Duration,
    is_so: impl Fn() -> F,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while !is_so().await? {
        ensure!(Instant::now() < deadline, "not so after {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A port that nobody listens on, another one at each call. It lies below those that Linux gives to connections (32768 and up,
/// ip(7)): one of theirs may be taken before it is listened on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    const FIRST: u32 = 16_000;
    const COUNT: u32 = 16_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut tried = (0..COUNT).map(|_| NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id()));
    let free = tried.find_map(|number| {
        let port = u16::try_from(FIRST + number % COUNT).ok()?;
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    free.context("no free port")
}
