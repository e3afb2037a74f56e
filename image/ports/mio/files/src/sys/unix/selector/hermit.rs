//! mio's selector on the kernel's watches (`image/kernel/files/src/fd/watch.rs`).
//!
//! It keeps no state: the kernel reports what happened, once, as epoll does when it is edge-triggered.
//! Invariant: `Event` is laid out as the kernel's `Happening`.

use std::io;
use std::os::hermit::io::{AsRawFd, FromRawFd, OwnedFd, RawFd};
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::{Interest, Token};

unsafe extern "C" {
    safe fn sys_watch_open() -> i32;
    safe fn sys_watch_add(watch: RawFd, fd: RawFd, events: i16, token: u64) -> i32;
    safe fn sys_watch_remove(fd: RawFd) -> i32;
    fn sys_watch_wait(watch: RawFd, events: *mut Event, capacity: usize, timeout_us: i64) -> i32;
}

/// The kernel answers with a count, or with an error's number below zero.
fn answer(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}

/// Unique id for use as `SelectorId`.
#[cfg(debug_assertions)]
static NEXT_ID: AtomicUsize = AtomicUsize::new(1);

#[derive(Debug)]
pub struct Selector {
    #[cfg(debug_assertions)]
    id: usize,
    watch: Arc<OwnedFd>,
}

impl Selector {
    pub fn new() -> io::Result<Selector> {
        let watch = answer(sys_watch_open())?;
        Ok(Selector {
            #[cfg(debug_assertions)]
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            // Safety: the kernel has just made the descriptor, and nobody else knows it.
            watch: Arc::new(unsafe { OwnedFd::from_raw_fd(watch) }),
        })
    }

    pub fn try_clone(&self) -> io::Result<Selector> {
        Ok(Selector {
            #[cfg(debug_assertions)]
            id: self.id,
            watch: Arc::clone(&self.watch),
        })
    }

    pub fn select(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        // A wait that ends a moment too early would be repeated with no time left: round up.
        let timeout = timeout.map_or(-1, |timeout| {
            i64::try_from(timeout.as_nanos().div_ceil(1000)).unwrap_or(i64::MAX)
        });
        events.clear();
        let capacity = events.capacity();
        // Safety: the vector has room for so many entries, and the kernel says how many it has written.
        unsafe {
            let filled = answer(sys_watch_wait(
                self.watch.as_raw_fd(),
                events.as_mut_ptr(),
                capacity,
                timeout,
            ))?;
            events.set_len(filled as usize);
        }
        Ok(())
    }

    pub fn register(&self, fd: RawFd, token: Token, interests: Interest) -> io::Result<()> {
        let token = usize::from(token) as u64;
        answer(sys_watch_add(self.watch.as_raw_fd(), fd, asked(interests), token)).map(drop)
    }

    cfg_any_os_ext! {
    pub fn reregister(&self, fd: RawFd, token: Token, interests: Interest) -> io::Result<()> {
        self.register(fd, token, interests)
    }

    pub fn deregister(&self, fd: RawFd) -> io::Result<()> {
        answer(sys_watch_remove(fd)).map(drop)
    }
    }
}

cfg_io_source! {
    impl Selector {
        #[cfg(debug_assertions)]
        pub fn id(&self) -> usize {
            self.id
        }
    }
}

fn asked(interests: Interest) -> i16 {
    let mut events = 0;
    if interests.is_readable() {
        events |= libc::POLLIN | libc::POLLRDHUP;
    }
    if interests.is_writable() {
        events |= libc::POLLOUT;
    }
    events
}

/// What happened to one descriptor.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    events: i16,
    token: u64,
}

pub type Events = Vec<Event>;

pub mod event {
    use std::fmt;

    use crate::Token;
    use crate::sys::Event;

    pub fn token(event: &Event) -> Token {
        Token(event.token as usize)
    }

    pub fn is_readable(event: &Event) -> bool {
        event.events & libc::POLLIN != 0
    }

    pub fn is_writable(event: &Event) -> bool {
        event.events & libc::POLLOUT != 0
    }

    pub fn is_error(event: &Event) -> bool {
        event.events & libc::POLLERR != 0
    }

    pub fn is_read_closed(event: &Event) -> bool {
        event.events & (libc::POLLHUP | libc::POLLRDHUP) != 0
    }

    pub fn is_write_closed(event: &Event) -> bool {
        event.events & libc::POLLHUP != 0
            || event.events & libc::POLLOUT != 0 && event.events & libc::POLLERR != 0
            || event.events == libc::POLLERR
    }

    pub fn is_priority(_: &Event) -> bool {
        false
    }

    pub fn is_aio(_: &Event) -> bool {
        false
    }

    pub fn is_lio(_: &Event) -> bool {
        false
    }

    pub fn debug_details(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
        fmt::Debug::fmt(event, f)
    }
}

pub(crate) use crate::sys::unix::waker::Waker;

cfg_io_source! {
    mod stateless_io_source;
    pub(crate) use stateless_io_source::IoSourceState;
}
