//! Streams whose next word can be waited for while nothing but the stream itself takes memory.
//!
//! Invariant: what was read and not used is read again, in order, before anything else.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once of the next word, in bytes: the usual request.
const WORD: usize = 2048;

/// A stream that can be waited for.
pub(crate) trait Awaited: AsyncRead + AsyncWrite + Unpin {
    /// Until the client's next word is there, or there will be none: false.
    fn poll_word(&mut self, cx: &mut Context<'_>) -> Poll<bool>;

    /// Gives back what was read and not used.
    fn put_back(&mut self, bytes: &[u8]);
}

/// Waits for the client's next word, and says whether it came.
pub(crate) async fn begins<S: Awaited>(stream: &mut S) -> bool {
    poll_fn(|cx| stream.poll_word(cx)).await
}

impl<S: Awaited> Awaited for Box<S> {
    fn poll_word(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        (**self).poll_word(cx)
    }

    fn put_back(&mut self, bytes: &[u8]) {
        (**self).put_back(bytes);
    }
}

/// A stream in the clear.
pub(crate) struct Plain<S> {
    stream: S,
    /// What was read ahead.
    word: Vec<u8>,
}

impl<S> Plain<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, word: Vec::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Awaited for Plain<S> {
    fn poll_word(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.word.is_empty() {
            let mut room = [MaybeUninit::uninit(); WORD];
            let mut piece = ReadBuf::uninit(&mut room);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece)).is_err() {
                return Poll::Ready(false);
            }
            self.word = piece.filled().to_vec();
        }
        Poll::Ready(!self.word.is_empty())
    }

    fn put_back(&mut self, bytes: &[u8]) {
        self.word.splice(..0, bytes.iter().copied());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Plain<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.word.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let taken = self.word.len().min(buf.remaining());
        buf.put_slice(&self.word[..taken]);
        self.word.drain(..taken);
        if self.word.is_empty() {
            self.word = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Plain<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
