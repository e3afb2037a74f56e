//! Over real sockets: how many are let in at once, who goes for whom, and how long those who stay are waited for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use edge::drain;
use service::server::Server;
use tls::authority::Authority;
use tls::rustls::ClientConfig;
use tls::rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fixture::{CONFIG, HOST};
use crate::frames::{PREFACE, closed_window, form, frame, get, next_frame};

const PLACES: usize = 4;

/// A service with few places, and a client's trust in it.
struct Served {
    http: SocketAddr,
    https: SocketAddr,
    trust: Arc<ClientConfig>,
    /// The same for clients that speak HTTP/2.
    trust_h2: Arc<ClientConfig>,
    trigger: drain::Trigger,
    end: JoinHandle<()>,
}

async fn serve() -> Served {
    serve_with(PLACES).await
}

async fn serve_with(places: usize) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path()).unwrap();
    let issued = authority.issue(&[HOST], 1).unwrap();
    let mut config = Config::parse(CONFIG).unwrap();
    config.limits.connections = u32::try_from(places).unwrap();
    config.limits.drain_s = 1;
    config.limits.notice_ms = 0;
    config.tls.certificate_chain = Some(issued.certificate_chain);
    config.tls.private_key = Some(toml::Value::String(issued.private_key).try_into().unwrap());
    config.database.ca = authority.certificate_pem().to_owned();
    let server = Server::bind(config).await.unwrap();
    let (http, https) = server.addresses().unwrap();
    let (trigger, drain) = drain::channel();
    let end = tokio::spawn(async { server.run(drain).await.unwrap() });
    let trust = tls::client::config(authority.certificate_pem(), &[b"http/1.1"]).unwrap();
    let trust_h2 = tls::client::config(authority.certificate_pem(), &[b"h2"]).unwrap();
    Served { http, https, trust, trust_h2, trigger, end }
}

impl Served {
    async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_with(&self.trust).await
    }

    async fn connect_with(&self, trust: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.https).await.unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(Arc::clone(trust)).connect(name, stream).await.unwrap()
    }

    /// What one more visitor is told.
    async fn visit(&self) -> String {
        self.visit_to("/healthz").await
    }

    async fn visit_to(&self, path: &str) -> String {
        let mut visitor = self.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
        visitor.write_all(head.as_bytes()).await.unwrap();
        let mut said = String::new();
        visitor.read_to_string(&mut said).await.unwrap();
        said
    }

    /// A client whose request is being worked on: its body is awaited.
    async fn busy(&self) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await;
        let head = format!(
            "POST /login HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 17\r\nexpect: 100-continue\r\n\
             content-type: application/x-www-form-urlencoded\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }
}

#[tokio::test]
async fn no_more_are_let_in_than_there_are_places_and_the_next_one_when_one_is_done() {
    let served = serve().await;
    let mut busy = Vec::new();
    for _ in 0..PLACES {
        busy.push(served.busy().await);
    }
    let visit = served.visit();
    tokio::pin!(visit);
    let early = tokio::time::timeout(Duration::from_millis(500), &mut visit).await;
    assert!(early.is_err(), "one more was let in: {early:?}");
    // Nobody who is at work was sent away for it: the form is read, and answered without a database.
    busy[0].write_all(b"name=a&password=b").await.unwrap();
    let mut said = String::new();
    busy[0].read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    let said = tokio::time::timeout(Duration::from_secs(6), visit).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

#[tokio::test]
async fn who_is_not_done_by_the_drains_deadline_is_waited_for_no_longer() {
    let served = serve().await;
    let _busy = served.busy().await;
    let begun = Instant::now();
    served.trigger.start();
    // Its own limit is fifteen seconds.
    tokio::time::timeout(Duration::from_secs(8), served.end).await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "cut before its time: {:?}", begun.elapsed());
}

#[tokio::test]
async fn silent_clients_in_every_place_keep_no_visitor_out() {
    let served = serve().await;
    let mut silent = Vec::new();
    for _ in 0..PLACES {
        silent.push(TcpStream::connect(served.http).await.unwrap());
    }
    let mut visitor = TcpStream::connect(served.http).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    visitor.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    // Well before the silent ones' own limit of ten seconds.
    tokio::time::timeout(Duration::from_secs(6), visitor.read_to_string(&mut said)).await.unwrap().unwrap();
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

#[tokio::test]
async fn clients_in_every_place_that_take_no_answer_keep_no_visitor_out() {
    let served = serve().await;
    let mut stalled = Vec::new();
    for _ in 0..PLACES {
        let mut stream = served.connect_with(&served.trust_h2).await;
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&closed_window()).await.unwrap();
        stream.write_all(&get(1, "/robots.txt")).await.unwrap();
        stalled.push(stream);
    }
    let said = tokio::time::timeout(Duration::from_secs(6), served.visit()).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

/// Each asks for as much as one connection may, and takes nothing or sends no body.
#[tokio::test]
async fn a_few_clients_that_ask_for_much_leave_others_their_answers() {
    for (asked, path) in [(get as fn(u32, &str) -> Vec<u8>, "/robots.txt"), (form, "/login")] {
        let served = serve_with(16).await;
        let mut stalled = Vec::new();
        for _ in 0..6 {
            let mut stream = served.connect_with(&served.trust_h2).await;
            stream.write_all(PREFACE).await.unwrap();
            stream.write_all(&closed_window()).await.unwrap();
            for number in 0..95 {
                stream.write_all(&asked(2 * number + 1, path)).await.unwrap();
            }
            // The answer to PING comes after what was sent before it was read.
            stream.write_all(&frame(6, 0, 0, &[0; 8])).await.unwrap();
            while !matches!(next_frame(&mut stream).await, (6, _, _)) {}
            stalled.push(stream);
        }
        for path in ["/healthz", "/robots.txt"] {
            let said = served.visit_to(path).await;
            assert!(said.starts_with("HTTP/1.1 200 "), "{path}: {said}");
        }
    }
}
