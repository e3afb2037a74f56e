//! A client of rustls's own at the other end of a stream in memory, and bytes that no client sends.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::{prop_assert, proptest};
use tls::authority::Authority;
use tls::rustls::pki_types::{ServerName, UnixTime};
use tls::rustls::version::{TLS12, TLS13};
use tls::rustls::{AlertDescription, ClientConfig, Error, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Greeting, INCOMING_MAX, Secured};

const HOST: &str = "www.foobar.com";
/// A stream's room that holds every message of a handshake.
const WIDE: usize = 64 * 1024;
/// One that cuts every record.
const NARROW: usize = 7;
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends' configurations.
fn configs(version: &'static SupportedProtocolVersion) -> Result<(Arc<ServerConfig>, ClientConfig)> {
    let authority = Authority::open(tempfile::tempdir()?.path())?;
    let issued = authority.issue(&[HOST], 1)?;
    let identity =
        tls::Identity::from_pem(&issued.certificate_chain, &issued.private_key, &[HOST], UnixTime::now())?;
    let presented = tls::Presented::default();
    presented.set(&[identity]);
    let mut client = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[version])?
        .with_root_certificates(tls::client::root_store(authority.certificate_pem())?)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((tls::server::config(&presented, &tls::Tickets::new()?)?, client))
}

async fn accept(
    mut stream: DuplexStream,
    config: Arc<ServerConfig>,
) -> std::io::Result<Box<Secured<DuplexStream>>> {
    let greeting = Greeting::read(&mut stream).await?;
    Secured::accept(stream, greeting, config).await
}

/// Both ends of a connection whose handshake is over.
async fn connected() -> Result<(Box<Secured<DuplexStream>>, TlsStream<DuplexStream>)> {
    let (server, client) = configs(&TLS13)?;
    let (near, far) = duplex(WIDE);
    let connector = TlsConnector::from(Arc::new(client));
    let (secured, client) =
        tokio::join!(accept(near, server), connector.connect(ServerName::try_from(HOST)?, far));
    Ok((secured?, client?))
}

/// Says so many bytes and hears them again; each end is busy with its own part.
async fn echo(version: &'static SupportedProtocolVersion, room: usize, length: u32) -> Result<()> {
    let said: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    let (server, client) = configs(version)?;
    let (near, far) = duplex(room);
    let answer = async {
        let mut secured = accept(near, server).await?;
        let mut heard = vec![0; said.len()];
        secured.read_exact(&mut heard).await?;
        secured.write_all(&heard).await?;
        secured.flush().await?;
        anyhow::Ok(secured)
    };
    let ask = async {
        let name = ServerName::try_from(HOST)?;
        let mut client = TlsConnector::from(Arc::new(client)).connect(name, far).await?;
        client.write_all(&said).await?;
        client.flush().await?;
        let mut heard = vec![0; said.len()];
        client.read_exact(&mut heard).await?;
        anyhow::Ok(heard)
    };
    let (answered, heard) = tokio::join!(answer, ask);
    answered?;
    assert_eq!(heard?, said);
    Ok(())
}

#[tokio::test]
async fn what_is_said_arrives_whole_in_pieces_of_any_size() -> Result<()> {
    for version in [&TLS13, &TLS12] {
        for (room, length) in [(NARROW, 20_000), (WIDE, 200_000)] {
            tokio::time::timeout(PATIENCE, echo(version, room, length)).await??;
        }
    }
    Ok(())
}

#[tokio::test]
async fn pieces_fill_records_together() -> Result<()> {
    let (mut secured, mut client) = connected().await?;
    let (head, body) = (vec![b'h'; 300], vec![b'b'; 40_000]);
    let pieces = [std::io::IoSlice::new(&head), std::io::IoSlice::new(&body)];
    assert_eq!(secured.write_vectored(&pieces).await?, 40_300);
    secured.flush().await?;
    let mut heard = vec![0; 40_300];
    client.read_exact(&mut heard).await?;
    assert_eq!(heard, [head, body].concat());
    Ok(())
}

#[tokio::test]
async fn between_records_nothing_is_held() -> Result<()> {
    let (mut secured, mut client) = connected().await?;
    for _ in 0..2 {
        client.write_all(b"ask").await?;
        client.flush().await?;
        let mut heard = [0; 3];
        secured.read_exact(&mut heard).await?;
        secured.write_all(b"answer").await?;
        secured.flush().await?;
        client.read_exact(&mut [0; 6]).await?;
        let held = [&secured.incoming, &secured.plain, &secured.outgoing].map(Vec::capacity);
        assert_eq!(held, [0; 3]);
    }
    Ok(())
}

#[tokio::test]
async fn new_keys_are_taken_and_given() -> Result<()> {
    let (mut secured, mut client) = connected().await?;
    for _ in 0..3 {
        client.get_mut().1.refresh_traffic_keys()?;
        client.write_all(b"ask").await?;
        client.flush().await?;
        secured.read_exact(&mut [0; 3]).await?;
        secured.write_all(b"answer").await?;
        secured.flush().await?;
        client.read_exact(&mut [0; 6]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_goodbye_ends_reading_but_not_writing() -> Result<()> {
    let (mut secured, mut client) = connected().await?;
    client.get_mut().1.send_close_notify();
    client.flush().await?;
    assert_eq!(secured.read(&mut [0; 1]).await?, 0);
    secured.write_all(b"answer").await?;
    secured.shutdown().await?;
    let mut heard = String::new();
    // It ends without an error: our goodbye came too.
    client.read_to_string(&mut heard).await?;
    assert_eq!(heard, "answer");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_cut_is_no_end() -> Result<()> {
    let (mut secured, mut client) = connected().await?;
    client.write_all(b"ask").await?;
    client.flush().await?;
    drop(client);
    let error = secured.read_to_end(&mut Vec::new()).await.err().context("an end")?;
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    Ok(())
}

#[tokio::test]
async fn a_client_is_told_why_it_is_refused() -> Result<()> {
    let (server, mut client) = configs(&TLS13)?;
    client.alpn_protocols = vec![b"ftp".to_vec()];
    let (near, far) = duplex(WIDE);
    let connector = TlsConnector::from(Arc::new(client));
    let (accepted, connected) =
        tokio::join!(accept(near, server), connector.connect(ServerName::try_from(HOST)?, far));
    assert!(accepted.is_err());
    let error = connected.err().context("it was accepted")?;
    let told = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    assert_eq!(told, Some(&Error::AlertReceived(AlertDescription::NoApplicationProtocol)));
    Ok(())
}

#[tokio::test]
async fn a_record_that_was_changed_ends_the_connection_with_an_alert() -> Result<()> {
    let (mut secured, client) = connected().await?;
    let (mut stream, mut session) = client.into_inner();
    let mut record = Vec::new();
    std::io::Write::write_all(&mut session.writer(), b"ask")?;
    session.write_tls(&mut record)?;
    *record.last_mut().context("no record")? ^= 1;
    stream.write_all(&record).await?;
    assert!(secured.read(&mut [0; 3]).await.is_err());
    let told = loop {
        let mut told = Vec::new();
        assert!(stream.read_buf(&mut told).await? > 0, "it was told nothing");
        session.read_tls(&mut told.as_slice())?;
        if let Err(error) = session.process_new_packets() {
            break error;
        }
    };
    assert_eq!(told, Error::AlertReceived(AlertDescription::BadRecordMac));
    Ok(())
}

/// Gives bytes to a server, and what it says back to nobody. Ends when the server has enough of them.
async fn bear(config: Arc<ServerConfig>, bytes: &[u8]) -> usize {
    let (near, mut far) = duplex(4 * 1024 * 1024);
    let mut held = 0;
    let heard = async {
        if let Ok(mut secured) = accept(near, config).await {
            let mut room = [0; 4096];
            while secured.read(&mut room).await.is_ok_and(|read| read > 0) {
                held = held.max(secured.incoming.len() + secured.outgoing.len());
            }
        }
    };
    let said = async {
        let _ = far.write_all(bytes).await;
        let _ = far.shutdown().await;
    };
    tokio::join!(heard, said);
    held
}

/// A server's configuration, and what a client sends it first.
fn greeted() -> Result<(Arc<ServerConfig>, Vec<u8>)> {
    let (server, client) = configs(&TLS13)?;
    let mut client = tls::rustls::ClientConnection::new(Arc::new(client), ServerName::try_from(HOST)?)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok((server, hello))
}

static GREETED: LazyLock<(Arc<ServerConfig>, Vec<u8>)> = LazyLock::new(|| greeted().unwrap());

proptest! {
    #[test]
    fn no_bytes_end_in_a_panic(noise in vec(any::<u8>(), 0..2000), changed: Index, bits in 1..=255_u8, cut: Index) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (server, hello) = &*GREETED;
        let mut damaged = hello.clone();
        damaged[changed.index(hello.len())] ^= bits;
        let cut = [&hello[..cut.index(hello.len())], &noise].concat();
        for bytes in [noise.clone(), damaged, cut, [hello.clone(), noise].concat()] {
            let held = runtime.block_on(bear(Arc::clone(server), &bytes));
            prop_assert!(held <= INCOMING_MAX);
        }
    }
}
