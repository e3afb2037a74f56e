//! When a connection last got something done, so that one that gets nothing done can be closed.
//!
//! Done is: a request arrived whole, an answer was sent whole or [`STEP_BYTES`] of it. Bytes as such are not: a client
//! that trickles half a head, or pings without asking anything, as often as it likes, keeps no connection open by it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// What a client must take of an answer within the idle limit to go on: 273 bytes a second at the default of 60 s, a
/// tenth of the slowest mobile networks.
const STEP_BYTES: i64 = 16 * 1024;

/// What the protocol itself may say to a byte of the client's, in bytes: PING and SETTINGS are answered by as many, a frame for
/// a stream that is closed by thirteen for nine (RFC 9113, 6.4), and TLS adds to both sides the same.
const ECHO: i64 = 2;

/// Requests of one connection that are worked on or whose answers are not taken yet. Further ones wait for these, so that
/// nobody uses up with a few connections what all have together; browsers ask for fewer at once.
const SHARE: usize = 32;

/// A handshake or the next step of a large answer, on its way to a client far away, takes less than this.
const GRACE: Duration = Duration::from_secs(2);

/// Who is silent for so long is looked at once more: likely for longer, as a person reads a page for half a minute. Whoever
/// then turns out to be busy is looked at half as often, so that looks cost nothing.
const PATIENCE: [Duration; 2] = [Duration::from_millis(2), Duration::from_secs(1)];

/// In the place of a time: no request's head is on its way.
const NO_HEAD: u64 = u64::MAX;

/// Shared between a stream, its requests and whoever watches them.
#[derive(Clone, Debug)]
pub(crate) struct Activity(Arc<Clock>);

#[derive(Debug)]
struct Clock {
    begun: Instant,
    last_ms: AtomicU64,
    /// What was written of answers since then, in bytes, at least: less than nothing where the client said more than that.
    written: AtomicI64,
    requests: AtomicU32,
    share: Semaphore,
    /// Those of them whose answers are not made yet.
    awaited: AtomicU32,
    /// When the head that is on its way began; [`NO_HEAD`] without one. The first is awaited from the start.
    head_ms: AtomicU64,
    /// Whether everything that was to be sent is.
    is_flushed: AtomicBool,
    /// Whether the last answer is sent and the client was told that none follows.
    is_closing: AtomicBool,
    /// Whether there ever was a request.
    is_used: AtomicBool,
    used: Notify,
    is_leaving: AtomicBool,
    evicted: Notify,
}

/// How long somebody must be silent to count as such.
#[derive(Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(PATIENCE[0])
    }

    fn double(&mut self) {
        self.0 = (self.0 * 2).min(PATIENCE[1]);
    }

    /// Somebody was silent for so long after that.
    pub(crate) fn learn(&mut self, silence: Duration) {
        if silence < PATIENCE[1] { self.double() } else { *self = Self::new() }
    }
}

/// A request on the connection, from its head to the end of its answer.
#[derive(Debug)]
pub(crate) struct Busy(Activity);

/// The same while its answer is in the making.
#[derive(Debug)]
pub(crate) struct Awaiting(Activity);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Clock {
            begun: Instant::now(),
            last_ms: AtomicU64::new(0),
            written: AtomicI64::new(0),
            requests: AtomicU32::new(0),
            share: Semaphore::new(SHARE),
            awaited: AtomicU32::new(0),
            head_ms: AtomicU64::new(0),
            is_flushed: AtomicBool::new(true),
            is_closing: AtomicBool::new(false),
            is_used: AtomicBool::new(false),
            used: Notify::new(),
            is_leaving: AtomicBool::new(false),
            evicted: Notify::new(),
        }))
    }

    /// Something was done now.
    pub(crate) fn touch(&self) {
        self.0.last_ms.store(self.now_ms(), Ordering::Relaxed);
        self.0.written.store(0, Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(NO_HEAD - 1)
    }

    /// A request's head has begun now.
    pub(crate) fn head(&self) {
        self.0.head_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Bytes have come. Those that no request is worked on for are the next head's.
    fn heard(&self, bytes: usize) {
        self.count(-ECHO * i64::try_from(bytes).unwrap_or(i64::from(i32::MAX)));
        let is_next = self.0.requests.load(Ordering::Relaxed) == 0;
        if is_next && self.0.head_ms.load(Ordering::Relaxed) == NO_HEAD {
            self.head();
        }
    }

    /// Ends when a head is on its way for longer than this.
    pub(crate) async fn overdue(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let deadline = match self.0.head_ms.load(Ordering::Relaxed) {
                // One that begins from here on is not due before.
                NO_HEAD => now + limit,
                begun_ms => self.0.begun + Duration::from_millis(begun_ms) + limit,
            };
            if deadline <= now {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// A request has arrived; it is answered when the handle is dropped. `None` where it has to wait for its turn.
    pub(crate) fn begin(&self) -> Option<Busy> {
        self.0.share.try_acquire().ok()?.forget();
        Some(self.begun())
    }

    /// The turn of a request that has to wait.
    pub(crate) async fn turn(&self) -> Busy {
        // It is never closed, which is what could fail.
        if let Ok(share) = self.0.share.acquire().await {
            share.forget();
        }
        self.begun()
    }

    fn begun(&self) -> Busy {
        self.touch();
        self.0.head_ms.store(NO_HEAD, Ordering::Relaxed);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        if !self.0.is_used.swap(true, Ordering::Relaxed) {
            self.0.used.notify_one();
        }
        Busy(self.clone())
    }

    /// The answer of one of the requests is waited for; it is made when the handle is dropped.
    pub(crate) fn wait(&self) -> Awaiting {
        self.0.awaited.fetch_add(1, Ordering::Relaxed);
        Awaiting(self.clone())
    }

    /// Ends when the first request has begun.
    pub(crate) async fn used(&self) {
        if !self.0.is_used.load(Ordering::Relaxed) {
            self.0.used.notified().await;
        }
    }

    fn wrote(&self, bytes: usize) {
        if self.count(i64::try_from(bytes).unwrap_or(STEP_BYTES)) >= STEP_BYTES {
            self.touch();
        }
    }

    fn count(&self, bytes: i64) -> i64 {
        let sum = self.0.written.load(Ordering::Relaxed).saturating_add(bytes);
        self.0.written.store(sum, Ordering::Relaxed);
        sum
    }

    /// Since when nothing was done; none while a request is worked on, not before [`GRACE`] is over, and not when it was
    /// asked to go already. An answer that is made waits for nobody but the client.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let last = self.last();
        let is_busy = self.is_leaving() || self.0.awaited.load(Ordering::Relaxed) > 0;
        let idle = !is_busy && last.elapsed() >= GRACE;
        idle.then_some(last)
    }

    /// Whether the client has not taken all of its answers.
    pub(crate) fn is_sending(&self) -> bool {
        self.0.requests.load(Ordering::Relaxed) > 0 || !self.0.is_flushed.load(Ordering::Relaxed)
    }

    fn last(&self) -> Instant {
        self.0.begun + Duration::from_millis(self.0.last_ms.load(Ordering::Relaxed))
    }

    /// Asks the connection to make room for another.
    pub(crate) fn evict(&self) {
        self.0.is_leaving.store(true, Ordering::Relaxed);
        self.0.evicted.notify_one();
    }

    /// Whether it was asked to.
    pub(crate) fn is_leaving(&self) -> bool {
        self.0.is_leaving.load(Ordering::Relaxed)
    }

    /// Ends when nothing was done for a while, and nothing is on its way in either direction, as far as is known here: who
    /// answered early may still be sent a request's body. It never ends once the connection closes: what comes then is no
    /// request (RFC 9112, 9.6).
    pub(crate) async fn rests(&self, patience: &mut Patience) {
        loop {
            let (now, last) = (Instant::now(), self.last());
            let deadline = last + patience.0;
            if deadline <= now && self.is_still() {
                return;
            }
            tokio::time::sleep_until(if deadline > now { deadline } else { now + patience.0 }).await;
            if self.last() != last {
                patience.double();
            }
        }
    }

    fn is_still(&self) -> bool {
        self.0.requests.load(Ordering::Relaxed) == 0
            && self.0.head_ms.load(Ordering::Relaxed) == NO_HEAD
            && self.0.is_flushed.load(Ordering::Relaxed)
            && !self.0.is_closing.load(Ordering::Relaxed)
    }

    /// Ends when the connection is asked to make room.
    pub(crate) async fn evicted(&self) {
        self.0.evicted.notified().await;
    }

    /// Ends when nothing was done for this long.
    pub(crate) async fn stopped(&self, limit: Duration) {
        loop {
            let deadline = self.last() + limit;
            if deadline <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.0.requests.fetch_sub(1, Ordering::Relaxed);
        self.0.0.share.add_permits(1);
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.0.0.awaited.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that notes what comes and goes.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let known = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len() - known;
        if bytes > 0 {
            self.activity.heard(bytes);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.activity.0.is_flushed.store(false, Ordering::Relaxed);
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = written {
            self.activity.wrote(bytes);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.activity.0.is_flushed.store(true, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.activity.0.is_closing.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
