//! The graceful end: one trigger, any number of watchers. It stops nothing itself.
//!
//! Invariant: once started, a drain is never taken back.

use std::fs::File;
use std::io::{self, Read};
use std::thread;

use tokio::sync::watch;

/// Where a machine's kernel shows its power button: reading waits for a press and gives one byte.
const POWER_BUTTON: &str = "/dev/power-button";
/// The thread only waits.
const STACK_BYTES: usize = 64 << 10;

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

/// Starts the drain when the machine's power button is pressed. A machine without one runs until it is switched off.
///
/// # Errors
/// When the thread that waits for it cannot be started.
pub fn on_power_button(trigger: Trigger) -> io::Result<()> {
    let Ok(button) = File::open(POWER_BUTTON) else {
        tracing::warn!("this machine has no power button");
        return Ok(());
    };
    let waiting = thread::Builder::new().name("power-button".to_owned()).stack_size(STACK_BYTES);
    waiting.spawn(move || start_when_pressed(button, &trigger)).map(drop)
}

/// Any byte is a press. A button that cannot be read is none.
fn start_when_pressed(mut button: impl Read, trigger: &Trigger) {
    match button.read_exact(&mut [0]) {
        Ok(()) => {
            tracing::info!("the power button was pressed");
            trigger.start();
        }
        Err(error) => tracing::warn!(%error, "the power button cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_press_starts_the_drain_and_a_broken_button_does_not() {
        let (trigger, drain) = channel();
        start_when_pressed(io::empty(), &trigger);
        assert!(!*drain.0.borrow());
        start_when_pressed(&[1_u8][..], &trigger);
        drain.started().await;
    }
}
