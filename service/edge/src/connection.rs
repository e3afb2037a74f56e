//! One connection: TLS, then HTTP/2 or HTTP/1.1 as agreed by ALPN, until it is done, idle or drained.
//!
//! Invariant: each phase has a limit in time, so a client that stops costs one permit for that time and nothing else.
//! Phases and the TLS stream are boxed: a connection holds the memory of the phase that it is in, once. Without that, an
//! idle one took 10 KiB more.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use config::Limits;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tls::rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::activity::{Activity, Patience, Watched};
use crate::answers::Answers;
use crate::awaited::{self, Awaited, Plain};
use crate::counted::Counted;
use crate::crowd::Crowd;
use crate::drain::Drain;
use crate::linger::Lingering;
use crate::load::Load;
use crate::peer::Peer;
use crate::secured::{Greeting, Secured};

/// How long a connection may take to say goodbye once it was idle for too long.
const FAREWELL: Duration = Duration::from_secs(2);

/// The same when another visitor waits for the place.
const HURRIED_FAREWELL: Duration = Duration::from_millis(50);

/// For each KiB of head that the site accepts, what is read, in bytes: a head somewhat beyond the limit is refused by the
/// site with a page that says so, a larger one by the protocol.
const HEAD_BUFFER: usize = 1536;

/// What a client may send on one stream before it is read, in bytes: HTTP/2's own default (RFC 9113, 6.9.2).
const STREAM_WINDOW: u32 = 65_535;

/// The same for all streams of a connection. hyper's default of 1 MiB would let 128 clients fill a machine of 128 MiB.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// What one stream may have ready to send, in bytes. A static file is not copied into it.
const SEND_BUFFER: usize = 64 * 1024;

/// Who answers certificate authorities in the handshake itself (tls-alpn-01).
pub trait Challenges: Send + Sync {
    /// What proves this name; `None` where nobody asked an authority to ask.
    fn proof<'a>(&'a self, name: &'a str) -> Proof<'a>;
}

/// What a challenge's handshake is answered with.
pub type Proof<'a> = Pin<Box<dyn Future<Output = Option<Arc<ServerConfig>>> + Send + 'a>>;

/// What all connections of one listener share.
pub struct Connection {
    /// `None`: plain HTTP.
    tls: Option<Arc<ServerConfig>>,
    /// Who answers certificate authorities (tls-alpn-01).
    challenges: Option<Arc<dyn Challenges>>,
    answers: Arc<dyn Answers>,
    pub(crate) limits: Limits,
    pub(crate) drain: Drain,
    load: Arc<Load>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connections over TLS.
    pub fn secure(
        tls: Arc<ServerConfig>,
        answers: Arc<dyn Answers>,
        limits: Limits,
        drain: Drain,
        load: Arc<Load>,
    ) -> Self {
        Self { tls: Some(tls), challenges: None, answers, limits, drain, load }
    }

    /// Connections in the clear.
    pub fn plain(answers: Arc<dyn Answers>, limits: Limits, drain: Drain, load: Arc<Load>) -> Self {
        Self { tls: None, challenges: None, answers, limits, drain, load }
    }

    /// Answers the challenges of certificate authorities too.
    #[must_use]
    pub fn with_challenges(self, challenges: Arc<dyn Challenges>) -> Self {
        Self { challenges: Some(challenges), ..self }
    }

    /// Serves one to its end; `peer` is the client's address. Whatever a client does wrong is its own affair and is not
    /// logged.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, peer: IpAddr) {
        self.serve_among(stream, peer, &Crowd::default()).await;
    }

    /// Serves one that goes, once it has nothing to do, when others of the crowd need its place.
    pub(crate) async fn serve_among<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: IpAddr,
        crowd: &Crowd,
    ) {
        let activity = Activity::new();
        let service =
            Counted::new(Arc::clone(&self.answers), Peer(peer), activity.clone(), Arc::clone(&self.load));
        let _member = crowd.join(activity.clone());
        let _held = self.load.connection();
        let stream = Watched::new(Lingering::new(stream), activity.clone());
        match &self.tls {
            None => self.http1(Plain::new(stream), &activity, service).await,
            Some(tls) => self.https(tls, stream, &activity, service).await,
        }
    }

    async fn https<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        tls: &Arc<ServerConfig>,
        stream: S,
        activity: &Activity,
        service: Counted,
    ) {
        let limit = seconds(self.limits.handshake_s);
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(limit, Box::pin(self.handshake(tls, stream))) => shaken,
            () = activity.evicted() => return,
        };
        let Ok(Some(mut stream)) = shaken else { return };
        activity.touch();
        if stream.protocol() != Some(b"h2") {
            return self.http1(stream, activity, service).await;
        }
        if self.begins(&mut stream, activity).await {
            activity.head();
            Box::pin(self.http2(stream, activity, service)).await;
        }
    }

    /// Waits for the first byte of the first request, and says whether it came: until then a connection needs no protocol's
    /// buffers, and browsers open more than they use.
    async fn begins<S: Awaited>(&self, stream: &mut S, activity: &Activity) -> bool {
        let limit = seconds(self.limits.header_s);
        // A request may be on its way when the drain starts.
        let drained = async {
            self.drain.started().await;
            tokio::time::sleep(FAREWELL).await;
        };
        let begun = tokio::select! {
            begun = tokio::time::timeout(limit, awaited::begins(stream)) => begun == Ok(true),
            () = drained => false,
            () = activity.evicted() => false,
        };
        if !begun {
            // It was told nothing, and is told no more than that.
            farewell(stream, HURRIED_FAREWELL).await;
        }
        begun
    }

    /// The same of one who was answered before: whoever is silent needs none any more.
    async fn goes_on<S: Awaited>(&self, stream: &mut S, activity: &Activity) -> bool {
        let patience = tokio::select! {
            goes_on = awaited::begins(stream) => if goes_on { return true } else { FAREWELL },
            () = self.drain.started() => FAREWELL,
            () = activity.stopped(seconds(self.limits.idle_s)) => FAREWELL,
            () = activity.evicted() => HURRIED_FAREWELL,
        };
        farewell(stream, patience).await;
        false
    }

    /// A visitor's connection; `None` for one that failed, or that was an authority's and is over.
    async fn handshake<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        tls: &Arc<ServerConfig>,
        mut stream: S,
    ) -> Option<Box<Secured<S>>> {
        let greeting = Greeting::read(&mut stream).await.ok()?;
        let Some(name) = &greeting.challenged else {
            return Secured::accept(stream, greeting, Arc::clone(tls)).await.ok();
        };
        let proof = self.challenges.as_ref()?.proof(name).await?;
        // RFC 8737, 3: the handshake is the whole answer.
        let mut answered = Secured::accept(stream, greeting, proof).await.ok()?;
        let _ = answered.shutdown().await;
        None
    }

    async fn http1<S: Awaited + Send + 'static>(
        &self,
        mut stream: S,
        activity: &Activity,
        mut service: Counted,
    ) {
        if !self.begins(&mut stream, activity).await {
            return;
        }
        activity.head();
        let mut patience = Patience::new();
        while let Some(same) = Box::pin(self.talk(stream, activity, &mut patience, service)).await {
            (stream, service) = same;
            let begun = Instant::now();
            if !self.goes_on(&mut stream, activity).await {
                return;
            }
            patience.learn(begun.elapsed());
        }
    }

    /// Answers requests until the client says nothing for a while; `None`: until the connection's end. hyper keeps buffers
    /// (16 KiB, in a machine 4) for as long as its connection lives, so a silent one is taken out of its hands.
    async fn talk<S: Awaited + Send + 'static>(
        &self,
        stream: S,
        activity: &Activity,
        patience: &mut Patience,
        service: Counted,
    ) -> Option<(S, Counted)> {
        let mut connection = http1::Builder::new()
            // hyper's own would begin with the end of the answer before, and make an idle connection a late one.
            .header_read_timeout(None)
            .max_buf_size(self.limits.header_kib as usize * HEAD_BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            // hyper first, so that it has closed what is to be closed before that is taken for a rest.
            biased;
            () = self.watch(Pin::new(&mut connection), activity) => return None,
            () = activity.overdue(seconds(self.limits.header_s)) => return None,
            () = activity.rests(patience) => {}
        }
        // Between two requests it is over at once, and nobody is told so.
        Pin::new(&mut connection).graceful_shutdown();
        match poll_fn(|cx| Poll::Ready(connection.poll_without_shutdown(cx))).await {
            Poll::Ready(over) => over.ok()?,
            // The body of a request that was answered early is still on its way.
            Poll::Pending => {
                self.watch(Pin::new(&mut connection), activity).await;
                return None;
            }
        }
        let parts = connection.into_parts();
        let mut stream = parts.io.into_inner();
        if !parts.read_buf.is_empty() {
            activity.head();
            stream.put_back(&parts.read_buf);
        }
        Some((stream, parts.service))
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        activity: &Activity,
        service: Counted,
    ) {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(self.limits.header_kib.saturating_mul(HEAD_BUFFER as u32))
            .serve_connection(TokioIo::new(stream), service);
        self.watch(pin!(connection), activity).await;
    }

    /// Ends when the drain has started and the connection may be asked to end: its first request may be on its way, and
    /// HTTP/2 would drop a connection that it has heard nothing on.
    async fn drained(&self, activity: &Activity) {
        self.drain.started().await;
        // Whichever comes first.
        let _ = tokio::time::timeout(FAREWELL, activity.used()).await;
    }

    /// Runs the connection until it ends; on the drain or when it is idle, asks it to end (HTTP/2: GOAWAY).
    async fn watch<C: GracefulConnection>(&self, mut connection: Pin<&mut C>, activity: &Activity) {
        let idle = seconds(self.limits.idle_s);
        tokio::select! {
            biased;
            _ = connection.as_mut() => {}
            () = self.drained(activity) => end(connection, activity.stopped(idle)).await,
            () = activity.stopped(idle) => end(connection, tokio::time::sleep(FAREWELL)).await,
            () = activity.evicted() => end(connection, tokio::time::sleep(HURRIED_FAREWELL)).await,
        }
    }
}

/// Finishes what was begun, or stops when the time is over.
async fn end<C: GracefulConnection>(mut connection: Pin<&mut C>, over: impl Future<Output = ()>) {
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = over => {}
    }
}

/// Says goodbye, for so long at most.
async fn farewell<S: Awaited>(stream: &mut S, patience: Duration) {
    let _ = tokio::time::timeout(patience, stream.shutdown()).await;
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
