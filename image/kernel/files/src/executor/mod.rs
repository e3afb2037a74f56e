//! Futures in a kernel that has hardly any: files and the console answer at once, or after something happened.
//!
//! The network does not go through it. Background tasks are run when a processor has nothing better to do.
//!
//! Invariant: `block_on` looks again after every event, so no waker needs to be kept.

pub(crate) mod task;

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use hermit_sync::without_interrupts;

use crate::arch::core_local::{async_tasks, core_id};
use crate::arch::kernel::processors;
use crate::executor::task::AsyncTask;
use crate::io;
use crate::net::{stack, wait};

/// A place for one waker.
#[derive(Debug)]
pub(crate) struct WakerRegistration(Option<Waker>);

impl WakerRegistration {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Keeps this waker in the place of the last.
    pub(crate) fn register(&mut self, waker: &Waker) {
        match &mut self.0 {
            Some(kept) => kept.clone_from(waker),
            None => self.0 = Some(waker.clone()),
        }
    }

    /// Wakes whoever registered, and everybody who waits for anything.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
        wait::notify();
    }
}

/// There is nothing to prepare: the network starts with the drivers.
pub fn init() {}

/// Runs what is due. Called often, also from interrupts; cheap when nothing is due.
pub(crate) fn run() {
    stack::run_if_needed();
    run_tasks();
}

/// Runs before a processor halts for want of threads. The network is the first one's, which takes its interrupts.
pub(crate) fn run_idle() {
    processors::rests();
    if core_id() == 0 {
        stack::run_idle();
    }
    run_tasks();
}

fn run_tasks() {
    without_interrupts(|| {
        let mut context = Context::from_waker(Waker::noop());
        async_tasks().retain_mut(|task| task.poll(&mut context).is_pending());
    });
}

/// Adds a background task of this processor.
#[allow(dead_code)]
pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) {
    without_interrupts(|| async_tasks().push(AsyncTask::new(future)));
}

/// Completes a future without ever sleeping: early at start there is nothing to sleep with.
pub(crate) fn poll_on<F: Future<Output = io::Result<T>>, T>(future: F) -> io::Result<T> {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        core::hint::spin_loop();
    }
}

/// Completes a future, sleeping while it cannot proceed. `ETIME` after `timeout`.
pub(crate) fn block_on<F: Future<Output = io::Result<T>>, T>(
    future: F,
    timeout: Option<Duration>,
) -> io::Result<T> {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    let deadline = timeout.map(|timeout| wait::now() + timeout.as_micros() as u64);
    loop {
        let seen = wait::events();
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        if deadline.is_some_and(|deadline| deadline <= wait::now()) {
            return Err(io::Error::ETIME);
        }
        stack::run();
        wait::pause(seen, deadline);
    }
}
