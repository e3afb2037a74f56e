//! One DNS message to one server and its answer, over TCP (RFC 7766: every server speaks it; no answer is cut short or forged
//! from off the path).
//!
//! It knows no names. Invariant: no exchange takes longer than [`TIMEOUT`] a step, and an answer has the question's id.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hickory_proto::op::Message;

/// Name servers answer in milliseconds; a continent away, in a third of a second.
const TIMEOUT: Duration = Duration::from_secs(3);

/// An open connection to a server.
pub(super) struct Wire {
    stream: TcpStream,
    address: SocketAddr,
}

impl Wire {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)
            .with_context(|| format!("the name server at {address} does not answer"))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address })
    }

    /// The answer, parsed and as it came: a signature is over the bytes.
    pub(super) fn exchange(&mut self, question: &Message) -> Result<(Message, Vec<u8>)> {
        let bytes = self.send(&question.to_vec()?);
        let bytes = bytes.with_context(|| format!("the name server at {} broke off", self.address))?;
        let answer = Message::from_vec(&bytes)
            .with_context(|| format!("the name server at {} sent no DNS message", self.address))?;
        ensure!(answer.id == question.id, "the name server at {} answers another question", self.address);
        Ok((answer, bytes))
    }

    /// Each message is preceded by its length in two bytes (RFC 1035, 4.2.2).
    fn send(&mut self, question: &[u8]) -> Result<Vec<u8>> {
        let mut framed = u16::try_from(question.len())?.to_be_bytes().to_vec();
        framed.extend_from_slice(question);
        self.stream.write_all(&framed)?;
        let mut length = [0; 2];
        self.stream.read_exact(&mut length)?;
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        self.stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}
