//! Over real sockets: clients that ask nothing hold no place that a visitor needs.

use std::net::SocketAddr;
use std::time::Duration;

use config::Config;
use edge::drain;
use service::server::Server;
use tls::authority::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fixture::{CONFIG, HOST};

const PLACES: usize = 4;

/// A service with few places, and a client's trust in it.
async fn serve() -> (SocketAddr, drain::Trigger) {
    let folder = tempfile::tempdir().unwrap();
    let issued = Authority::open(folder.path()).unwrap().issue(&[HOST], 1).unwrap();
    let mut config = Config::parse(CONFIG).unwrap();
    config.limits.connections = u32::try_from(PLACES).unwrap();
    config.tls.certificate_chain = Some(issued.certificate_chain);
    config.tls.private_key = Some(toml::Value::String(issued.private_key).try_into().unwrap());
    config.database.ca = Authority::open(folder.path()).unwrap().certificate_pem().to_owned();
    let server = Server::bind(config).await.unwrap();
    let (http, _) = server.addresses().unwrap();
    let (trigger, drain) = drain::channel();
    tokio::spawn(server.run(drain));
    (http, trigger)
}

#[tokio::test]
async fn silent_clients_in_every_place_keep_no_visitor_out() {
    let (address, _trigger) = serve().await;
    let mut silent = Vec::new();
    for _ in 0..PLACES {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut visitor = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    visitor.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    // Well before the silent ones' own limit of ten seconds.
    tokio::time::timeout(Duration::from_secs(6), visitor.read_to_string(&mut said)).await.unwrap().unwrap();
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}
