//! A machine's power button, which starts the drain.

use std::fs::File;
use std::io::{self, Read};
use std::thread;

use edge::drain::Trigger;

/// Where a machine's kernel shows its power button: reading waits for a press and gives one byte.
const POWER_BUTTON: &str = "/dev/power-button";
/// The thread only waits.
const STACK_BYTES: usize = 64 << 10;

/// Starts the drain when the machine's power button is pressed. A machine without one runs until it is switched off.
///
/// # Errors
/// When the thread that waits for it cannot be started.
pub fn watch(trigger: Trigger) -> io::Result<()> {
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
        let (trigger, drain) = edge::drain::channel();
        start_when_pressed(io::empty(), &trigger);
        tokio::select! {
            biased;
            () = drain.started() => panic!("nobody has pressed it"),
            () = std::future::ready(()) => {}
        }
        start_when_pressed(&[1_u8][..], &trigger);
        drain.started().await;
    }
}
