//! TLS over a stream, on rustls's unbuffered connection: what lies between records takes no memory.
//!
//! rustls's buffered connection, which tokio-rustls drives, keeps 4 KiB of ciphertext for as long as a connection lives:
//! near half of what an idle one costs. Here a record is read onto the stack and decrypted there, and only what is not whole
//! yet, not read yet or not sent yet is kept.
//! Invariant: nobody can make a buffer grow: what is incoming is bounded, plaintext is read before more is received, and
//! ciphertext is sent before more is made.

use std::future::poll_fn;
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tls::rustls::server::{Acceptor, ServerConnectionData, UnbufferedServerConnection};
use tls::rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, WriteTraffic};
use tls::rustls::{Error, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use crate::awaited::Awaited;
use crate::ciphertext::{self, Share};

/// What is read at once, in bytes: as much as a record carries.
const READ: usize = FRAGMENT;

/// What a record carries at most (RFC 8446, 5.1), in bytes.
const FRAGMENT: usize = 1 << 14;

/// What a record adds to what it carries, in bytes: its header (5), a nonce (8, TLS 1.2 alone), the type (1, TLS 1.3
/// alone) and the tag (16). rustls says so if it is too little.
const OVERHEAD: usize = 32;

/// Ciphertext that is not whole yet, in bytes. rustls takes handshake messages of up to 64 KiB, in records of any size.
const INCOMING_MAX: usize = 128 * 1024;

/// The beginning of a handshake.
pub(crate) struct Greeting {
    /// Everything that was read.
    received: Vec<u8>,
    /// The name that an authority asks to prove (tls-alpn-01); `None` for a visitor.
    pub(crate) challenged: Option<String>,
}

impl Greeting {
    /// Reads the first message of a client.
    ///
    /// # Errors
    /// When the stream fails or ends, or when its bytes are no such message, which it is told.
    pub(crate) async fn read<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<Self> {
        let mut acceptor = Acceptor::default();
        let mut received = Vec::new();
        loop {
            let known = received.len();
            if stream.read_buf(&mut received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut new = &received[known..];
            while !new.is_empty() {
                acceptor.read_tls(&mut new)?;
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let asks =
                        hello.alpn().is_some_and(|mut offered| offered.any(|name| name == tls::acme::ALPN));
                    let challenged = asks.then(|| hello.server_name().unwrap_or_default().to_owned());
                    return Ok(Self { received, challenged });
                }
                Err((error, mut alert)) => {
                    let mut told = Vec::new();
                    alert.write_all(&mut told)?;
                    stream.write_all(&told).await?;
                    return Err(invalid(error));
                }
            }
        }
    }
}

/// What to say once the session can.
#[derive(Clone, Copy)]
enum Say<'a> {
    Nothing,
    Data(&'a [u8]),
    /// That nothing more follows (`close_notify`).
    Goodbye,
}

/// A stream whose handshake is over.
pub(crate) struct Secured<S> {
    stream: S,
    session: UnbufferedServerConnection,
    /// Ciphertext of a record that is not whole.
    incoming: Vec<u8>,
    /// What was decrypted, and how much of it was read.
    plain: Vec<u8>,
    read: usize,
    /// Ciphertext, and how much of it was sent.
    outgoing: Vec<u8>,
    sent: usize,
    share: Share,
    /// The client said that nothing more follows.
    is_over: bool,
    is_goodbye_said: bool,
    /// An error ended the session: rustls must not be asked again.
    is_broken: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Secured<S> {
    /// Makes the handshake that was begun.
    ///
    /// # Errors
    /// When the stream fails or ends, or when the client and the configuration do not agree, which it is told.
    pub(crate) async fn accept(
        stream: S,
        greeting: Greeting,
        config: Arc<ServerConfig>,
    ) -> io::Result<Box<Self>> {
        let mut secured = Box::new(Self {
            stream,
            session: UnbufferedServerConnection::new(config).map_err(invalid)?,
            incoming: greeting.received,
            plain: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            sent: 0,
            share: Share::default(),
            is_over: false,
            is_goodbye_said: false,
            is_broken: false,
        });
        if let Err(error) = secured.say(Say::Nothing) {
            poll_fn(|cx| secured.poll_send(cx)).await?;
            return Err(error);
        }
        // Its last words are sent by whoever uses it next: a client that does not wait for tickets is served at once.
        while secured.session.is_handshaking() {
            poll_fn(|cx| secured.poll_receive(cx)).await?;
        }
        Ok(secured)
    }

    /// What was agreed on to be spoken.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    /// Until there is something to read, or there will be no more.
    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.plain.is_empty() && !self.is_over {
            ready!(self.poll_receive(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// One piece from the stream, and whatever answers it.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The session's own words (a ticket, a new key) wait for nobody's write. Who hears nothing any more may still have
        // said something.
        let _ = self.poll_send(cx);
        let mut room = [MaybeUninit::uninit(); READ];
        let mut piece = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        if piece.filled().is_empty() {
            // Without a goodbye somebody else may have cut it.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let received = self.receive(piece.filled_mut());
        if received.is_err() {
            let _ = self.poll_send(cx);
        }
        Poll::Ready(received)
    }

    /// Takes ciphertext: what is whole is decrypted, the rest kept.
    fn receive(&mut self, piece: &mut [u8]) -> io::Result<()> {
        if !self.incoming.is_empty() {
            self.incoming.try_reserve(piece.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
            self.incoming.extend_from_slice(piece);
            return self.say(Say::Nothing);
        }
        let (used, result) = self.process(piece, Say::Nothing);
        self.incoming = piece[used..].to_vec();
        self.judge(result)
    }

    /// Says something, after whatever the session has to say itself.
    fn say(&mut self, say: Say<'_>) -> io::Result<()> {
        let mut incoming = mem::take(&mut self.incoming);
        let (used, result) = self.process(&mut incoming, say);
        if used < incoming.len() {
            incoming.drain(..used);
            self.incoming = incoming;
        }
        self.judge(result)
    }

    /// Ends the session with an error, which the client is told as far as rustls has words for it.
    fn judge(&mut self, result: Result<(), Error>) -> io::Result<()> {
        if let Err(error) = result {
            self.is_broken = true;
            while self.session.wants_write() {
                let status = self.session.process_tls_records(&mut self.incoming);
                let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { break };
                append(&mut self.outgoing, 0, |room| Ok(data.encode(room)?)).map_err(invalid)?;
            }
            return Err(invalid(error));
        }
        if self.incoming.len() > INCOMING_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that never ends"));
        }
        Ok(())
    }

    /// Drives the session until it needs more, and tells how much it has used.
    fn process(&mut self, received: &mut [u8], say: Say<'_>) -> (usize, Result<(), Error>) {
        if self.is_broken {
            return (0, Err(Error::General("an error ended the session before".to_owned())));
        }
        let mut used = 0;
        loop {
            let status = self.session.process_tls_records(&mut received[used..]);
            let mut discard = status.discard;
            let result = match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        self.plain.extend_from_slice(record.payload);
                    }
                    None
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, 0, |room| Ok(data.encode(room)?)).err().map(Err)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.is_over = true;
                    None
                }
                Ok(ConnectionState::WriteTraffic(traffic)) => Some(speak(traffic, say, &mut self.outgoing)),
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => Some(Ok(())),
                Ok(_) => Some(Err(Error::General("an unexpected state".to_owned()))),
                Err(error) => Some(Err(error)),
            };
            used += discard;
            if let Some(result) = result {
                return (used, result);
            }
        }
    }

    /// Until all ciphertext is sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            let rest = &self.outgoing[self.sent..];
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        self.outgoing = Vec::new();
        self.sent = 0;
        self.share.set(0);
        Poll::Ready(Ok(()))
    }

    /// Encrypts what the caller has, once the ciphertext before is sent.
    fn poll_say(
        &mut self,
        cx: &mut Context<'_>,
        encrypt: impl FnOnce(&mut Self) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let taken = encrypt(self)?;
        self.share.set(self.outgoing.len());
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What the stream does not take now goes with the next flush.
            _ => Poll::Ready(Ok(taken)),
        }
    }

    /// Encrypts several pieces as one: records are filled across them.
    fn say_all(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let (most, mut taken, mut gathered) = (ciphertext::piece(), 0, Vec::new());
        for piece in pieces {
            let mut rest = &piece[..piece.len().min(most - taken)];
            taken += rest.len();
            if !gathered.is_empty() {
                let (fits, beyond) = rest.split_at(rest.len().min(FRAGMENT - gathered.len()));
                gathered.extend_from_slice(fits);
                rest = beyond;
                if gathered.len() == FRAGMENT {
                    self.say(Say::Data(&gathered))?;
                    gathered.clear();
                }
            }
            // Behind the last byte that fits, there is nothing to fill a record with.
            let part = if taken == most { 0 } else { rest.len() % FRAGMENT };
            let (whole, part) = rest.split_at(rest.len() - part);
            if !whole.is_empty() {
                self.say(Say::Data(whole))?;
            }
            gathered.extend_from_slice(part);
        }
        if !gathered.is_empty() {
            self.say(Say::Data(&gathered))?;
        }
        Ok(taken)
    }
}

/// Why rustls wrote nothing.
enum Refused {
    /// It needs so much room, in bytes.
    Room(usize),
    Other(Error),
}

impl From<EncodeError> for Refused {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(error) => Self::Room(error.required_size),
            EncodeError::AlreadyEncoded => Self::Other(Error::General(error.to_string())),
        }
    }
}

impl From<EncryptError> for Refused {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(error) => Self::Room(error.required_size),
            EncryptError::EncryptExhausted => Self::Other(Error::EncryptError),
        }
    }
}

/// What there is to say, as records.
fn speak(
    mut traffic: WriteTraffic<'_, ServerConnectionData>,
    say: Say<'_>,
    outgoing: &mut Vec<u8>,
) -> Result<(), Error> {
    match say {
        Say::Nothing => Ok(()),
        Say::Goodbye => append(outgoing, OVERHEAD, |room| Ok(traffic.queue_close_notify(room)?)),
        Say::Data(data) => {
            let size = data.len() + (data.len() / FRAGMENT + 1) * OVERHEAD;
            append(outgoing, size, |room| Ok(traffic.encrypt(data, room)?))
        }
    }
}

/// Lets `write` put its bytes behind the others, with more room where it asks for that.
fn append(
    outgoing: &mut Vec<u8>,
    size: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Refused>,
) -> Result<(), Error> {
    let (begin, mut size) = (outgoing.len(), size);
    let written = loop {
        // A connection ends for want of memory, not the machine.
        if outgoing.try_reserve_exact(size).is_err() {
            break Err(Error::General("no memory to encrypt in".to_owned()));
        }
        outgoing.resize(begin + size, 0);
        match write(&mut outgoing[begin..]) {
            Err(Refused::Room(needed)) if needed > size => size = needed,
            Err(Refused::Room(_)) => break Err(Error::EncryptError),
            Err(Refused::Other(error)) => break Err(error),
            Ok(written) => break Ok(written),
        }
    };
    outgoing.truncate(begin + written.as_ref().map_or(0, |written| *written));
    written.map(drop)
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_plain(cx))?;
        let rest = &self.plain[self.read..];
        let taken = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..taken]);
        self.read += taken;
        if self.read == self.plain.len() {
            self.plain = Vec::new();
            self.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let taken = buf.len().min(ciphertext::piece());
        self.poll_say(cx, |secured| secured.say(Say::Data(&buf[..taken])).map(|()| taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_say(cx, |secured| secured.say_all(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_goodbye_said {
            self.is_goodbye_said = true;
            self.say(Say::Goodbye)?;
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Awaited for Secured<S> {
    fn poll_word(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let came = ready!(self.poll_plain(cx)).is_ok();
        Poll::Ready(came && !self.plain.is_empty())
    }

    fn put_back(&mut self, bytes: &[u8]) {
        self.plain.splice(..self.read, bytes.iter().copied());
        self.read = 0;
    }
}

#[cfg(test)]
mod tests;
