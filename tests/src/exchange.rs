//! One request and its answer on one connection: connect, TLS, HTTP, close.
//!
//! It judges nothing. Invariant: bounded in time by the request's deadline and in memory by [`BODY_BYTES_MAX`].

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tls::rustls::ClientConfig;
use tls::rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{Answer, Endpoint, Protocol, Request};

/// The largest body read; the site's largest file is far below it.
const BODY_BYTES_MAX: usize = 64 << 20;

/// `offer` is the TLS configuration, or none for plain HTTP.
pub(crate) fn run(
    endpoint: &Endpoint,
    offer: Option<Arc<ClientConfig>>,
    request: &Request,
) -> Result<Answer> {
    let asked = described(endpoint, request);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        tokio::time::timeout(request.deadline, exchange(endpoint, offer, request))
            .await
            .map_err(|_| anyhow!("no answer within {} s", request.deadline.as_secs_f32()))?
    });
    answer.map(|answer| Answer { asked: asked.clone(), ..answer }).context(asked)
}

fn described(endpoint: &Endpoint, request: &Request) -> String {
    let (scheme, address) = match request.protocol {
        Protocol::Plain => ("http", &endpoint.http),
        _ => ("https", &endpoint.https),
    };
    let host = request.authority.as_ref().unwrap_or(&endpoint.host);
    let path: String = request.path.chars().take(120).collect();
    format!("{} {scheme}://{host}{path} at {address}", request.method)
}

async fn exchange(
    endpoint: &Endpoint,
    offer: Option<Arc<ClientConfig>>,
    request: &Request,
) -> Result<Answer> {
    let Some(offer) = offer else {
        return http1(connected(&endpoint.http).await?, endpoint, request).await;
    };
    let name = request.server_name.as_ref().unwrap_or(&endpoint.host);
    let name = ServerName::try_from(name.clone()).with_context(|| format!("{name:?} is no server name"))?;
    let stream = TlsConnector::from(offer).connect(name, connected(&endpoint.https).await?).await;
    let stream = stream.context("TLS handshake")?;
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => http2(stream, endpoint, request).await,
        _ => http1(stream, endpoint, request).await,
    }
}

async fn connected(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("TCP connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn http1(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    endpoint: &Endpoint,
    request: &Request,
) -> Result<Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let host = request.authority.as_ref().unwrap_or(&endpoint.host);
    let mut message = message(request, request.path.parse().context("path")?)?;
    message.headers_mut().insert(http::header::HOST, host.parse().context("Host header")?);
    let answer = collected(sender.send_request(message).await.context("HTTP/1.1")?).await;
    connection.abort();
    answer
}

async fn http2(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    endpoint: &Endpoint,
    request: &Request,
) -> Result<Answer> {
    let executor = TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
        .await
        .context("HTTP/2 handshake")?;
    let connection = tokio::spawn(connection);
    let host = request.authority.as_ref().unwrap_or(&endpoint.host);
    let uri =
        Uri::builder().scheme("https").authority(host.as_str()).path_and_query(&request.path).build()?;
    let answer = collected(sender.send_request(message(request, uri)?).await.context("HTTP/2")?).await;
    connection.abort();
    answer
}

fn message(request: &Request, uri: Uri) -> Result<http::Request<Full<Bytes>>> {
    let mut message = http::Request::builder().method(&request.method).uri(uri);
    for (name, value) in &request.headers {
        message = message.header(name, value);
    }
    message.body(Full::new(request.body.clone())).context("request")
}

async fn collected(response: http::Response<Incoming>) -> Result<Answer> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow!(error)).with_context(|| format!("body after {}", head.status))?;
    Ok(Answer {
        asked: String::new(),
        status: head.status,
        version: head.version,
        headers: head.headers,
        body: body.to_bytes(),
    })
}
