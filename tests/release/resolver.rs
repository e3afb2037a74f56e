//! A resolver as visitors have one: it asks an authoritative server and keeps the answer for its time to live, not longer and not shorter.
//!
//! It knows A records only. Invariant: an address that is given out was answered by a server within its time to live.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// The box's name servers.
const SERVERS: [[u8; 4]; 2] = [[10, 80, 0, 53], [10, 80, 0, 54]];
const TIMEOUT: Duration = Duration::from_secs(2);

/// One visitor's resolver.
pub(crate) struct Resolver {
    name: String,
    asked: u16,
    kept: Option<(Ipv4Addr, Instant)>,
}

impl Resolver {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), asked: 0, kept: None }
    }

    /// The name's address.
    pub(crate) fn address(&mut self) -> Result<Ipv4Addr> {
        if let Some((address, _)) = self.kept.filter(|(_, until)| *until > Instant::now()) {
            return Ok(address);
        }
        self.asked += 1;
        let server = SERVERS[usize::from(self.asked) % SERVERS.len()];
        let (address, ttl_s) = ask(server.into(), &self.name, self.asked)?;
        self.kept = Some((address, Instant::now() + Duration::from_secs(ttl_s.into())));
        Ok(address)
    }
}

fn ask(server: Ipv4Addr, name: &str, id: u16) -> Result<(Ipv4Addr, u32)> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(SocketAddr::from((server, 53)))?;
    socket.send(&question(name, id))?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).with_context(|| format!("{server} does not answer"))?;
    first_address(&answer[..length], id).with_context(|| format!("{server} has no address of {name}"))
}

/// RFC 1035, 4.1: a header, one question, type A, class IN.
fn question(name: &str, id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// The first answer, whose name is a pointer to the question's: both servers compress.
fn first_address(answer: &[u8], id: u16) -> Result<(Ipv4Addr, u32)> {
    ensure!(answer.get(..2) == Some(&id.to_be_bytes()[..]), "another question's answer");
    let end = answer.iter().skip(12).position(|byte| *byte == 0).context("no question")? + 12 + 5;
    let record = answer.get(end..end + 16).context("no answer")?;
    ensure!(record[0] & 0xc0 == 0xc0 && record[2..4] == [0, 1], "no A record first");
    let ttl_s = u32::from_be_bytes([record[6], record[7], record[8], record[9]]);
    Ok((Ipv4Addr::new(record[12], record[13], record[14], record[15]), ttl_s))
}
