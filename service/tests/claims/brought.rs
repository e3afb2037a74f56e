//! A certificate that the configuration file brings: judged at start, and again when the file changes.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use db::Database;
use service::certificates::Certificates;
use service::server::Server;
use tempfile::TempDir;
use tls::authority::{Authority, Issued};
use tls::rustls::ClientConfig;
use tls::rustls::pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::fixture::{CONFIG, HOST};

const DAY_S: u64 = 86_400;

/// A file that brings certificates of this authority's.
struct File {
    folder: TempDir,
    authority: Authority,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(&folder.path().join("ca")).unwrap();
        Self { folder, authority }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn write(&self, chain: &str, key: &str) {
        let quoted = |text: &str| format!("'''\n{text}'''");
        let text = CONFIG.replace("\"chain\"", &quoted(chain)).replace("\"open sesame\"", &quoted(key));
        std::fs::write(self.path(), text.replacen("[tls]", "[tls]\npoll_s = 1", 1)).unwrap();
    }

    fn bring(&self, issued: &Issued) {
        self.write(&issued.certificate_chain, &issued.private_key);
    }

    fn client(&self) -> Arc<ClientConfig> {
        tls::client::config(self.authority.certificate_pem(), &[b"http/1.1"]).unwrap()
    }
}

/// An error and what caused it, as the program says them.
async fn refused(path: &Path) -> String {
    let error = Server::bind(Config::read(path).unwrap()).await.expect_err("it starts");
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[tokio::test]
async fn what_is_not_fit_is_refused_at_start_with_the_file_and_the_reason() {
    let file = File::new();
    let from = |from_s: u64| {
        file.authority.issue_from(&[HOST], UnixTime::since_unix_epoch(Duration::from_secs(from_s)), 5)
    };
    let now_s = UnixTime::now().as_secs();
    let good = file.authority.issue(&[HOST], 5).unwrap();
    let another = file.authority.issue(&[HOST], 5).unwrap();
    let elsewhere = file.authority.issue(&["www.example.com"], 5).unwrap();
    let sealed = good.private_key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let (over, early) = (from(now_s - 9 * DAY_S).unwrap(), from(now_s + DAY_S).unwrap());
    let (chain, key) = (&good.certificate_chain, &good.private_key);
    for (chain, key, reason) in [
        (&over.certificate_chain, &over.private_key, "expired"),
        (&early.certificate_chain, &early.private_key, "valid only in"),
        (&elsewhere.certificate_chain, &elsewhere.private_key, "www.example.com"),
        (chain, &another.private_key, "key"),
        (chain, &sealed, "encrypted"),
        (chain, &"garbage".to_owned(), "key"),
        (&"garbage".to_owned(), key, "certificate"),
    ] {
        file.write(chain, key);
        let told = refused(&file.path()).await;
        assert!(
            told.contains(&file.path().display().to_string()) && told.contains(reason),
            "{reason}: {told}"
        );
        let secret = key.lines().nth(1).unwrap_or("garbage");
        assert!(!told.contains(secret), "{told}");
    }
    file.bring(&good);
    assert!(Server::bind(Config::read(&file.path()).unwrap()).await.is_ok());
}

type Ends = (client::TlsStream<DuplexStream>, server::TlsStream<DuplexStream>);

/// A new connection, which verifies what is presented.
async fn connect(certificates: &Certificates, client: &Arc<ClientConfig>) -> Ends {
    let (near, far) = tokio::io::duplex(1 << 16);
    let acceptor = TlsAcceptor::from(certificates.server_config().unwrap());
    let connector = TlsConnector::from(Arc::clone(client));
    let name = ServerName::try_from(HOST).unwrap();
    tokio::try_join!(connector.connect(name, near), acceptor.accept(far)).unwrap()
}

fn shown((client, _): &Ends) -> Vec<u8> {
    client.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Waits until it is so; time flies where nothing happens.
async fn until(is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_presented_without_a_restart_and_an_unfit_one_never() {
    let file = File::new();
    file.bring(&file.authority.issue(&[HOST], 5).unwrap());
    let config = Config::read(&file.path()).unwrap();
    let certificates = Certificates::new(&config, Database::new(&config)).unwrap();
    let judge = async {
        let client = file.client();
        let mut old = connect(&certificates, &client).await;
        // The first look learns what the file holds.
        tokio::time::sleep(Duration::from_secs(5)).await;
        file.bring(&file.authority.issue(&[HOST], 6).unwrap());
        until(async || shown(&connect(&certificates, &client).await) != shown(&old)).await;
        let new = shown(&connect(&certificates, &client).await);
        old.0.write_all(b"still here").await.unwrap();
        old.0.flush().await.unwrap();
        let mut heard = [0; 10];
        old.1.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"still here");
        file.bring(&file.authority.issue(&["www.example.com"], 5).unwrap());
        until(async || certificates.status().last_error.is_some()).await;
        let told = certificates.status().last_error.unwrap();
        assert!(
            told.contains(&file.path().display().to_string()) && told.contains("www.example.com"),
            "{told}"
        );
        assert_eq!(shown(&connect(&certificates, &client).await), new);
    };
    tokio::select! {
        () = certificates.run() => panic!("it goes on as long as the service runs"),
        () = judge => {}
    }
}
