//! One listener: accepts while there are permits or idle connections to end, and after the drain waits for the rest.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::connection::Connection;
use crate::crowd::Crowd;

/// How long to wait when the operating system cannot accept (out of descriptors or memory), which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often another idle connection is asked to go while somebody waits for its place.
const ROOM_PAUSE: Duration = Duration::from_millis(100);

/// One place of so many is kept free: whoever is asked to go takes a moment, in which others arrive.
const RESERVED_SHARE: usize = 8;

/// A listener and the connections that came through it.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    connection: Arc<Connection>,
    permits: Arc<Semaphore>,
    /// Idle connections are asked to go while fewer places than this are free.
    reserve: usize,
    crowd: Crowd,
}

impl Door {
    /// Not open yet: nothing is accepted.
    pub fn new(listener: TcpListener, connection: Connection) -> Self {
        let places = connection.limits.connections as usize;
        let permits = Arc::new(Semaphore::new(places));
        let reserve = (places / RESERVED_SHARE).max(1);
        Self { listener, connection: Arc::new(connection), permits, reserve, crowd: Crowd::default() }
    }

    /// Accepts from now on. The task ends when the drain has started and the connections are closed or out of time; it
    /// has no other way to end.
    pub fn open(self) -> JoinHandle<()> {
        tokio::spawn(self.run())
    }

    async fn run(self) {
        tokio::select! {
            () = self.connection.drain.started() => {}
            () = self.accept() => {}
        }
        let Self { listener, connection, permits, .. } = self;
        drop(listener);
        let limit = Duration::from_secs(connection.limits.drain_s.into());
        let all = permits.acquire_many(connection.limits.connections);
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("the drain's deadline is over: connections are cut");
        }
    }

    async fn accept(&self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Answers are written whole: waiting to fill a packet would only delay their end.
                    let _ = stream.set_nodelay(true);
                    let permit = self.permit().await;
                    let connection = Arc::clone(&self.connection);
                    let crowd = self.crowd.clone();
                    tokio::spawn(async move {
                        connection.serve_among(stream, peer.ip(), &crowd).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A place for one more connection; idle ones go for it.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let free = Arc::clone(&self.permits).acquire_owned();
            let lacking = self.reserve.saturating_sub(self.permits.available_permits());
            if lacking > 0 {
                self.crowd.make_room(lacking);
            }
            if let Ok(permit) = tokio::time::timeout(ROOM_PAUSE, free).await {
                // An error would say that the semaphore is closed, which nobody does.
                return permit.ok();
            }
        }
    }
}
