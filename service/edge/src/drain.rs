//! The graceful end: one trigger, any number of watchers. It stops nothing itself.
//!
//! Invariant: once started, a drain is never taken back.

use tokio::sync::watch;

/// Starts the drain. Dropping it without a start leaves the service running.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Tells when the drain has started.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<bool>);

/// A trigger and its watcher.
pub fn channel() -> (Trigger, Drain) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Drain(receiver))
}

impl Trigger {
    /// Tells all watchers: accept nothing new, finish what was begun.
    pub fn start(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    /// Ends when the drain has started; never, if the trigger was dropped before.
    pub async fn started(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|started| *started).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
