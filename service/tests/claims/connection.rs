//! Connections in memory: TLS and both protocols, limits in time and size, and the drain. Time is tokio's, so that
//! an hour of idling takes no time.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use config::Limits;
use edge::drain::{self, Trigger};
use edge::{Answer, Answers, Connection, Peer};
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tls::authority::Authority;
use tls::rustls::pki_types::{ServerName, UnixTime};
use tls::rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fixture::{HOST, config, router};
use crate::frames::{PREFACE, closed_window, form, frame, get, next_frame};

/// After this a connection is held without any protocol's buffers.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// The service's end of a connection is being served; this is the client's end.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    trigger: Trigger,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// To a listener in the clear that serves the whole site.
    pub(crate) fn plain() -> Self {
        Self::over(|limits, drain, _| Connection::plain(Arc::new(router()), limits, drain, Arc::default()))
    }

    fn secure() -> Self {
        Self::over(|limits, drain, tls| {
            Connection::secure(tls, Arc::new(router()), limits, drain, Arc::default())
        })
    }

    pub(crate) fn over(
        connection: impl FnOnce(Limits, drain::Drain, Arc<ServerConfig>) -> Connection,
    ) -> Self {
        let (server, tls) = certified();
        let (trigger, drain) = drain::channel();
        let connection = connection(config().limits, drain, server);
        let (stream, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move { connection.serve(far, Ipv4Addr::LOCALHOST.into()).await });
        Self { stream, trigger, tls }
    }

    async fn handshake(self) -> (TlsStream<DuplexStream>, Trigger) {
        let name = ServerName::try_from(HOST).unwrap();
        let stream = TlsConnector::from(self.tls).connect(name, self.stream).await.unwrap();
        (stream, self.trigger)
    }

    /// Everything that the service says until it closes the connection, and how long that took.
    pub(crate) async fn rest(&mut self) -> (String, Duration) {
        let begun = Instant::now();
        let mut text = String::new();
        self.stream.read_to_string(&mut text).await.unwrap();
        (text, begun.elapsed())
    }
}

/// A site of one page, of a megabyte.
struct Large;

impl Answers for Large {
    fn answer(&self, _: Request<Body>, _: Peer) -> Answer {
        Answer::Made(axum::response::Response::new(Body::from(vec![b'a'; 1 << 20])))
    }
}

fn certified() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let authority = Authority::open(tempfile::tempdir().unwrap().path()).unwrap();
    let issued = authority.issue(&[HOST], 1).unwrap();
    let identity =
        tls::Identity::from_pem(&issued.certificate_chain, &issued.private_key, &[HOST], UnixTime::now())
            .unwrap();
    let client = tls::client::config(authority.certificate_pem(), &tls::ALPN).unwrap();
    (
        {
            let presented = tls::Presented::default();
            presented.set(&[identity]);
            tls::server::config(&presented, &tls::Tickets::new().unwrap()).unwrap()
        },
        client,
    )
}

fn request(path: &str) -> Request<Empty<&'static [u8]>> {
    Request::get(format!("https://{HOST}{path}")).body(Empty::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn http_2_is_spoken_where_it_was_agreed() {
    let (stream, _trigger) = Client::secure().handshake().await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request("/healthz")).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
}

#[tokio::test(start_paused = true)]
async fn http_1_1_keeps_the_connection_for_the_next_request() {
    let mut client = Client::plain();
    for _ in 0..2 {
        let head = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        client.stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        client.stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut seen = Vec::new();
        while !seen.ends_with(b"alive\n") {
            seen.push(client.stream.read_u8().await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_is_dropped_by_the_handshakes_limit() {
    let mut client = Client::secure();
    let (said, took) = client.rest().await;
    assert_eq!((said.as_str(), took.as_secs()), ("", Limits::default().handshake_s.into()));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_no_request_follows_is_ended_by_the_heads_limit() {
    let (mut stream, _trigger) = Client::secure().handshake().await;
    let begun = Instant::now();
    // An end that TLS knows of, not a broken connection.
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), u64::from(Limits::default().header_s));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_on_its_way_when_the_drain_starts_is_answered() {
    let (stream, trigger) = Client::secure().handshake().await;
    trigger.start();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(sender.send_request(request("/healthz")).await.unwrap().status().as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_dropped_by_its_limit() {
    let mut client = Client::plain();
    client.stream.write_all(b"GET / HTTP/1.1\r\nhost: www.foo").await.unwrap();
    let (said, took) = client.rest().await;
    assert!(took.as_secs() <= u64::from(Limits::default().header_s) + 1, "{took:?}: {said}");
}

#[tokio::test(start_paused = true)]
async fn a_later_head_has_its_own_time_and_an_idle_connection_more() {
    let limits = Limits::default();
    let ask = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let mut client = Client::plain();
    client.stream.write_all(ask.as_bytes()).await.unwrap();
    let (_, took) = client.rest().await;
    assert_eq!(took.as_secs(), u64::from(limits.idle_s));
    let mut client = Client::plain();
    client.stream.write_all(ask.as_bytes()).await.unwrap();
    let pause = u64::from(limits.header_s) * 2;
    tokio::time::sleep(Duration::from_secs(pause)).await;
    client.stream.write_all(b"GET / HT").await.unwrap();
    let (said, took) = client.rest().await;
    assert_eq!((said.matches("HTTP/1.1 200 OK").count(), took.as_secs()), (1, u64::from(limits.header_s)));
}

#[tokio::test(start_paused = true)]
async fn half_a_request_that_came_early_is_kept_through_a_silence() {
    let ask = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let (half, rest) = ask.split_at(20);
    let mut client = Client::plain();
    client.stream.write_all(format!("{ask}{half}").as_bytes()).await.unwrap();
    tokio::time::sleep(SILENCE).await;
    client.stream.write_all(rest.as_bytes()).await.unwrap();
    let (said, _) = client.rest().await;
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 2, "{said}");
}

#[tokio::test(start_paused = true)]
async fn the_drain_closes_a_silent_http_1_1_connection_at_once() {
    let mut client = Client::plain();
    let ask = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    client.stream.write_all(ask.as_bytes()).await.unwrap();
    tokio::time::sleep(SILENCE).await;
    client.trigger.start();
    let (said, took) = client.rest().await;
    assert_eq!((said.matches("HTTP/1.1 200 OK").count(), took.as_secs()), (1, 0), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_answered_408() {
    let mut client = Client::plain();
    let head = "POST /login HTTP/1.1\r\nhost: www.foobar.com\r\ncontent-length: 9\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\ntitle=";
    client.stream.write_all(head.as_bytes()).await.unwrap();
    let (said, took) = client.rest().await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    assert!(took.as_secs() <= u64::from(Limits::default().request_s) + 5, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_overlong_head_is_answered_431() {
    let mut client = Client::plain();
    let head = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nx: {}\r\n\r\n", "a".repeat(30 * 1024));
    client.stream.write_all(head.as_bytes()).await.unwrap();
    assert!(client.rest().await.0.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_limit_is_answered_although_nobody_reads_it() {
    let mut client = Client::plain();
    let body = "title=".to_owned() + &"a".repeat(4 << 20);
    let head = format!(
        "POST /login HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n",
        body.len()
    );
    client.stream.write_all(head.as_bytes()).await.unwrap();
    client.stream.write_all(body.as_bytes()).await.unwrap();
    assert!(client.rest().await.0.starts_with("HTTP/1.1 413 "));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_not_http_are_answered_400() {
    let mut client = Client::plain();
    client.stream.write_all(b"\x16\x03\x01\x02\x00\r\n\r\n").await.unwrap();
    assert!(client.rest().await.0.starts_with("HTTP/1.1 400 "));
}

#[tokio::test(start_paused = true)]
async fn an_idle_http_2_connection_is_closed_politely() {
    let (stream, _trigger) = Client::secure().handshake().await;
    let (sender, connection) = hyper::client::conn::http2::handshake::<_, _, Empty<&[u8]>>(
        TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .unwrap();
    let begun = Instant::now();
    connection.await.unwrap();
    let limit_s = u64::from(Limits::default().idle_s);
    assert!((limit_s..=limit_s + 3).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn the_drain_closes_an_idle_connection_at_once() {
    let (stream, trigger) = Client::secure().handshake().await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    sender.send_request(request("/healthz")).await.unwrap();
    let begun = Instant::now();
    trigger.start();
    connection.await.unwrap().unwrap();
    assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_drain_finishes_the_request_that_was_begun() {
    let mut client = Client::plain();
    let head = "POST /login HTTP/1.1\r\nhost: www.foobar.com\r\ncontent-length: 17\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\n";
    client.stream.write_all(head.as_bytes()).await.unwrap();
    tokio::task::yield_now().await;
    client.trigger.start();
    tokio::task::yield_now().await;
    client.stream.write_all(b"name=a&password=b").await.unwrap();
    // The database is away: 503 is the answer of the site itself, after the whole body.
    let (said, _) = client.rest().await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("connection: close"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_so_many_streams_at_once_and_no_more() {
    let (mut stream, _trigger) = Client::secure().handshake().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let (kind, _, settings) = next_frame(&mut stream).await;
    let most = Limits::default().streams;
    // SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, 6.5.2).
    let told = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).map(|setting| setting[2..].to_vec());
    assert_eq!((kind, told), (4, Some(most.to_be_bytes().to_vec())));
    stream.write_all(&frame(4, 1, 0, &[])).await.unwrap();
    for number in 0..=most {
        stream.write_all(&form(2 * number + 1, "/login")).await.unwrap();
    }
    let refused = loop {
        let (kind, of, payload) = next_frame(&mut stream).await;
        if kind == 3 {
            break (of, payload);
        }
        assert_ne!(kind, 7, "the connection is ended: {payload:?}");
    };
    // RST_STREAM with REFUSED_STREAM: the client may send it again (RFC 9113, 8.7).
    assert_eq!(refused, (2 * most + 1, vec![0, 0, 0, 7]));
}

/// Sends `drop` every second until the service hangs up; how long that took.
async fn trickle(stream: &mut TlsStream<DuplexStream>, drop: &[u8]) -> Duration {
    repeat(stream, drop, Duration::from_secs(1)).await
}

/// The same, so often, and for two minutes at most.
async fn repeat(stream: &mut TlsStream<DuplexStream>, drop: &[u8], pause: Duration) -> Duration {
    let begun = Instant::now();
    let mut answers = [0; 4096];
    loop {
        let next = Instant::now() + pause;
        if begun.elapsed().as_secs() >= 120 || stream.write_all(drop).await.is_err() {
            return begun.elapsed();
        }
        while let Ok(read) = tokio::time::timeout_at(next, stream.read(&mut answers)).await {
            if read.is_err() || read.is_ok_and(|bytes| bytes == 0) {
                return begun.elapsed();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickled_http_2_head_keeps_no_connection() {
    let (mut stream, _trigger) = Client::secure().handshake().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    // HEADERS of a kilobyte on stream 1, of which a byte comes each second.
    stream.write_all(&frame(1, 4, 1, &[0; 1024])[..9]).await.unwrap();
    let took = trickle(&mut stream, &[0]).await;
    assert!(took.as_secs() <= u64::from(Limits::default().idle_s) + 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn pings_alone_keep_no_http_2_connection() {
    let (mut stream, _trigger) = Client::secure().handshake().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let took = trickle(&mut stream, &frame(6, 0, 0, &[0; 8])).await;
    assert!(took.as_secs() <= u64::from(Limits::default().idle_s) + 4, "{took:?}");
}

/// PING (RFC 9113, 6.7), so many at once.
fn pings(number: usize) -> Vec<u8> {
    frame(6, 0, 0, &[0; 8]).repeat(number)
}

#[tokio::test(start_paused = true)]
async fn pings_keep_no_http_2_connection_however_many() {
    // Singly, and so many that the answers to one record are a step of an answer's.
    for (number, pause_ms) in [(1, 10), (960, 1000), (2000, 1000)] {
        let (mut stream, _trigger) = Client::secure().handshake().await;
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        let took = repeat(&mut stream, &pings(number), Duration::from_millis(pause_ms)).await;
        assert!(took.as_secs() <= u64::from(Limits::default().idle_s) + 4, "{number}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pings_keep_no_http_2_connection_whose_answers_are_not_taken() {
    let (mut stream, _trigger) = Client::secure().handshake().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&closed_window()).await.unwrap();
    stream.write_all(&get(1, "/robots.txt")).await.unwrap();
    let took = repeat(&mut stream, &pings(40), Duration::from_millis(100)).await;
    assert!(took.as_secs() <= u64::from(Limits::default().idle_s) + 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_that_gets_on_keeps_its_connection() {
    let limit_s = u64::from(Limits::default().idle_s);
    let client = Client::over(|limits, drain, tls| {
        Connection::secure(tls, Arc::new(Large), limits, drain, Arc::default())
    });
    let (mut stream, _trigger) = client.handshake().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&closed_window()).await.unwrap();
    stream.write_all(&get(1, "/")).await.unwrap();
    let begun = Instant::now();
    for _ in 0..3 {
        // WINDOW_UPDATE (RFC 9113, 6.9), and the client takes what that allows.
        stream.write_all(&frame(8, 0, 1, &16_500_u32.to_be_bytes())).await.unwrap();
        let mut taken = 0;
        while taken < 16_500 {
            let (kind, _, payload) = next_frame(&mut stream).await;
            taken += if kind == 0 { payload.len() } else { 0 };
        }
        tokio::time::sleep(Duration::from_secs(limit_s - 5)).await;
    }
    assert!(begun.elapsed().as_secs() > 2 * limit_s);
    stream.write_all(&frame(8, 0, 1, &10_u32.to_be_bytes())).await.unwrap();
    while next_frame(&mut stream).await.0 != 0 {}
}
