//! `poll`: which of many descriptors can be used, and waiting for one.
//!
//! It does not know why one can be used: `Ready` says so, in one load for each descriptor.
//!
//! Invariant: nothing that happens between the look and the sleep is missed.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use async_trait::async_trait;

use super::eventfd::EventCounter;
use super::table::{self, Open};
use super::{ObjectInterface, PollEvent, PollFd, StatusFlags};
use crate::executor::block_on;
use crate::io;
use crate::net::ready::{READABLE, WRITABLE};
use crate::net::tcp::TcpSocket;
use crate::net::udp::UdpSocket;
use crate::net::{stack, tick, wait};

/// Waits until a descriptor can be used as asked, or the time is over. Returns how many can be.
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<u64> {
    let deadline = super::deadline(timeout);
    crate::console::be_patient();
    loop {
        let seen = wait::events();
        stack::run();
        let usable = look(fds);
        if usable > 0 {
            tick::keep();
            return Ok(usable);
        }
        if deadline.is_some_and(|deadline| deadline <= wait::now()) {
            return Ok(0);
        }
        wait::pause(seen, deadline);
    }
}

fn look(fds: &mut [PollFd]) -> u64 {
    table::with(|table| {
        let mut usable = 0;
        for asked in fds {
            asked.revents = match table.get(asked.fd) {
                _ if asked.fd < 0 => PollEvent::empty(),
                None => PollEvent::POLLNVAL,
                Some(table::Entry { ready: Some(ready), .. }) => ready.among(asked.events),
                Some(table::Entry { open, .. }) => object(open, asked.events),
            };
            usable += u64::from(!asked.revents.is_empty());
        }
        usable
    })
}

/// Files never make anyone wait; the console may.
fn object(open: &Open, asked: PollEvent) -> PollEvent {
    let Open::Object(object) = open else { return PollEvent::empty() };
    let now = Some(Duration::ZERO);
    block_on(object.poll(asked), now).unwrap_or(asked & (READABLE | WRITABLE))
}

/// A socket or counter where an object is expected: it has flags and nothing else.
#[derive(Debug)]
pub(super) enum Flags {
    Tcp(Arc<TcpSocket>),
    Udp(Arc<UdpSocket>),
    Event(Arc<EventCounter>),
}

#[async_trait]
impl ObjectInterface for Flags {
    async fn status_flags(&self) -> io::Result<StatusFlags> {
        let nonblocking = match self {
            Self::Tcp(socket) => socket.is_nonblocking(),
            Self::Udp(socket) => socket.is_nonblocking(),
            Self::Event(event) => event.is_nonblocking(),
        };
        Ok(if nonblocking { StatusFlags::O_NONBLOCK } else { StatusFlags::empty() })
    }

    async fn set_status_flags(&self, flags: StatusFlags) -> io::Result<()> {
        let nonblocking = flags.contains(StatusFlags::O_NONBLOCK);
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(nonblocking),
            Self::Udp(socket) => socket.set_nonblocking(nonblocking),
            Self::Event(event) => event.set_nonblocking(nonblocking),
        }
        Ok(())
    }
}
