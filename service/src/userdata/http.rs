//! One request to a metadata server, in plain HTTP as all clouds have it, on a connection of its own.
//!
//! It follows no redirect: user-data come from the cloud's own address or not at all. Invariant: no answer is larger than a boot
//! disk's configuration may be, and no step takes longer than [`TIMEOUT`].

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// A metadata server answers within the host; a busy one is asked again.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The loader's own limit for a configuration.
const LIMIT_BYTES: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nobody is reached.
    #[error("the metadata server is not reached")]
    Unreached(#[source] std::io::Error),
    /// The answer breaks off, or is no HTTP.
    #[error("the metadata server's answer is broken")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing within the time.
    #[error("the metadata server does not answer in time")]
    Late,
    /// An answer, but not the wanted one.
    #[error("the metadata server answers {0}")]
    Status(u16),
    /// A token that is no text.
    #[error("the metadata server's token is no text")]
    NotText,
}

/// The body of the answer 200 to one request.
pub(super) async fn send(
    method: &str,
    server: &str,
    path: &str,
    header: Option<(&str, &str)>,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    tokio::time::timeout(TIMEOUT, exchange(method, server, path, header)).await.map_err(|_| Fault::Late)?
}

async fn exchange(
    method: &str,
    server: &str,
    path: &str,
    header: Option<(&str, &str)>,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let stream = TcpStream::connect(server).await.map_err(Fault::Unreached)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header(http::header::HOST, server);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(broken)?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LIMIT_BYTES).collect().await.map_err(Fault::Broken);
    connection.abort();
    match status {
        200 => Ok(Zeroizing::new(body?.to_bytes().to_vec())),
        other => Err(Fault::Status(other)),
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::Broken(Box::new(error))
}
