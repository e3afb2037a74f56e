//! Two machines in front of one authority, and what ends in the middle of a handshake.

use std::time::Duration;

use anyhow::ensure;
use service::certificates::Clock;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::authority::{Pebble, Ways};
use super::machine::{Machine, acme, forget_everything, healthy, wait_until};
use crate::fixture::{Fixture, run_for};

/// Two machines, and an authority that looks for answers at the second one.
pub(crate) struct Two {
    pub(crate) pebble: Pebble,
    pub(crate) first: Machine,
    pub(crate) second: Machine,
}

impl Two {
    /// Nothing runs but the authority, and the database is empty.
    pub(crate) async fn new(fixture: &Fixture, ways: &[&str], pebble: Ways) -> anyhow::Result<Self> {
        Self::at(&[0; 2], fixture, ways, pebble).await
    }

    /// The same with clocks that are wrong by so many seconds.
    pub(crate) async fn at(
        wrong_s: &[i64; 2],
        fixture: &Fixture,
        ways: &[&str],
        pebble: Ways,
    ) -> anyhow::Result<Self> {
        forget_everything(fixture).await?;
        // The authority must know the machines' ports, and they its address: one of them comes first with another's.
        let second = Reserved::new()?;
        let pebble = Pebble::start(second.http, second.https, pebble).await?;
        let config = fixture.config_with(acme(&[(pebble.directory(), pebble.roots.clone())], ways), &[]);
        let first = Machine::new(&config, Clock::wrong_by(wrong_s[0])).await?;
        let second = Machine::new(&second.listening(config), Clock::wrong_by(wrong_s[1])).await?;
        Ok(Self { pebble, first, second })
    }

    /// Both run, and both present the first certificate.
    pub(crate) async fn issued(fixture: &Fixture, pebble: Ways) -> anyhow::Result<Self> {
        let mut two = Self::new(fixture, &["http-01", "tls-alpn-01"], pebble).await?;
        two.second.run();
        two.first.run();
        two.both_present(0).await?;
        Ok(two)
    }

    /// Waits until both present a certificate that is newer than this.
    pub(crate) async fn both_present(&self, beyond: u64) -> anyhow::Result<u64> {
        let generation = self.first.presents(beyond).await?;
        self.second.presents(generation - 1).await
    }
}

/// Ports that are free now.
struct Reserved {
    http: u16,
    https: u16,
}

impl Reserved {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { http: super::machine::free_port()?, https: super::machine::free_port()? })
    }

    fn listening(&self, mut config: config::Config) -> config::Config {
        config.listen.http.set_port(self.http);
        config.listen.https.set_port(self.https);
        config
    }
}

const BROKEN: usize = 10_000;

/// Ten thousand handshakes that are cut, garbled or overlong: the machine lives, and needs no more memory than before.
pub(crate) fn broken_handshakes_leave_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run_for(Duration::from_secs(300), async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let port = two.first.https.port();
        // What the first thousand leave (buffers of the allocator, tables that have grown) is no leak.
        break_off(port, BROKEN / 10).await?;
        let before_kib = resident_kib()?;
        break_off(port, BROKEN).await?;
        let root = two.pebble.root().await?;
        healthy(&two.first, &root).await?;
        wait_until(Duration::from_secs(20), async || Ok(resident_kib()? < before_kib + 4096)).await?;
        Ok(())
    })
}

async fn break_off(port: u16, times: usize) -> anyhow::Result<()> {
    let hello = hello()?;
    for round in 0..times {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let bytes = broken(&hello, round);
        // A refusal may come while this is still being written.
        let _ = stream.write_all(&bytes).await;
        if round % 3 == 0 {
            stream.set_zero_linger()?;
        }
    }
    Ok(())
}

/// In turns: cut anywhere, one byte flipped, a record of the greatest length that never ends, no TLS at all.
fn broken(hello: &[u8], round: usize) -> Vec<u8> {
    match round % 4 {
        0 => hello[..round / 4 % hello.len()].to_vec(),
        1 => {
            let mut bytes = hello.to_vec();
            bytes[round / 4 % hello.len()] ^= 1 << (round % 8);
            bytes
        }
        2 => [&[22, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff][..], &[0; 2048]].concat(),
        _ => b"GET / HTTP/1.1\r\nhost: www.foobar.com\r\n\r\n".to_vec(),
    }
}

/// The first bytes of an honest client.
fn hello() -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let ca = tls::authority::Authority::open(folder.path())?;
    let client = tls::client::config(ca.certificate_pem(), &tls::ALPN)?;
    let name = tls::rustls::pki_types::ServerName::try_from("www.foobar.com")?;
    let mut client = tls::rustls::ClientConnection::new(client, name)?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes)?;
    ensure!(bytes.len() > 100, "a hello of {} bytes", bytes.len());
    Ok(bytes)
}

/// This process's memory: machines and visitors.
fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.unwrap_or_default().parse()?)
}
