//! The site's address as the authority sees it: whoever comes is let through to the machine that it leads to, or has to wait.
//!
//! So an order can be held in its middle for as long as the authority bears (Pebble: 15 s), and what is asked there is seen.
//! Invariant: nobody is let through before [`Door::lead_to`].

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use image::wait::{Status, wait_until};

use super::bridge::HOST;

/// Where tls-alpn-01 asks.
const PORT: u16 = 443;

/// A door. It is walled up with its handle.
pub(super) struct Door {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    to: Option<Ipv4Addr>,
    came: usize,
    over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the door leads somewhere; `None` when it never will.
    fn target(&self) -> Option<Ipv4Addr> {
        let mut state = self.state();
        state.came += 1;
        while state.to.is_none() && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.to
    }

    fn pass(&self, visitor: &TcpStream) -> io::Result<()> {
        let Some(machine) = self.target() else { return Ok(()) };
        let machine = TcpStream::connect((machine, PORT))?;
        thread::scope(|scope| {
            scope.spawn(|| copy(visitor, &machine));
            copy(&machine, visitor);
        });
        Ok(())
    }

    fn keep(self: &Arc<Self>, listener: &TcpListener) {
        for visitor in listener.incoming().flatten() {
            if self.state().over {
                break;
            }
            let shared = Arc::clone(self);
            // A machine that is gone closes the connection: the authority says so.
            thread::spawn(move || shared.pass(&visitor));
        }
    }
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // Whatever ends it, the other end sees the end.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

impl Door {
    /// One that leads nowhere yet.
    pub(super) fn open() -> Result<Self> {
        let listener =
            TcpListener::bind((HOST, PORT)).with_context(|| format!("cannot listen on {HOST}:{PORT}"))?;
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        Ok(Self { shared, keeper: Some(thread::spawn(move || inner.keep(&listener))) })
    }

    /// Lets all through that wait, and that come.
    pub(super) fn lead_to(&self, machine: Ipv4Addr) {
        self.shared.state().to = Some(machine);
        self.shared.changed.notify_all();
    }

    /// Waits until the authority has come to look.
    pub(super) fn wait_for_visitor(&self, deadline: Duration) -> Result<()> {
        wait_until(deadline, "the authority's look", || {
            Ok(match self.shared.state().came {
                0 => Status::Pending("nobody came".to_owned()),
                _ => Status::Reached(()),
            })
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_all();
        // Wakes who waits for visitors.
        let _ = TcpStream::connect((HOST, PORT));
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}
