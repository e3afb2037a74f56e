//! The power button as a file: reading `/dev/power-button` waits until it is pressed and gives one byte.
//!
//! It powers nothing off: the application does, by ending. Invariant: a press is read once, also one that came before
//! the reader did.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::file::Node;
use super::fixed;
use crate::fd::ObjectInterface;
use crate::synch::futex::{Flags, futex_wait, futex_wake};
use crate::{fs, io};

const FILE: &str = "/dev/power-button";

/// Presses that nobody has read yet.
static PRESSES: AtomicU32 = AtomicU32::new(0);

/// Publishes the file, if the machine has such a button.
pub(super) fn publish() -> io::Result<()> {
    if !fixed::watch_button() {
        info!("the machine has no power button");
        return Ok(());
    }
    fs::mount(FILE, Box::new(Node::new(|| Arc::new(Button))))
}

/// ACPI's interrupt.
pub(super) fn on_interrupt() {
    // The line is quiet only when the status is, so the last look must have found nothing.
    while fixed::take_press() {
        PRESSES.fetch_add(1, Ordering::SeqCst);
    }
    futex_wake(&PRESSES, i32::MAX);
}

#[derive(Debug)]
struct Button;

#[async_trait]
impl ObjectInterface for Button {
    /// The thread sleeps in the scheduler, not where a thread that polls would: its wake-ups are none of its business.
    async fn read(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        while PRESSES.swap(0, Ordering::SeqCst) == 0 {
            futex_wait(&PRESSES, 0, None, Flags::empty());
        }
        buf[0].write(1);
        Ok(1)
    }
}
