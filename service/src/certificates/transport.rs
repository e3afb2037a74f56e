//! HTTPS to a certificate authority: one request, one connection, everything limited.
//!
//! Invariant: only `https`, only a verified certificate, no redirect, at most 10 s and 256 KiB.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{Method, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tls::acme::{self, Answer, Request, Transport};
use tls::rustls::ClientConfig;
use tls::rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An authority answers within a second; what takes longer comes by polling.
const LIMIT: Duration = Duration::from_secs(10);

/// A chain of certificates has a few KiB.
const BODY_MAX: usize = 256 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Requests to one authority.
pub(super) struct Https {
    tls: Arc<ClientConfig>,
}

impl Https {
    pub(super) fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls }
    }

    async fn exchange(&self, request: Request<'_>) -> Result<Answer, Failure> {
        let uri: Uri = request.url.parse()?;
        let authority =
            uri.authority().filter(|_| uri.scheme_str() == Some("https")).ok_or("no https address")?;
        let (name, port) = (authority.host().to_owned(), authority.port_u16().unwrap_or(443));
        let stream = TcpStream::connect((name.trim_matches(['[', ']']), port)).await?;
        let server = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(server, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // The connection ends with its only request.
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(outgoing(request, &uri)?).await;
        let answer = read(answer?).await;
        connection.abort();
        answer
    }
}

impl Transport for Https {
    async fn send(&self, request: Request<'_>) -> Result<Answer, Failure> {
        tokio::time::timeout(LIMIT, self.exchange(request)).await?
    }
}

fn outgoing(request: Request<'_>, uri: &Uri) -> Result<http::Request<Full<Bytes>>, Failure> {
    let method = match request.method {
        acme::Method::Get => Method::GET,
        acme::Method::Head => Method::HEAD,
        acme::Method::Post => Method::POST,
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut builder = http::Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(ACCEPT, "*/*")
        // RFC 8555, 6.1 asks for one.
        .header(USER_AGENT, concat!("bootstack/", env!("CARGO_PKG_VERSION")));
    if request.method == acme::Method::Post {
        builder = builder.header(CONTENT_TYPE, "application/jose+json");
    }
    Ok(builder.body(Full::new(Bytes::from(request.body)))?)
}

async fn read(response: http::Response<hyper::body::Incoming>) -> Result<Answer, Failure> {
    let (parts, body) = response.into_parts();
    let header =
        |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Answer {
        status: parts.status.as_u16(),
        nonce: header(HeaderName::from_static("replay-nonce")),
        location: header(LOCATION),
        // The form with a date is rare; without a number the usual pause holds.
        retry_after_s: header(RETRY_AFTER).and_then(|value| value.parse().ok()),
        body: Limited::new(body, BODY_MAX).collect().await?.to_bytes().to_vec(),
    })
}
