//! One listener: accepts while there are permits, and after the drain waits for them to come back.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connection::Connection;

/// How long to wait when the operating system cannot accept (out of descriptors or memory), which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Door {
    listener: TcpListener,
    connection: Arc<Connection>,
    permits: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, connection: Connection) -> Self {
        let permits = Arc::new(Semaphore::new(connection.limits.connections as usize));
        Self { listener, connection: Arc::new(connection), permits }
    }

    /// Ends when the drain has started and its connections are closed or out of time.
    pub(super) async fn run(self) {
        tokio::select! {
            () = self.connection.drain.started() => {}
            () = self.accept() => {}
        }
        let Self { listener, connection, permits } = self;
        drop(listener);
        let limit = Duration::from_secs(connection.limits.drain_s.into());
        let all = permits.acquire_many(connection.limits.connections);
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("the drain's deadline is over: connections are cut");
        }
    }

    async fn accept(&self) {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Answers are written whole: waiting to fill a packet would only delay their end.
                    let _ = stream.set_nodelay(true);
                    let connection = Arc::clone(&self.connection);
                    tokio::spawn(async move {
                        connection.serve(stream, peer.ip()).await;
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
}
